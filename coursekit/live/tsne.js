// Exact t-SNE, with the defaults of scikit-learn: neighbour probabilities of a chosen perplexity,
// and gradient descent with momentum and gains. Distances are an array of n times n squares.

export function squaredDistances(rows) {
  const n = rows.length;
  const distances = new Float64Array(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j < i; j += 1) {
      let sum = 0;
      for (let d = 0; d < rows[i].length; d += 1) sum += (rows[i][d] - rows[j][d]) ** 2;
      distances[i * n + j] = distances[j * n + i] = sum;
    }
  }
  return distances;
}

// exp(-beta (distance - nearest)) of each other point, divided by their sum; returns the entropy.
function fillRow(row, squares, i, nearest, beta) {
  let total = 0;
  let moment = 0;
  for (let j = 0; j < row.length; j += 1) {
    const distance = squares[j] - nearest; // subtracted first, so that exp never underflows
    row[j] = j === i ? 0 : Math.exp(-beta * distance);
    total += row[j];
    moment += row[j] * distance;
  }
  for (let j = 0; j < row.length; j += 1) row[j] /= total;
  return Math.log(total) + (beta * moment) / total;
}

// p(j|i), row by row: beta = 1 / (2 sigma²) is searched until exp(entropy) is the perplexity.
export function neighbourProbabilities(distances, n, perplexity) {
  const probs = new Float64Array(n * n);
  const wanted = Math.log(perplexity);
  let beta = 1 / (distances.reduce((most, one) => Math.max(most, one), 0) || 1);
  for (let i = 0; i < n; i += 1) {
    const squares = distances.subarray(i * n, (i + 1) * n);
    const row = probs.subarray(i * n, (i + 1) * n);
    const nearest = squares.reduce((least, one, j) => (j === i ? least : Math.min(least, one)), Infinity);
    let [low, high] = [0, Infinity]; // the search begins where the row before has ended
    for (let turn = 0; turn < 200; turn += 1) {
      const excess = fillRow(row, squares, i, nearest, beta) - wanted;
      if (Math.abs(excess) < 1e-8) break;
      if (excess > 0) low = beta;
      else high = beta;
      beta = high === Infinity ? 2 * beta : (low + high) / 2;
    }
  }
  return probs;
}

// p(ij): both directions, and all of it sums to 1.
export function jointProbabilities(probs, n) {
  const joint = new Float64Array(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j < n; j += 1) {
      joint[i * n + j] = (probs[i * n + j] + probs[j * n + i]) / (2 * n);
    }
  }
  return joint;
}

// 1 / (1 + distance²) of all pairs i > j of points [x0, y0, x1, y1, ...], and their sum, twice.
function similarities(points) {
  const n = points.length / 2;
  const near = new Float64Array(n * n);
  let total = 0;
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j < i; j += 1) {
      const dx = points[2 * i] - points[2 * j];
      const dy = points[2 * i + 1] - points[2 * j + 1];
      const one = 1 / (1 + dx * dx + dy * dy);
      near[i * n + j] = one;
      total += 2 * one;
    }
  }
  return { n, near, total };
}

// Of KL(P || Q) with respect to the points, with P times `pull`.
export function gradientOf(points, joint, pull = 1) {
  const { n, near, total } = similarities(points);
  const gradient = new Float64Array(2 * n);
  for (let i = 0; i < n; i += 1) {
    let [x, y] = [0, 0];
    for (let j = 0; j < i; j += 1) {
      const one = near[i * n + j];
      const force = 4 * (pull * joint[i * n + j] - one / total) * one;
      const dx = force * (points[2 * i] - points[2 * j]);
      const dy = force * (points[2 * i + 1] - points[2 * j + 1]);
      x += dx;
      y += dy;
      gradient[2 * j] -= dx;
      gradient[2 * j + 1] -= dy;
    }
    gradient[2 * i] += x;
    gradient[2 * i + 1] += y;
  }
  return gradient;
}

const PULL = { factor: 12, steps: 250 }; // "early exaggeration"

// A descent from points on a map, [[x, y], ...]; step() moves `points`.
export function descent(joint, start) {
  const points = Float64Array.from(start.flat());
  const rate = Math.max(start.length / PULL.factor / 4, 50);
  const velocity = new Float64Array(points.length);
  const gains = new Float64Array(points.length).fill(1);
  let steps = 0;
  const step = () => {
    const isEarly = steps < PULL.steps;
    const gradient = gradientOf(points, joint, isEarly ? PULL.factor : 1);
    if (steps === PULL.steps) {
      velocity.fill(0);
      gains.fill(1);
    }
    for (let k = 0; k < points.length; k += 1) {
      const isTurning = velocity[k] * gradient[k] >= 0;
      gains[k] = Math.max(isTurning ? gains[k] * 0.8 : gains[k] + 0.2, 0.01);
      velocity[k] = (isEarly ? 0.5 : 0.8) * velocity[k] - rate * gains[k] * gradient[k];
      points[k] += velocity[k];
    }
    steps += 1;
  };
  return { points, step };
}

// The k nearest of each point, the nearest first; of equally distant ones the first is nearer.
export function nearestOf(distances, n, k) {
  return Array.from({ length: n }, (_, i) => {
    const row = distances.subarray(i * n, (i + 1) * n);
    const others = Array.from({ length: n }, (_, j) => j).filter((j) => j !== i);
    return others.sort((a, b) => row[a] - row[b] || a - b).slice(0, k);
  });
}

// The share of points whose class is the most common one among their neighbours.
export function neighbourAccuracy(neighbours, targets) {
  const agrees = (list, i) => {
    const votes = new Array(Math.max(...targets) + 1).fill(0);
    for (const j of list) votes[targets[j]] += 1;
    return votes.indexOf(Math.max(...votes)) === targets[i];
  };
  return neighbours.filter(agrees).length / neighbours.length;
}

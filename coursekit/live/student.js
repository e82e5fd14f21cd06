// What n networks of each of two recipes allow to conclude, by Student's t.

const [LEVEL, POWER, MOST_SEEDS] = [0.95, 0.8, 1000];

// The chance that |T| < t, for an even number of degrees of freedom.
// Source: Abramowitz and Stegun (1964), 26.7.4.
export function chanceWithin(t, freedom) {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const square = Math.cos(angle) ** 2;
  let [term, sum] = [1, 0];
  for (let k = 1; k <= freedom / 2; k += 1) {
    sum += term;
    term *= ((2 * k - 1) / (2 * k)) * square;
  }
  return Math.sin(angle) * sum;
}

// The t that |T| exceeds with the chance 1 - `chance`.
export function boundOf(chance, freedom) {
  let [low, high] = [0, 1];
  while (chanceWithin(high, freedom) < chance) high *= 2;
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (chanceWithin(middle, freedom) < chance) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

export const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export function deviationOf(values) {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

// The smallest n for which n seeds each show a true difference of `ratio` standard deviations in
// 80 % of the cases; Infinity for more than 1,000. It is the equation of the page, with t for z.
export function seedsNeeded(ratio) {
  const isEnough = (n) => {
    const freedom = 2 * n - 2;
    const sum = boundOf(LEVEL, freedom) + boundOf(2 * POWER - 1, freedom);
    return n >= 2 * (sum / ratio) ** 2;
  };
  if (!isEnough(MOST_SEEDS)) return Infinity;
  let [low, high] = [1, MOST_SEEDS];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

// The means of b minus those of a, of as many values each, two or more, and their interval.
export function compareMeans(a, b) {
  const n = a.length;
  const difference = meanOf(b) - meanOf(a);
  const deviation = Math.hypot(deviationOf(a), deviationOf(b)) / Math.SQRT2; // pooled
  const half = boundOf(LEVEL, 2 * n - 2) * deviation * Math.sqrt(2 / n);
  return { n, difference, deviation, low: difference - half, high: difference + half };
}

const points = (value, digits) => value.toFixed(digits).replace("-", "−");

// The conclusion in words; a and b: final accuracies of as many networks each, in percent.
export function conclude(a, b) {
  if (a.length < 2) return "One network each shows no spread: train at least two of each recipe.";
  const { n, difference, deviation, low, high } = compareMeans(a, b);
  const better = difference > 0 ? "B" : "A";
  const seeds = `${n} seeds each`;
  if (deviation < 1e-9) { // rounding
    return Math.abs(difference) < 1e-9
      ? `All networks ended at ${points(meanOf(a), 1)} %: no difference, and no spread (${seeds}).`
      : `${better} is better by ${points(Math.abs(difference), 1)} points with every seed: no spread (${seeds}).`;
  }
  if (low > 0 || high < 0) {
    const ends = difference > 0 ? [low, high] : [-high, -low];
    const digits = ends[0] < 0.05 ? 2 : 1; // never 0.0 for what excludes zero
    return `${better} is better by ${points(Math.abs(difference), digits)} points `
      + `(95 % t interval ${ends.map((end) => points(end, digits)).join(" to ")}, ${seeds}).`;
  }
  const ends = [low, high].map((end) => points(end, 1)).join(" to ");
  const needed = seedsNeeded(Math.abs(difference) / deviation);
  const more = needed === Infinity ? `more than ${MOST_SEEDS.toLocaleString("en")} seeds each`
    : `about ${needed - n} more seeds each`;
  return `Cannot tell yet: B − A is ${points(difference, 1)} points (95 % t interval ${ends}, ${seeds}). `
    + `If the true difference and spread are these, ${more} would show it in 80 % of the cases.`;
}

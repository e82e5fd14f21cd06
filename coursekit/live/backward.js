// A small convolutional network that learns, in arithmetic alone, on images of 8 by 8 pixels:
//
//   convolution 3 x 3 to `width` maps, activation, 2 x 2 max-pooling,
//   convolution 3 x 3 to 2 * width maps, activation, 2 x 2 max-pooling, dense layer to ten logits.
//
// Maps lie one after the other in a typed array. What a convolution reads has a border of zeros.

const [IMAGE, KERNEL, LABELS] = [8, 3, 10];
const UNIT = 150_000; // multiply-adds between two looks at the clock: about a millisecond
const [EDGED, SMALL, TINY] = [IMAGE + 2, IMAGE / 2 + 2, IMAGE / 4]; // sides of the maps
const STILL = { top: 1, left: 1, flip: 0 }; // an image that is neither shifted nor mirrored

// Each from the sum; the slope from the value of the activation.
export const ACTIVATIONS = {
  ReLU: { value: (x) => (x > 0 ? x : 0), slope: (y) => (y > 0 ? 1 : 0) },
  tanh: { value: Math.tanh, slope: (y) => 1 - y * y },
  sigmoid: { value: (x) => 1 / (1 + Math.exp(-x)), slope: (y) => y * (1 - y) },
};

// Weight and bias of the two convolutions and of the dense layer, as torch lays them out.
export const shapesOf = (width) => [[width, 1, KERNEL, KERNEL], [width],
  [2 * width, width, KERNEL, KERNEL], [2 * width], [LABELS, 2 * width * TINY ** 2], [LABELS]];

// Standard deviation of a weight, or half the range of a uniform one, from the shape of its layer.
export const INITIALISATIONS = {
  He: { normal: (fanIn) => Math.sqrt(2 / fanIn) },
  Xavier: { uniform: (fanIn, fanOut) => Math.sqrt(6 / (fanIn + fanOut)) },
  PyTorch: { uniform: (fanIn) => 1 / Math.sqrt(fanIn), isForBias: true },
  "σ = 0.01": { normal: () => 0.01 },
  zeros: { normal: () => 0 },
};

export function buildNetwork(width, activation) {
  const zeros = () => shapesOf(width).map((shape) => new Float64Array(shape.reduce((a, b) => a * b)));
  return {
    width, activation: ACTIVATIONS[activation],
    weights: zeros(), gradients: zeros(), velocities: zeros(),
    image: new Float64Array(EDGED ** 2),
    first: newStage(width, IMAGE, SMALL ** 2), // of the first convolution, and of the second
    second: newStage(2 * width, IMAGE / 2, TINY ** 2),
    smallSlopes: new Float64Array(width * SMALL ** 2),
    logits: new Float64Array(LABELS),
  };
}

// What a convolution leaves: its maps after the activation, the largest of each window, and where.
const newStage = (maps, side, pooledArea) => ({
  side,
  maps: new Float64Array(maps * side ** 2),
  pooled: new Float64Array(maps * pooledArea),
  picked: new Int32Array((maps * side ** 2) / 4),
});

export function initialise(network, name, random) {
  const { normal, uniform, isForBias } = INITIALISATIONS[name];
  const shapes = shapesOf(network.width);
  network.weights.forEach((values, i) => {
    const isBias = shapes[i].length === 1;
    const [out, ...others] = shapes[isBias ? i - 1 : i];
    const area = others.slice(1).reduce((a, b) => a * b, 1);
    const fans = [others[0] * area, out * area];
    const draw = normal ? () => random.normal() * normal(...fans)
      : () => (2 * random.uniform() - 1) * uniform(...fans);
    for (let k = 0; k < values.length; k += 1) values[k] = isBias && !isForBias ? 0 : draw();
  });
}

// Pixels of image `at`, whole numbers from 0 to 255, shifted and mirrored, within the border.
function loadImage({ image }, pixels, at, { top, left, flip }) {
  image.fill(0);
  for (let y = 0; y < IMAGE; y += 1) {
    const row = y + top - 1;
    if (row < 0 || row >= IMAGE) continue;
    for (let x = 0; x < IMAGE; x += 1) {
      const column = (flip ? IMAGE - 1 - x : x) + left - 1;
      if (column < 0 || column >= IMAGE) continue;
      image[(y + 1) * EDGED + x + 1] = pixels[at * IMAGE ** 2 + row * IMAGE + column] / 255;
    }
  }
}

function convolveAndPool(input, inputs, weight, bias, { side, maps, pooled, picked }, { value }) {
  const edged = side + 2;
  const border = pooled.length * 4 > maps.length ? 1 : 0; // the next convolution reads zeros there
  const half = side / 2;
  for (let output = 0; output < bias.length; output += 1) {
    const own = output * side ** 2;
    maps.fill(bias[output], own, own + side ** 2);
    for (let map = 0; map < inputs; map += 1) {
      const at = (output * inputs + map) * 9;
      const [a, b, c] = [weight[at], weight[at + 1], weight[at + 2]];
      const [d, e, f] = [weight[at + 3], weight[at + 4], weight[at + 5]];
      const [g, h, i] = [weight[at + 6], weight[at + 7], weight[at + 8]];
      for (let y = 0; y < side; y += 1) {
        let k = map * edged ** 2 + y * edged;
        for (let to = own + y * side; to < own + (y + 1) * side; to += 1, k += 1) {
          maps[to] += a * input[k] + b * input[k + 1] + c * input[k + 2]
            + d * input[k + edged] + e * input[k + edged + 1] + f * input[k + edged + 2]
            + g * input[k + 2 * edged] + h * input[k + 2 * edged + 1] + i * input[k + 2 * edged + 2];
        }
      }
    }
    for (let k = own; k < own + side ** 2; k += 1) maps[k] = value(maps[k]);
    for (let y = 0; y < half; y += 1) {
      for (let x = 0; x < half; x += 1) {
        const upper = own + 2 * y * side + 2 * x;
        const lower = upper + side;
        let best = upper; // of equal ones the first, as in torch
        if (maps[upper + 1] > maps[best]) best = upper + 1;
        if (maps[lower] > maps[best]) best = lower;
        if (maps[lower + 1] > maps[best]) best = lower + 1;
        picked[(output * half + y) * half + x] = best;
        const wide = half + 2 * border;
        pooled[output * wide ** 2 + (y + border) * wide + x + border] = maps[best];
      }
    }
  }
}

function forwardImage(network) {
  const { width, weights, activation, first, second, logits } = network;
  convolveAndPool(network.image, 1, weights[0], weights[1], first, activation);
  convolveAndPool(first.pooled, width, weights[2], weights[3], second, activation);
  const features = second.pooled;
  for (let k = 0; k < LABELS; k += 1) {
    let sum = weights[5][k];
    for (let j = 0; j < features.length; j += 1) sum += weights[4][k * features.length + j] * features[j];
    logits[k] = sum;
  }
  return logits;
}

// One chosen place of a map passes its slope on: to the 3 x 3 weights, and to what they read.
function passBack(slope, weight, gradient, at, input, inputSlopes, k, edged) {
  for (let row = 0; row < KERNEL; row += 1) {
    for (let column = 0; column < KERNEL; column += 1) {
      const [tap, place] = [at + row * KERNEL + column, k + row * edged + column];
      gradient[tap] += slope * input[place];
      if (inputSlopes) inputSlopes[place] += slope * weight[tap];
    }
  }
}

// Adds the gradient of share * (cross-entropy of this image) to the network's; returns the loss.
export function addGradient(network, pixels, at, target, share, look = STILL) {
  const { width, weights, gradients, first, second, smallSlopes } = network;
  loadImage(network, pixels, at, look);
  const logits = forwardImage(network);
  const most = Math.max(...logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
  const features = second.pooled;
  const slopes = new Float64Array(features.length);
  for (let k = 0; k < LABELS; k += 1) {
    const slope = share * (Math.exp(logits[k] - most) / total - (k === target));
    gradients[5][k] += slope;
    for (let j = 0; j < features.length; j += 1) {
      gradients[4][k * features.length + j] += slope * features[j];
      slopes[j] += slope * weights[4][k * features.length + j];
    }
  }
  smallSlopes.fill(0);
  const { slope: slopeOf } = network.activation;
  second.picked.forEach((best, j) => {
    const slope = slopes[j] * slopeOf(features[j]);
    if (slope === 0) return;
    const output = Math.floor(j / TINY ** 2);
    const place = best - output * second.side ** 2;
    const corner = Math.floor(place / second.side) * SMALL + (place % second.side);
    gradients[3][output] += slope;
    for (let map = 0; map < width; map += 1) {
      passBack(slope, weights[2], gradients[2], (output * width + map) * 9,
        first.pooled, smallSlopes, corner + map * SMALL ** 2, SMALL);
    }
  });
  const half = IMAGE / 2;
  first.picked.forEach((best, j) => {
    const output = Math.floor(j / half ** 2);
    const [y, x] = [Math.floor(j / half) % half, j % half];
    const slope = smallSlopes[output * SMALL ** 2 + (y + 1) * SMALL + x + 1] * slopeOf(first.maps[best]);
    if (slope === 0) return;
    const place = best - output * IMAGE ** 2;
    gradients[1][output] += slope;
    passBack(slope, null, gradients[0], output * 9, network.image, null,
      Math.floor(place / IMAGE) * EDGED + (place % IMAGE), EDGED);
  });
  return Math.log(total) + most - logits[target];
}

// One step of gradient descent with momentum and weight decay, as torch.optim.SGD takes it.
export function descend({ weights, gradients, velocities }, { lr, momentum, decay }) {
  weights.forEach((values, i) => {
    const [gradient, velocity] = [gradients[i], velocities[i]];
    for (let k = 0; k < values.length; k += 1) {
      velocity[k] = momentum * velocity[k] + gradient[k] + decay * values[k];
      values[k] -= lr * velocity[k];
    }
    gradient.fill(0);
  });
}

// Multiply-adds of one image, forward and back: of each window one place passes its slope back.
export const workOf = (width) => 9 * width * (IMAGE ** 2 + IMAGE ** 2 / 4)
  + 9 * 2 * width ** 2 * (IMAGE ** 2 / 4 + 2 * TINY ** 2) + 3 * LABELS * 2 * width * TINY ** 2;
const imagesPerUnit = (width) => Math.max(1, Math.floor(UNIT / workOf(width)));

// One pass over the images in plan.order, each with its look from plan.looks. A generator: it
// yields after each unit of work, and in the end returns the mean loss.
export function* trainEpoch(network, recipe, { pixels, targets }, { order, looks }) {
  const unit = imagesPerUnit(network.width);
  let [loss, done] = [0, 0];
  for (let start = 0; start < order.length; start += recipe.batch) {
    const end = Math.min(start + recipe.batch, order.length);
    for (let i = start; i < end; i += 1) {
      loss += addGradient(network, pixels, order[i], targets[order[i]], 1 / (end - start), looks[i]);
      done += 1;
      if (done % unit === 0) yield;
    }
    descend(network, recipe);
  }
  return loss / order.length;
}

// Likewise: the share of images that the network names right.
export function* measure(network, { pixels, targets }) {
  const unit = imagesPerUnit(network.width);
  let right = 0;
  for (let i = 0; i < targets.length; i += 1) {
    loadImage(network, pixels, i, STILL);
    const logits = forwardImage(network);
    right += logits.indexOf(Math.max(...logits)) === targets[i];
    if ((i + 1) % unit === 0) yield;
  }
  return right / targets.length;
}

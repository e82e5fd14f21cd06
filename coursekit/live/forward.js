// LeNet-5 in arithmetic alone: from ink to logits, what one unit reads, a new last layer. Maps are
// lists of square images, one for each channel.

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function halfToFloat(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return bits & 0x8000 ? -size : size; // the file holds no infinity and no NaN
}

export function decodeHalves(text) {
  const bytes = bytesOf(text);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) =>
    halfToFloat(bytes[2 * i] | (bytes[2 * i + 1] << 8)));
}

// Values in [-1, 1] that were stored as whole numbers of 1/127, in rows.
export function decodeRows(text, length) {
  const values = Float64Array.from(new Int8Array(bytesOf(text).buffer), (value) => value / 127);
  return Array.from({ length: values.length / length }, (_, i) =>
    values.subarray(i * length, (i + 1) * length));
}

// Layers in order. A unit of a layer with `kernel` reads a window of every map before it; `field`
// and `step`: size and spacing of what the units see of the 32 by 32 pixels.
export const LAYERS = [
  { name: "C1", maps: 6, side: 28, kernel: 5, field: 5, step: 1 },
  { name: "S2", maps: 6, side: 14, kernel: 0, field: 6, step: 2 },
  { name: "C3", maps: 16, side: 10, kernel: 5, field: 14, step: 2 },
  { name: "S4", maps: 16, side: 5, kernel: 0, field: 16, step: 4 },
  { name: "C5", maps: 120, side: 1, kernel: 5, field: 32, step: 0 },
  { name: "F6", maps: 84, side: 1, kernel: 1, field: 32, step: 0 },
  { name: "output", maps: 10, side: 1, kernel: 1, field: 32, step: 0 },
];
const CLASSES = 10;

// text: the parameters as half-precision floats, in the order of torch's state_dict.
export function readNetwork(text) {
  const values = decodeHalves(text);
  let [at, inputs] = [0, 1];
  const take = (count) => values.subarray(at, at += count);
  const network = {};
  for (const { name, maps, kernel } of LAYERS) {
    if (kernel) {
      network[name] = { weight: take(maps * inputs * kernel ** 2), bias: take(maps) };
      inputs = maps;
    }
  }
  return network;
}

function convolveMaps(maps, { weight, bias }, kernel) {
  const side = Math.sqrt(maps[0].length);
  const size = side - kernel + 1;
  const area = kernel ** 2;
  return Array.from(bias, (offset, output) => {
    const answer = new Float64Array(size * size).fill(offset);
    maps.forEach((map, channel) => {
      for (let tap = 0; tap < area; tap += 1) {
        const factor = weight[(output * maps.length + channel) * area + tap];
        const first = Math.floor(tap / kernel) * side + (tap % kernel);
        for (let row = 0; row < size; row += 1) {
          for (let column = 0; column < size; column += 1) {
            answer[row * size + column] += factor * map[first + row * side + column];
          }
        }
      }
    });
    return answer;
  });
}

function poolMaps(maps) {
  const side = Math.sqrt(maps[0].length);
  return maps.map((map) => Float64Array.from({ length: map.length / 4 }, (_, at) => {
    const [row, column] = [Math.floor(at / (side / 2)), at % (side / 2)];
    const first = 2 * row * side + 2 * column;
    return Math.max(map[first], map[first + 1], map[first + side], map[first + side + 1]);
  }));
}

// image: 32 by 32 values from 0 to 1. Returns the maps of every layer by name, after tanh.
export function forward(network, image) {
  const states = { image: [image] };
  let maps = [image];
  for (const { name, kernel } of LAYERS) {
    maps = kernel ? convolveMaps(maps, network[name], kernel) : poolMaps(maps);
    if (kernel && name !== "output") maps = maps.map((map) => map.map(Math.tanh));
    states[name] = maps;
  }
  return { ...states, features: flatten(states.F6), logits: flatten(states.output) };
}

const flatten = (maps) => maps.map((map) => map[0]);

function windowOf(map, row, column, size) {
  const side = Math.sqrt(map.length);
  return Array.from({ length: size ** 2 }, (_, tap) =>
    map[(row + Math.floor(tap / size)) * side + column + (tap % size)]);
}

// What a unit sees of the image, and for a layer with weights the terms of its sum: the window of
// each map before it, the kernel, their products and the sum of these. F6 and the output read all
// units before them as one window.
export function explainUnit(network, states, layer, { map, row, column }) {
  const { name, kernel, field, step, side } = LAYERS[layer];
  const found = { field: { row: row * step, column: column * step, size: field } };
  const inputs = states[layer ? LAYERS[layer - 1].name : "image"];
  const value = states[name][map][row * side + column];
  if (!kernel) return { ...found, value, terms: [] };
  const { weight, bias } = network[name];
  const windows = kernel === 1 ? [flatten(inputs)]
    : inputs.map((input) => windowOf(input, row, column, kernel));
  const count = windows[0].length;
  const terms = windows.map((window, channel) => {
    const weights = window.map((_, tap) => weight[(map * windows.length + channel) * count + tap]);
    const products = window.map((one, tap) => one * weights[tap]);
    return { window, weights, products, sum: products.reduce((a, b) => a + b, 0) };
  });
  const total = terms.reduce((sum, term) => sum + term.sum, bias[map]);
  return { ...found, value, terms, bias: bias[map], total };
}

export function lastLayer(features, { weight, bias }) {
  return Array.from(bias, (offset, k) =>
    features.reduce((sum, value, i) => sum + value * weight[k * features.length + i], offset));
}

export const withArticle = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;

export const countRight = (rows, targets, layer) =>
  rows.filter((row, i) => largest(lastLayer(row, layer)) === targets[i]).length;

// Gradient descent on the mean cross-entropy of these rows alone; the layer itself stays as it is.
export function retrain(layer, rows, targets, { steps, lr }) {
  const [weight, bias] = [Float64Array.from(layer.weight), Float64Array.from(layer.bias)];
  for (let step = 0; step < steps; step += 1) {
    const slopes = rows.map((row, i) => softmax(lastLayer(row, { weight, bias }))
      .map((p, k) => ((p - (k === targets[i])) * lr) / rows.length));
    rows.forEach((row, i) => {
      for (let k = 0; k < CLASSES; k += 1) {
        bias[k] -= slopes[i][k];
        row.forEach((value, j) => { weight[k * row.length + j] -= slopes[i][k] * value; });
      }
    });
  }
  return { weight, bias };
}

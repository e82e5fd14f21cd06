// One trial: a recipe and a seed give a network and its accuracy after each epoch, the same ones
// at every run and in every browser.

// Random numbers from a seed, a whole number.
// Source: xoshiro128** of Blackman and Vigna (2021), its state mixed from the seed by the last
// steps of MurmurHash3.
export function seededRandom(seed) {
  const turn = (bits, count) => (bits << count) | (bits >>> (32 - count));
  const state = Int32Array.from({ length: 4 }, (_, i) => {
    let bits = (seed + Math.imul(i + 1, 0x9e3779b9)) | 0;
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return bits ^ (bits >>> 16);
  });
  const bits32 = () => {
    const result = Math.imul(turn(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = turn(state[3], 11);
    return result;
  };
  const uniform = () => bits32() / 2 ** 32; // from 0 to below 1
  const below = (limit) => Math.floor(limit * uniform());
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { bits32, uniform, below, normal };
}

// What an image may look like in an epoch: shifted by up to a pixel, or mirrored in half the cases.
export const AUGMENTATIONS = {
  none: () => ({ top: 1, left: 1, flip: 0 }),
  shifts: (random) => ({ top: random.below(3), left: random.below(3), flip: 0 }),
  mirror: (random) => ({ top: 1, left: 1, flip: random.below(2) }),
};

// The first `count` images in a new order, and how each of them looks.
export function drawEpoch(random, count, augmentation) {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const other = random.below(i + 1);
    [order[i], order[other]] = [order[other], order[i]];
  }
  const look = AUGMENTATIONS[augmentation];
  return { order, looks: Array.from(order, () => look(random)) };
}

// A generator: it yields undefined after each unit of work, and {loss, accuracy} after an epoch.
export function* runTrial(recipe, seed, epochs, { train, test }) {
  const random = seededRandom(seed);
  const network = buildNetwork(Number(recipe.width), recipe.activation);
  initialise(network, recipe.initialisation, random);
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    const plan = drawEpoch(random, recipe.images, recipe.augmentation);
    const loss = yield* trainEpoch(network, recipe, train, plan);
    const accuracy = 100 * (yield* measure(network, test));
    yield { loss, accuracy };
  }
}

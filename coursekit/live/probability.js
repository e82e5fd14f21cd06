// Softmax, and what is measured with it, for every figure that shows probabilities.

export function softmax(logits, temperature = 1) {
  const largest = Math.max(...logits); // subtracted first, so that exp never overflows
  const weights = logits.map((logit) => Math.exp((logit - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

export function crossEntropy(logits, target, temperature = 1) { // of one image, in nats
  const largest = Math.max(...logits);
  const rest = logits.reduce((sum, logit) => sum + Math.exp((logit - largest) / temperature), 0);
  return Math.log(rest) - (logits[target] - largest) / temperature;
}

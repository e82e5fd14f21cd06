// Softmax with a temperature: one slider, one bar for each class, and the entropy.

export function softmax(logits, temperature = 1) {
  const largest = Math.max(...logits); // subtracted first, so that exp never overflows
  const weights = logits.map((logit) => Math.exp((logit - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

export function entropy(probs) {
  return probs.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0); // in nats
}

const FAMILIES = ["resnet", "vgg", "googlenet", "xception", "lenet"];

// data: {labels, logits, log10_min, log10_max}; the temperature starts at 1.
export function mount(stage, data) {
  const percent = (p) => `${(100 * p).toFixed(2)} %`;
  stage.style.cssText = "max-width: 40rem; padding: 0.5rem 0;";

  const range = { min: data.log10_min, max: data.log10_max, step: 0.01, value: 0 };
  const temperature = slider("temperature τ (logarithmic)", range, () => update());
  const reset = button("Back to τ = 1", () => {
    temperature.input.value = 0;
    update();
  });
  reset.style.marginLeft = "1rem";
  temperature.box.append(reset);

  const bars = table(["class", "logit", "probability", ""]);
  const addBar = (name, logit, fill) => {
    const bar = element("div", "", `height: 1.1em; min-width: 1px; background: ${fill};`);
    const [, , value, track] = addRow(bars, name, logit, "", bar);
    value.style.textAlign = "right";
    track.style.cssText += "width: 45%; min-width: 3.3rem;"; // a bar to see, on a phone too
    return (share, text) => {
      bar.style.width = `${100 * share}%`;
      value.textContent = text;
    };
  };
  const setProbs = data.labels.map((name, i) =>
    addBar(name, String(data.logits[i]), color(FAMILIES[i % FAMILIES.length])));
  const most = Math.log(data.logits.length); // the entropy of equal probabilities
  const setEntropy = addBar("entropy", "", color("lenet"));

  const update = () => {
    const tau = 10 ** temperature.value;
    const probs = softmax(data.logits, tau);
    probs.forEach((p, i) => setProbs[i](p, percent(p)));
    setEntropy(entropy(probs) / most, `${entropy(probs).toFixed(3)} nats`);
    const spoken = probs.map((p, i) => `${data.labels[i]} ${percent(p)}`).join(", ");
    const short = tau.toPrecision(3);
    temperature.say(`τ = ${short}`, `temperature ${short}: ${spoken}`);
  };
  stage.replaceChildren(temperature.box, bars);
  update();
}

// Softmax with a temperature: one slider, one bar for each class, the entropy, and classes drawn.

export function entropy(probs) {
  return probs.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0); // in nats
}

// The class that a number from 0 to 1 draws: the one in whose share of that line it lies.
export function sample(probs, number) {
  let end = 0;
  return probs.findIndex((p, i) => {
    end += p;
    return number < end || i === probs.length - 1;
  });
}

const DRAWN = 20;
const FIXED = [0.3, 10]; // temperatures to draw at, beside that of the slider
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

  let numbers = []; // between 0 and 1, new ones at each press; the same for all temperatures
  const again = button(`Draw ${DRAWN} answers`, () => {
    numbers = Array.from({ length: DRAWN }, () => Math.random());
    update();
  });
  const drawn = element("div", "", "margin: 0.4rem 0; font-variant-numeric: tabular-nums;");
  drawn.setAttribute("role", "status");
  const drawAt = (tau, isChosen) => {
    const probs = softmax(data.logits, tau);
    const classes = numbers.map((number) => sample(probs, number));
    const line = element("div", "", "display: flex; gap: 2px; height: 1.1em; margin: 0 0 0.4rem;");
    line.append(...classes.map((i) =>
      element("div", "", `flex: 1; background: ${color(FAMILIES[i % FAMILIES.length])};`)));
    const counts = data.labels.map((name, i) => `${classes.filter((c) => c === i).length} ${name}`);
    const words = `τ = ${Number(tau.toPrecision(3))}${isChosen ? ", of the slider" : ""}: ${counts.join(", ")}`;
    drawn.append(element("div", words), line);
  };

  const update = () => {
    const tau = 10 ** temperature.value;
    const probs = softmax(data.logits, tau);
    probs.forEach((p, i) => setProbs[i](p, percent(p)));
    setEntropy(entropy(probs) / most, `${entropy(probs).toFixed(3)} nats`);
    const shares = probs.map((p, i) => `${data.labels[i]} ${percent(p)}`).join(", ");
    const short = tau.toPrecision(3);
    temperature.say(`τ = ${short}`, `temperature ${short}: ${shares}`);
    drawn.replaceChildren();
    if (numbers.length) [FIXED[0], tau, FIXED[1]].forEach((one, i) => drawAt(one, i === 1));
  };
  stage.replaceChildren(temperature.box, bars, again, drawn);
  update();
}

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

const COLORS = ["#0072B2", "#C65200", "#007F5C", "#B0568C", "#6B7280"];

function element(tag, text = "", style = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.style.cssText = style;
  return node;
}

// data: {labels, logits, log10_min, log10_max}; the temperature starts at 1.
export function mount(stage, data) {
  const percent = (p) => `${(100 * p).toFixed(2)} %`;
  stage.style.cssText = "max-width: 40rem; padding: 0.5rem 0;";

  const label = element("label", "temperature τ (logarithmic)", "display: block;");
  const slider = element("input", "", "width: 100%; min-height: 24px;");
  Object.assign(slider, { type: "range", min: data.log10_min, max: data.log10_max, step: 0.01 });
  label.append(slider);
  const reading = element("output", "", "font-variant-numeric: tabular-nums;");
  const reset = element("button", "Back to τ = 1", "margin-left: 1rem; padding: 0.2rem 0.6rem;");
  reset.type = "button";

  const table = element("table", "", "width: 100%; border-collapse: collapse; margin: 0.5rem 0;");
  const head = table.createTHead().insertRow();
  for (const title of ["class", "logit", "probability", ""]) {
    const cell = element(title ? "th" : "td", title, "text-align: left; padding: 0.3rem 0.4rem;");
    if (title) cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  const addRow = (name, logit, color) => {
    const row = body.insertRow();
    const title = element("th", name, "text-align: left; font-weight: normal;");
    title.scope = "row";
    const track = element("td", "", "width: 45%;");
    const bar = element("div", "", `height: 1.1em; min-width: 1px; background: ${color};`);
    const value = element("td", "", "text-align: right; white-space: nowrap;");
    value.style.fontVariantNumeric = "tabular-nums";
    track.append(bar);
    row.append(title, element("td", logit), value, track);
    for (const cell of row.cells) cell.style.padding = "0.3rem 0.4rem";
    return (share, text) => {
      bar.style.width = `${100 * share}%`;
      value.textContent = text;
    };
  };
  const setProbs = data.labels.map((name, i) =>
    addRow(name, String(data.logits[i]), COLORS[i % COLORS.length]));
  const most = Math.log(data.logits.length); // the entropy of equal probabilities
  const setEntropy = addRow("entropy", "", "#6B7280");

  const update = () => {
    const temperature = 10 ** Number(slider.value);
    const probs = softmax(data.logits, temperature);
    const tau = temperature.toPrecision(3);
    probs.forEach((p, i) => setProbs[i](p, percent(p)));
    setEntropy(entropy(probs) / most, `${entropy(probs).toFixed(3)} nats`);
    reading.textContent = `τ = ${tau}`;
    const spoken = probs.map((p, i) => `${data.labels[i]} ${percent(p)}`).join(", ");
    slider.setAttribute("aria-valuetext", `temperature ${tau}: ${spoken}`);
  };
  const start = () => {
    slider.value = 0;
    update();
  };
  slider.addEventListener("input", update);
  reset.addEventListener("click", start);
  stage.replaceChildren(label, reading, reset, table);
  start();
}

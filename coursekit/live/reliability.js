// A trained network, its test images and one temperature: is its confidence honest?

const NUM_BINS = 10;
const [SIDE, LEFT, TOP, BOTTOM] = [250, 40, 32, 38];

// Rows of `columns` logits, stored as hundredths below the largest of their row.
export function decodeLogits(text, columns) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const steps = new Uint16Array(bytes.buffer);
  return Array.from({ length: steps.length / columns }, (_, i) =>
    Array.from(steps.subarray(i * columns, (i + 1) * columns), (step) => -step / 100));
}

// Bin b holds confidences in (b, b + 1] tenths: {count, confidence, accuracy}, both means.
export function calibrate(logits, targets, temperature) {
  const bins = Array.from({ length: NUM_BINS }, () => ({ count: 0, confidence: 0, accuracy: 0 }));
  let [right, sure, nll] = [0, 0, 0];
  logits.forEach((row, i) => {
    const probs = softmax(row, temperature);
    const confidence = Math.max(...probs);
    const isRight = Number(probs.indexOf(confidence) === targets[i]);
    const bin = bins[Math.max(0, Math.ceil(confidence * NUM_BINS) - 1)];
    bin.count += 1;
    bin.confidence += confidence;
    bin.accuracy += isRight;
    right += isRight;
    sure += confidence;
    nll += crossEntropy(row, targets[i], temperature);
  });
  const n = logits.length;
  const gap = bins.reduce((sum, bin) => sum + Math.abs(bin.accuracy - bin.confidence), 0);
  const means = bins.filter(({ count }) => count).map((bin) =>
    ({ count: bin.count, confidence: bin.confidence / bin.count, accuracy: bin.accuracy / bin.count }));
  return { bins: means, accuracy: right / n, confidence: sure / n, nll: nll / n, ece: gap / n };
}

const atX = (share) => LEFT + share * SIDE;
const atY = (share) => TOP + (1 - share) * SIDE;

// The diagram: each bin a disc, its area the images in it, joined to the diagonal by its gap.
function diagram() {
  const node = picture(LEFT + SIDE + 24, TOP + SIDE + BOTTOM);
  const write = (words, x, y, anchor) =>
    svg("text", { x, y, "text-anchor": anchor, fill: "currentColor" }, words);
  const rule = (x1, y1, x2, y2, opacity = 0.25) =>
    svg("line", { x1, y1, x2, y2, stroke: "currentColor", "stroke-opacity": opacity });
  for (const share of [0, 0.5, 1]) {
    node.append(rule(atX(share), TOP, atX(share), TOP + SIDE), rule(LEFT, atY(share), LEFT + SIDE, atY(share)));
    node.append(write(String(share), atX(share), TOP + SIDE + 15, "middle"));
    node.append(write(String(share), LEFT - 5, atY(share) + 4, "end"));
  }
  node.append(rule(atX(0), atY(0), atX(1), atY(1), 0.7));
  node.append(write("confidence", atX(0.5), TOP + SIDE + 32, "middle"), write("accuracy", 2, 12, "start"));
  node.append(write("underconfident", atX(0.03), atY(0.92), "start"), write("overconfident", atX(0.97), atY(0.05), "end"));
  const layer = svg("g");
  node.append(layer);
  const draw = (bins, total) => layer.replaceChildren(...bins.flatMap(({ count, confidence, accuracy }) => {
    const [x, y] = [atX(confidence), atY(accuracy)];
    const gap = { x1: x, y1: atY(confidence), x2: x, y2: y, stroke: color("vgg"), "stroke-width": 3 };
    const r = 3 + 18 * Math.sqrt(count / total);
    return [svg("line", gap), svg("circle", { cx: x, cy: y, r, fill: color("resnet"), "fill-opacity": 0.75 })];
  }));
  return { node, draw };
}

// data: {logits, columns, targets, fitted: the temperature found on the validation set}.
export function mount(stage, data) {
  const logits = decodeLogits(data.logits, data.columns);
  const { targets, fitted } = data;
  const range = { min: -1, max: 1.5, step: 0.01, value: 0 };
  const temperature = slider("temperature τ (logarithmic)", range, () => update());
  const jump = (tau) => {
    temperature.input.value = Math.log10(tau);
    update(tau); // exactly, though the slider has steps
  };
  const buttons = element("div", "", "display: flex; flex-wrap: wrap; gap: 0.6rem; margin: 0.3rem 0;");
  buttons.append(button("τ = 1", () => jump(1)), button(`the fitted τ = ${fitted.toFixed(2)}`, () => jump(fitted)));
  const { node, draw } = diagram();
  const numbers = table(["", "now", "at τ = 1"]);
  const names = ["accuracy", "mean confidence", "ECE", "NLL (nats)"];
  const keys = ["accuracy", "confidence", "ece", "nll"];
  const plain = calibrate(logits, targets, 1);
  const cells = names.map((name, i) => addRow(numbers, name, "", plain[keys[i]].toFixed(3))[1]);
  const words = message();
  const update = (tau = 10 ** temperature.value) => {
    const now = calibrate(logits, targets, tau);
    draw(now.bins, logits.length);
    cells.forEach((cell, i) => { cell.textContent = now[keys[i]].toFixed(3); });
    const gap = now.confidence - now.accuracy;
    const verdict = Math.abs(gap) < 0.02 ? "close to honest" : gap > 0 ? "overconfident" : "underconfident";
    const short = tau.toPrecision(3);
    words.textContent = `At τ = ${short} the network is ${verdict}: it is right on ${(100 * now.accuracy).toFixed(1)}\u00a0% `
      + `of ${logits.length} test images, and its confidence is ${(100 * now.confidence).toFixed(1)}\u00a0% on average.`;
    temperature.say(`τ = ${short}`, `temperature ${short}, ECE ${now.ece.toFixed(3)}`);
    describe(node, `Reliability diagram at temperature ${short}. `
      + now.bins.map(({ count, confidence, accuracy }) =>
        `${count} images of confidence ${confidence.toFixed(2)}: accuracy ${accuracy.toFixed(2)}`).join("; ") + ".");
  };
  const side = element("div");
  side.append(temperature.box, buttons, numbers, words);
  stage.replaceChildren(beside(node, side));
  update();
}

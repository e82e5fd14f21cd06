// Plain against residual: the size of the signal and of the gradient, layer by layer.
//
// The model: very wide dense layers before training, weights `gain` times those of He's rule.
//   plain     x <- W ReLU(x)              the norm is multiplied by gain
//   residual  x <- x + scale * W ReLU(x)  squares add: by the root of 1 + (scale * gain)^2
// The gradient meets the same weights from the other side, and the same factors.

export const plainFactor = (gain) => gain;
export const residualFactor = (gain, scale) => Math.hypot(1, scale * gain);

const DECADES = 8; // the axes go from 10^-8 to 10^8
const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function power(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => RAISED[digit]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

// A factor given by its logarithm: "1.3", or "2.7 · 10⁸" where it is far from 1.
function times(log) {
  if (Math.abs(log) < 2) return (10 ** log).toPrecision(2);
  const exponent = Math.floor(log + 1e-9);
  return `${(10 ** (log - exponent)).toFixed(1)}\u00a0·\u00a0${power(exponent)}`;
}

// data: {depth: [least, most, start], gain: [...], scale: [...]}
export function mount(stage, data) {
  const sliders = {};
  const titles = [
    ["depth", "depth (layers)", 1],
    ["gain", "gain g: weights ÷ those of He's rule", 0.01],
    ["scale", "branch scale α", 0.01],
  ];
  for (const [name, title, step] of titles) {
    const [min, max, value] = data[name];
    sliders[name] = slider(title, { min, max, step, value }, () => update());
  }
  const rooted = button("α = 1 / √depth", () => {
    sliders.scale.input.value = 1 / Math.sqrt(sliders.depth.value);
    update();
  });
  rooted.style.marginLeft = "1rem";
  sliders.scale.box.append(rooted);
  const panels = element("div");
  const words = message();

  // Each line is straight on this axis, so its two ends draw it.
  const panel = (title, depth, stacks, backward) => {
    const step = Math.max(1, Math.round(depth / 5));
    const layers = Array.from({ length: Math.floor(depth / step) + 1 }, (_, i) => i * step);
    const drawn = chart(
      { title: "layer", min: 0, max: depth, ticks: layers.map((k) => [k, String(k)]) },
      { title, min: -DECADES, max: DECADES, ticks: [-8, -4, 0, 4, 8].map((k) => [k, power(k)]) },
    );
    const turn = (layer) => (backward ? depth - layer : layer); // from the last layer back
    for (const [name, log, ink, dash, share, dy] of stacks) {
      drawn.line(ink, { "stroke-dasharray": dash })([0, depth].map((k) => [turn(k), k * log]));
      // The name is on the line, where the line is still inside the axes.
      const at = Math.min(share * depth, (DECADES - 2) / Math.abs(log));
      const late = turn(at) > depth / 2;
      drawn.text(ink, name, late ? "end" : "start")(turn(at), at * log, dy);
    }
    return drawn.node;
  };

  const update = () => {
    const [depth, gain, scale] = ["depth", "gain", "scale"].map((name) => sliders[name].value);
    const [blue, orange] = [color("resnet"), color("vgg")];
    const branch = `residual, α\u00a0=\u00a0${scale.toFixed(2)}`;
    const stacks = [ // where on its line the name is: its share of the depth, and dy
      ["plain", plainFactor(gain), orange, "none", 0.95, 16],
      ["residual, α\u00a0=\u00a01", residualFactor(gain, 1), blue, "6 4", 0.6, -8],
      [branch, residualFactor(gain, scale), blue, "none", 0.95, -6],
    ].map(([name, factor, ...look]) => [name, Math.log10(factor), ...look]);
    const nodes = [
      panel("norm of the signal ÷ at the input", depth, stacks, false),
      panel("norm of the gradient ÷ at the output", depth, stacks, true),
    ];
    const ends = stacks.map(([name, log]) => `${name}, by ${times(depth * log)}`).join("; ");
    ["The signal", "The gradient back"].forEach((what, i) =>
      describe(nodes[i], `Line chart, logarithmic. ${what} through ${depth} layers: ${ends}.`));
    panels.replaceChildren(beside(...nodes));
    sliders.depth.say(`${depth} layers`);
    sliders.gain.say(gain.toFixed(2), `gain ${gain.toFixed(2)}`);
    sliders.scale.say(scale.toFixed(2), `branch scale ${scale.toFixed(2)}`);
    words.textContent = `${depth} layers multiply the norms of signal and gradient: ${ends}.`;
  };
  stage.replaceChildren(beside(...Object.values(sliders).map(({ box }) => box)), panels, words);
  update();
}

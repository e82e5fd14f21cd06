// Backpropagation by hand: z = w1 x, h = tanh z, o = w2 h + b, and the loss of a class that is true,
// L = -ln p with p = sigmoid(o). Each step is one product; the figure shows its numbers.

export function forwardPass({ x, w1, w2, b }) {
  const z = w1 * x;
  const h = Math.tanh(z);
  const o = w2 * h + b;
  const p = 1 / (1 + Math.exp(-o));
  return { x, w1, w2, b, z, h, o, p, L: Math.log1p(Math.exp(-Math.abs(o))) + Math.max(-o, 0) };
}

// The derivative of the loss with respect to each, from the loss back to the first weight.
export function backwardPass({ x, w2, h, p }) {
  const o = p - 1;
  const [dw2, b, dh] = [o * h, o, o * w2];
  const z = dh * (1 - h * h);
  return { o, w2: dw2, b, h: dh, z, w1: z * x };
}

const shown = (value) => value.toFixed(3).replace("-", "−");
const NAMES = { w1: "w₁", w2: "w₂" };
const nameOf = (key) => NAMES[key] ?? key;
const slope = (key) => `∂L/∂${nameOf(key)}`;

// In order: the quantity that a step finds, and its words from values v and derivatives g.
const FORWARD = [
  ["z", (v) => `z = w₁ · x = ${shown(v.w1)} · ${shown(v.x)} = ${shown(v.z)}`],
  ["h", (v) => `h = tanh z = tanh ${shown(v.z)} = ${shown(v.h)}`],
  ["o", (v) => `o = w₂ · h + b = ${shown(v.w2)} · ${shown(v.h)} + ${shown(v.b)} = ${shown(v.o)}`],
  ["L", (v) => `p = σ(o) = ${shown(v.p)}, and L = −ln p = ${shown(v.L)}`],
];
const BACKWARD = [
  ["o", (v, g) => `p − 1 = ${shown(v.p)} − 1 = ${shown(g.o)}: prediction minus truth`],
  ["w2", (v, g) => `∂L/∂o · h = ${shown(g.o)} · ${shown(v.h)} = ${shown(g.w2)}`],
  ["b", (v, g) => `∂L/∂o · 1 = ${shown(g.b)}`],
  ["h", (v, g) => `∂L/∂o · w₂ = ${shown(g.o)} · ${shown(v.w2)} = ${shown(g.h)}`],
  ["z", (v, g) => `∂L/∂h · (1 − h²) = ${shown(g.h)} · ${shown(1 - v.h * v.h)} = ${shown(g.z)}`],
  ["w1", (v, g) => `∂L/∂z · x = ${shown(g.z)} · ${shown(v.x)} = ${shown(g.w1)}`],
];
const LAST = FORWARD.length + BACKWARD.length;

// The chain upwards at the left, what is learned at the right: [left, top] of each box.
const BOXES = {
  L: [10, 6], o: [10, 76], h: [10, 146], z: [10, 216], x: [10, 286],
  b: [200, 56], w2: [200, 106], w1: [200, 216],
};
const EDGES = [["x", "z"], ["w1", "z"], ["z", "h"], ["h", "o"], ["w2", "o"], ["b", "o"], ["o", "L"]];
const [WIDE, HIGH] = [130, 40];

function drawGraph(node, values, slopes, step) {
  const found = new Set(["x", "w1", "w2", "b", ...FORWARD.slice(0, step).map(([key]) => key)]);
  const back = new Set(BACKWARD.slice(0, Math.max(0, step - FORWARD.length)).map(([key]) => key));
  const now = step ? [...FORWARD, ...BACKWARD][step - 1][0] : "";
  const middle = ([left, top]) => [left + WIDE / 2, top + HIGH / 2];
  const lines = EDGES.map(([from, to]) => {
    const [[x1, y1], [x2, y2]] = [middle(BOXES[from]), middle(BOXES[to])];
    return svg("line", { x1, y1, x2, y2, stroke: "currentColor", "stroke-opacity": 0.4 });
  });
  const boxes = Object.entries(BOXES).flatMap(([key, [x, y]]) => {
    const isNow = key === now;
    const value = found.has(key) ? `${nameOf(key)} = ${shown(values[key])}` : nameOf(key);
    const look = { stroke: isNow ? color("vgg") : "currentColor", "stroke-width": isNow ? 3 : 1 };
    return [
      svg("rect", { x, y, width: WIDE, height: HIGH, rx: 4, fill: "var(--pst-color-background, #FFFFFF)", ...look }),
      svg("text", { x: x + 8, y: y + 16, fill: "currentColor" }, value),
      svg("text", { x: x + 8, y: y + 32, fill: color("vgg") },
        back.has(key) ? `${slope(key)} = ${shown(slopes[key])}` : ""),
    ];
  });
  node.replaceChildren(...lines, ...boxes);
  const words = [...found].map((key) => `${nameOf(key)} ${shown(values[key])}`);
  const derivatives = [...back].map((key) => `${slope(key)} ${shown(slopes[key])}`);
  describe(node, `Graph of the network. Known: ${[...words, ...derivatives].join(", ")}.`);
}

// data: {x, w1, w2, b: numbers to begin with, lr}.
export function mount(stage, data) {
  const update = () => draw();
  const sliders = ["w1", "w2", "b"].map((key) =>
    [key, slider(nameOf(key), { min: -3, max: 3, step: 0.1, value: data[key] }, () => {
      weights[key] = sliders.find(([name]) => name === key)[1].value;
      update();
    })]);
  const weights = { w1: data.w1, w2: data.w2, b: data.b };
  const steps = slider("step", { min: 0, max: LAST, value: 0 }, update);
  const go = (change) => {
    steps.input.value = steps.value + change;
    update();
  };
  const graph = picture(340, 334);
  const words = message();
  const learn = button(`One step downhill, η = ${data.lr}`, () => {
    const before = forwardPass({ x: data.x, ...weights });
    const slopes = backwardPass(before);
    for (const key of Object.keys(weights)) weights[key] -= data.lr * slopes[key];
    steps.input.value = FORWARD.length;
    lesson.textContent = `Each weight moved by −η times its derivative: the loss went from `
      + `${shown(before.L)} to ${shown(forwardPass({ x: data.x, ...weights }).L)}.`;
    update();
  });
  const lesson = message();

  const draw = () => {
    const values = forwardPass({ x: data.x, ...weights });
    const slopes = backwardPass(values);
    for (const [key, one] of sliders) {
      one.input.value = weights[key];
      one.say(shown(weights[key]));
    }
    const step = steps.value;
    drawGraph(graph, values, slopes, step);
    const isBack = step > FORWARD.length;
    const [key, say] = step ? [...FORWARD, ...BACKWARD][step - 1] : ["", () => ""];
    words.textContent = step
      ? `${isBack ? `Backward: ${slope(key)} = ` : "Forward: "}${say(values, slopes)}.`
      : "Only the input and the weights are known.";
    steps.say(`${step} of ${LAST}`, words.textContent);
  };
  const controls = element("div");
  const walk = element("div", "", "margin: 0.3rem 0;");
  walk.append(button("← back", () => go(-1)), " ", button("next →", () => go(1)));
  controls.append(steps.box, walk, words, ...sliders.map(([, one]) => one.box), learn, lesson);
  stage.replaceChildren(beside(graph, controls));
  draw();
}

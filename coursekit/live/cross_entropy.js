// Two classes, one margin: the cross-entropy beside the error that it replaces.

// The softmax of two logits depends on their difference only: true logit minus rival logit.
export function probability(margin) {
  return margin >= 0 ? 1 / (1 + Math.exp(-margin)) : Math.exp(margin) / (1 + Math.exp(margin));
}

export function loss(margin) { // -ln p; the exponent is never positive, so exp never overflows
  return Math.max(-margin, 0) + Math.log1p(Math.exp(-Math.abs(margin)));
}

export function slope(margin) { // d loss / d true logit = p - 1
  return -probability(-margin);
}

export function error(margin) { // at a tie the truth, listed first, wins
  return margin >= 0 ? 0 : 1;
}

const STEP = 0.1;
const CONFIDENT = 0.9; // said of the wrong class: a confident mistake

// data: {truth, rival, limit, start}; the margin runs from -limit to limit.
export function mount(stage, data) {
  const { truth, rival, limit } = data;
  const signed = (value, digits) => value.toFixed(digits).replace("-", "−");
  const percent = (p) => `${(100 * p).toFixed(1)} %`;
  const margins = Array.from({ length: 121 }, (_, i) => limit * (i / 60 - 1));
  const curve = (f) => margins.map((m) => [m, f(m)]);
  const ticks = (values, digits) => values.map((v) => [v, signed(v, digits)]);
  const dashed = { "stroke-dasharray": "6 4" };
  const [blue, orange, dark] = ["resnet", "vgg", "alexnet"].map(color);

  const x = { title: `margin: logit of ${truth} − logit of ${rival}`, min: -limit, max: limit };
  x.ticks = ticks([-limit, -limit / 2, 0, limit / 2, limit], 0);
  const whole = Array.from({ length: limit + 1 }, (_, i) => i);
  const value = chart(x, { title: "loss", min: 0, max: limit, ticks: ticks(whole, 0) });
  value.line(dark, dashed)([[-limit, 1], [0, 1], [0, 0], [limit, 0]]);
  value.line(blue)(curve(loss));
  const sure = -Math.log(CONFIDENT / (1 - CONFIDENT));
  value.line(orange, { "stroke-width": 5 })([[-limit, loss(-limit)], [sure, loss(sure)]]);
  value.text(orange, "confident mistakes")(-0.62 * limit, 0.7 * limit, -8);
  value.text(dark, "error: 0 or 1", "end")(-0.06 * limit, 1, 16);
  value.text(blue, "cross-entropy (nats)")(0.04 * limit, 1, -8);
  const halves = ticks([-1, -0.5, 0], 1);
  const push = chart(x, { title: "slope of the loss", min: -1.1, max: 0.3, ticks: halves });
  push.line(dark, dashed)([[-limit, 0], [limit, 0]]);
  push.line(blue)(curve(slope));
  push.text(dark, "error: 0, no push")(-0.95 * limit, 0, -8);
  push.text(blue, "cross-entropy: p − 1")(0.05 * limit, -0.7);
  const dots = [value.dot(dark), value.dot(blue), push.dot(blue)];

  const range = { min: -limit, max: limit, step: STEP, value: data.start };
  const margin = slider(`margin of the true class, ${truth}`, range, () => update());
  const words = message();
  const update = () => {
    const m = margin.value;
    const p = probability(m);
    const wrong = 1 - p > CONFIDENT ? "wrong and sure of it: a confident mistake" : "wrong";
    const verdict = m === 0 ? "a tie" : m > 0 ? "right" : wrong;
    dots[0](m, error(m));
    dots[1](m, loss(m));
    dots[2](m, slope(m));
    margin.say(`${signed(m, 1)}, probability of ${truth} ${percent(p)}`);
    const nats = loss(m).toFixed(3);
    const ahead = [loss, error].map((f) => f(m + STEP) - f(m));
    words.textContent = `${percent(p)} for ${truth}, ${verdict}. `
      + `Cross-entropy ${nats} nats, slope ${signed(slope(m), 3)}; error ${error(m)}. `
      + `A step of ${STEP} to the right changes the cross-entropy by ${signed(ahead[0], 4)} `
      + `and the error by ${signed(ahead[1], 0)}.`;
    const marked = `Marked: margin ${signed(m, 1)}`;
    describe(value.node, "Line chart. Against the margin the cross-entropy falls smoothly, the "
      + `error drops once, at 0. ${marked}, cross-entropy ${nats}, error ${error(m)}.`);
    describe(push.node, "Line chart. The slope of the cross-entropy goes from −1 to 0, that of "
      + `the error is 0. ${marked}, slope ${signed(slope(m), 3)}.`);
  };
  stage.replaceChildren(margin.box, beside(value.node, push.node), words);
  update();
}

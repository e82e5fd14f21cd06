// The lecture's table of scores to change: top-1, top-5 and cross-entropy follow, and so do the
// likelihood and the loss as functions of one parameter.

// 1 if no other score is larger; of two equal scores, that of the class listed first ranks higher.
export const rankOf = (scores, target) => scores.filter((score, k) => score > scores[target]
  || (score === scores[target] && k < target)).length + 1;

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// What the loss and the accuracies are, once the score of class `moved` is larger by `shift`.
export function measure(rows, targets, moved = 0, shift = 0) {
  const shifted = rows.map((row) => row.map((score, k) => (k === moved ? score + shift : score)));
  const ranks = shifted.map((row, i) => rankOf(row, targets[i]));
  const losses = shifted.map((row, i) => crossEntropy(row, targets[i]));
  const share = (k) => mean(ranks.map((rank) => Number(rank <= k)));
  return { ranks, losses, top1: share(1), top5: share(5), loss: mean(losses) };
}

const [LEAST, MOST] = [0, 20]; // scores
const REACH = 20; // of the parameter
const FINE = 4; // points of a curve for each step of the parameter

// 3.2 · 10⁻⁸, from the logarithm: the number itself may be too small for a computer.
export function scientific(logarithm) {
  let power = Math.floor(logarithm / Math.LN10);
  let lead = Math.exp(logarithm - power * Math.LN10).toFixed(1);
  if (lead === "10.0") [lead, power] = ["1.0", power + 1];
  const raised = [...String(power)].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");
  return power === 0 ? lead : `${lead} · 10${raised}`;
}

// data: {classes, truth: a class of each image, scores: a row for each image, moved: the class that
// the parameter belongs to at first}.
export function mount(stage, data) {
  const { classes } = data;
  const n = data.scores.length;
  const targets = data.truth.map((name) => classes.indexOf(name));
  let rows = data.scores.map((row) => [...row]);
  const percent = (share) => `${(100 * share).toFixed(0)} %`;

  const image = select("image", data.truth.map((name, i) => [i, `row ${i + 1}: ${name}`]), () => show());
  const sliders = classes.map((name, k) => slider(name, { min: LEAST, max: MOST, step: 0.5, value: 0 }, () => {
    rows[Number(image.input.value)][k] = sliders[k].value;
    update();
  }));
  const reset = button("The lecture's scores", () => {
    rows = data.scores.map((row) => [...row]);
    show();
  });
  const results = table(["truth", "rank", "probability", "loss (nats)"]);
  const cells = data.truth.map((name) => addRow(results, name, "", "", ""));
  const words = message();

  const moved = select("θ is added to the score of", classes.map((name, k) => [k, name]), () => update());
  moved.input.value = data.moved;
  const shift = slider("θ", { min: -REACH, max: REACH, step: 0.5, value: 0 }, () => update());
  const charts = element("div");
  const answer = message();

  const drawCurves = (k, theta) => {
    const thetas = Array.from({ length: 2 * REACH * FINE + 1 }, (_, i) => i / FINE - REACH);
    const losses = thetas.map((one) => measure(rows, targets, k, one).loss);
    const least = Math.min(...losses);
    const now = measure(rows, targets, k, theta).loss;
    const relative = (loss) => Math.exp(n * (least - loss)); // of the largest likelihood on the curve
    const x = { title: `θ, added to the score of ${classes[k]}`, min: -REACH, max: REACH,
      ticks: [-20, -10, 0, 10, 20].map((one) => [one, String(one).replace("-", "−")]) };
    const top = Math.max(1, Math.ceil(Math.max(...losses)));
    const every = Math.ceil(top / 5);
    const ticks = Array.from({ length: Math.floor(top / every) + 1 }, (_, i) => [i * every, String(i * every)]);
    const likelihood = chart(x, { title: "likelihood, as a share of the largest", min: 0, max: 1.05,
      ticks: [[0, "0"], [0.5, "0.5"], [1, "1"]] });
    const loss = chart(x, { title: "negative log-likelihood / n (nats)", min: 0, max: top, ticks });
    likelihood.line(color("resnet"))(thetas.map((one, i) => [one, relative(losses[i])]));
    loss.line(color("vgg"))(thetas.map((one, i) => [one, losses[i]]));
    likelihood.dot(color("resnet"))(theta, relative(now));
    loss.dot(color("vgg"))(theta, now);
    const best = thetas[losses.indexOf(least)];
    const sign = (value) => String(value).replace("-", "−");
    describe(likelihood.node, `Line chart of the likelihood against theta: largest at ${sign(best)}, `
      + `nearly 0 far from it. Marked: ${sign(theta)}, ${relative(now).toFixed(3)} of the largest.`);
    describe(loss.node, `Line chart of the loss against theta: a bowl, lowest at ${sign(best)}, `
      + `${least.toFixed(3)}. Marked: ${sign(theta)}, ${now.toFixed(3)}.`);
    charts.replaceChildren(beside(likelihood.node, loss.node));
    shift.say(`θ = ${sign(theta)}`, `theta ${sign(theta)}, loss ${now.toFixed(3)}`);
    answer.textContent = `Likelihood of all ${n} labels: ${scientific(-n * now)}. Its logarithm with a minus, `
      + `divided by ${n}: ${now.toFixed(4)} nats. The best θ on both curves: ${sign(best)}, `
      + `with ${scientific(-n * least)} and ${least.toFixed(4)} nats.`;
  };
  const update = () => {
    const chosen = Number(image.input.value);
    const found = measure(rows, targets);
    sliders.forEach((one, k) => one.say(String(one.value), `${classes[k]} ${one.value}, rank of `
      + `${data.truth[chosen]} ${found.ranks[chosen]}`));
    cells.forEach(([name, rank, probability, loss], i) => {
      name.style.fontWeight = i === chosen ? "bold" : "normal";
      rank.textContent = found.ranks[i];
      probability.textContent = `${(100 * Math.exp(-found.losses[i])).toFixed(2)} %`;
      loss.textContent = found.losses[i].toFixed(4);
    });
    words.textContent = `Top-1 ${percent(found.top1)}, top-5 ${percent(found.top5)}, `
      + `cross-entropy ${found.loss.toFixed(4)} nats.`;
    drawCurves(Number(moved.input.value), shift.value);
  };
  const show = () => {
    sliders.forEach(({ input }, k) => { input.value = rows[Number(image.input.value)][k]; });
    update();
  };
  const [left, right] = [element("div"), element("div")];
  left.append(image.box, ...sliders.map(({ box }) => box));
  right.append(words, results, reset);
  for (const { box } of sliders) { // the score beside the name: seven sliders must fit
    box.style.cssText = "position: relative;";
    box.lastChild.style.cssText += "position: absolute; top: 0; right: 0;";
  }
  stage.replaceChildren(beside(left, right), beside(moved.box, shift.box), charts, answer);
  show();
}

// Which epoch's weights to keep: recorded curves, four rules, and what each choice costs.

const best = (values, better) =>
  values.reduce((found, value, i) => (better(value, values[found]) ? i : found), 0);
const lowest = (values) => best(values, (a, b) => a < b);
const highest = (values) => best(values, (a, b) => a > b);

// The epoch that a rule keeps, and how many epochs were trained to know it; both count from 1.
export function decide(run, rule, patience) {
  const epochs = run.val_loss.length;
  if (rule === "loss") return { kept: lowest(run.val_loss) + 1, trained: epochs };
  if (rule === "top1") return { kept: highest(run.val_top1) + 1, trained: epochs };
  if (rule === "last") return { kept: epochs, trained: epochs };
  for (let trained = 1; ; trained += 1) { // "patience": as in dlvlib.training
    const kept = lowest(run.val_loss.slice(0, trained)) + 1;
    if (trained === epochs || trained - kept >= patience) return { kept, trained };
  }
}

const RULES = [
  ["own", "my own choice"],
  ["loss", "lowest validation cost"],
  ["top1", "highest validation accuracy"],
  ["last", "last epoch"],
  ["patience", "early stopping"],
];
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function draw(run) {
  const epochs = run.val_loss.length;
  const curve = (values) => values.map((value, i) => [i + 1, value]);
  const every = Math.ceil(epochs / 6);
  const marks = Array.from({ length: Math.floor(epochs / every) }, (_, i) => (i + 1) * every);
  const x = { title: "epoch", min: 1, max: epochs, ticks: marks.map((i) => [i, String(i)]) };
  const top = Math.ceil(Math.max(...run.val_loss, ...run.train_loss));
  const costs = Array.from({ length: top + 1 }, (_, i) => [i, String(i)]);
  const loss = chart(x, { title: "cost (cross-entropy)", min: 0, max: top, ticks: costs });
  const ceiling = Math.ceil(10 * Math.max(...run.val_top1)) / 10;
  const shares = Array.from({ length: Math.round(10 * ceiling) + 1 }, (_, i) => i / 10)
    .filter((share) => ceiling <= 0.5 || Math.round(10 * share) % 2 === 0);
  const top1 = chart(x, { title: "validation accuracy (%)", min: 0, max: ceiling,
    ticks: shares.map((share) => [share, (100 * share).toFixed(0)]) });
  const [blue, dark] = [color("resnet"), color("alexnet")];
  loss.line(dark, { "stroke-dasharray": "6 4" })(curve(run.train_loss));
  loss.line(blue)(curve(run.val_loss));
  top1.line(blue)(curve(run.val_top1));
  const late = Math.ceil(0.7 * epochs);
  loss.text(dark, "train", "middle")(late, run.train_loss[late - 1], -12);
  loss.text(blue, "val", "middle")(late, run.val_loss[late - 1], -14);
  const cuts = [loss, top1].map((part) => part.line("currentColor", { "stroke-width": 1 }));
  const ends = [loss, top1].map((part) =>
    part.line("currentColor", { "stroke-width": 1, "stroke-dasharray": "2 4" }));
  const dots = [
    [loss.dot(dark), run.train_loss],
    [loss.dot(blue), run.val_loss],
    [top1.dot(blue), run.val_top1],
  ];
  return {
    loss: loss.node,
    top1: top1.node,
    mark(kept, trained) {
      for (const [move, values] of dots) move(kept, values[kept - 1]);
      const upright = (epoch, to) => [[epoch, 0], [epoch, to]];
      [top, ceiling].forEach((height, i) => {
        cuts[i](upright(kept, height));
        ends[i](upright(trained, height));
      });
    },
  };
}

// data: {runs, patience: [least, most, start]}; a run has a name and, one value per epoch,
// train_loss, val_loss, val_top1 and test_top1.
export function mount(stage, data) {
  const names = data.runs.map((run, i) => [i, run.name]);
  const which = select("run", names, () => open());
  const rule = select("keep the weights of", RULES, () => update());
  const [min, max, value] = data.patience;
  const patience = slider("patience (epochs)", { min, max, value }, () => update());
  const epoch = slider("epoch", { min: 1, max: 1, value: 1 }, () => {
    rule.input.value = "own";
    update();
  });
  const panels = element("div");
  const words = message();
  const verdict = message();
  const asked = data.runs.map(() => new Set()); // the epochs shown to the test images
  let drawn;

  const open = () => {
    const run = data.runs[which.input.value];
    drawn = draw(run);
    panels.replaceChildren(beside(drawn.loss, drawn.top1));
    epoch.input.max = run.val_loss.length;
    update();
  };
  const ask = button("Ask the test images", () => {
    asked[which.input.value].add(epoch.value);
    update();
  });

  const update = () => {
    const run = data.runs[which.input.value];
    const chosen = rule.input.value;
    const { kept, trained } = chosen === "own"
      ? { kept: epoch.value, trained: run.val_loss.length }
      : decide(run, chosen, patience.value);
    epoch.input.value = kept;
    patience.box.hidden = chosen !== "patience";
    drawn.mark(kept, trained);
    const columns = [run.train_loss, run.val_loss, run.val_top1];
    const [train, cost, top1] = columns.map((values) => values[kept - 1]);
    const [over, under] = [cost - Math.min(...run.val_loss), Math.max(...run.val_top1) - top1];
    epoch.say(`${kept} of ${run.val_loss.length}`, `epoch ${kept} of ${run.val_loss.length}`);
    patience.say(`${patience.value}`, `patience ${patience.value}`);
    words.textContent = `Keeps epoch ${kept}; ${trained} epochs were trained. Training cost `
      + `${train.toFixed(2)}; validation cost ${cost.toFixed(2)}, ${over.toFixed(2)} above the `
      + `lowest; validation accuracy ${percent(top1)}, ${(100 * under).toFixed(1)} points below `
      + "the highest.";
    describe(drawn.loss, `Line chart, ${run.name}. Training and validation cost by epoch. Marked: `
      + `epoch ${kept}, ${train.toFixed(2)} and ${cost.toFixed(2)}; training ends at ${trained}.`);
    describe(drawn.top1, `Line chart, ${run.name}. Validation accuracy by epoch. Marked: epoch `
      + `${kept}, ${percent(top1)}.`);
    const seen = asked[which.input.value];
    const answer = seen.has(kept) ? `Test accuracy ${percent(run.test_top1[kept - 1])}.`
      : "Test accuracy: not asked for this epoch.";
    const often = seen.size > 1 ? ` You have asked ${seen.size} times in this run. Who now takes `
      + "the highest chooses with test." : "";
    verdict.textContent = answer + often;
  };
  stage.replaceChildren(beside(which.box, rule.box), epoch.box, patience.box, panels, words, ask,
    verdict);
  open();
}

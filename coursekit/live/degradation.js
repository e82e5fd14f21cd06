// Four networks over 164 epochs: their errors, a line to drag along the epochs, and the short
// training beside them.

const HIGHEST = 80; // error in percent at the top of the axes
const SETS = [["train", "training", "6 4"], ["val", "test", "none"]];

// The epoch of the short training at the same share of its schedule, from 1.
export const shortEpoch = (epoch, long, short) => Math.min(short, Math.max(1, Math.round((epoch * short) / long)));

const percentOf = (hundredths) => (hundredths / 100).toFixed(2);

// data: {networks: [{name, family, isThick, long, short: {train, val: errors in 1/100 %}}]}.
export function mount(stage, data) {
  const { networks } = data;
  const [long, short] = ["long", "short"].map((length) => networks[0][length].val.length);
  const epoch = slider("epoch", { min: 1, max: long, value: long }, () => update());
  const rows = table(["network", "training (%)", "test (%)", `test (%), ${short} epochs`]);
  const lines = networks.map(({ name, family, isThick }) => {
    const shown = checkbox(name, true, () => update());
    const key = svg("svg", { width: 18, height: 10, "aria-hidden": true });
    key.append(svg("line", { x1: 0, x2: 18, y1: 5, y2: 5, stroke: color(family), "stroke-width": isThick ? 3 : 1.2 }));
    shown.box.append(" ", key);
    shown.box.style.whiteSpace = "nowrap";
    const [first, ...cells] = addRow(rows, "", "", "", "");
    first.replaceChildren(shown.box);
    return { shown, cells };
  });

  // Axes with the curves of the chosen networks; `mark` draws the line at an epoch.
  const panel = (title, length, last, step) => {
    const ticks = (count, by) => Array.from({ length: Math.floor(count / by) + 1 }, (_, i) => [i * by, String(i * by)]);
    const drawn = chart(
      { title: "epoch", min: 0, max: last, ticks: ticks(last, step) },
      { title, min: 0, max: HIGHEST, ticks: ticks(HIGHEST, 20) },
      340, 300,
    );
    const groups = networks.map((network) => SETS.map(([part, , dashes]) => {
      const look = { "stroke-dasharray": dashes, "stroke-width": network.isThick ? 2.4 : 1.1 };
      return [drawn.line(color(network.family), look), network[length][part].map((value, i) => [i + 1, value / 100])];
    }));
    const line = drawn.line("currentColor", { "stroke-width": 1.5 });
    const inner = drawn.node.querySelector("svg");
    return {
      node: drawn.node, inner,
      draw: (at) => {
        groups.forEach((pair, i) => pair.forEach(([place, points]) =>
          place(lines[i].shown.input.checked ? points : [])));
        line([[at, 0], [at, HIGHEST]]);
      },
    };
  };
  const panels = [
    panel(`error (%), ${long} epochs`, "long", long, 41),
    panel(`error (%), ${short} epochs, three seeds`, "short", short, 2),
  ];

  // The line follows mouse and finger along the first axes.
  const [{ node, inner }] = panels;
  node.style.cssText += "cursor: ew-resize; touch-action: pan-y;";
  const drag = (event) => {
    const [left, width] = ["x", "width"].map((name) => Number(inner.getAttribute(name)));
    const { x } = new DOMPoint(event.clientX, event.clientY).matrixTransform(node.getScreenCTM().inverse());
    epoch.input.value = Math.round(((x - left) / width) * long);
    update();
  };
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    node.setPointerCapture(event.pointerId);
    drag(event);
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) drag(event);
  });

  const update = oncePerFrame(() => {
    const at = epoch.value;
    const other = shortEpoch(at, long, short);
    const told = networks.flatMap(({ name, long: one, short: brief }, i) => {
      const { shown, cells } = lines[i];
      const isOn = shown.input.checked;
      const values = [one.train[at - 1], one.val[at - 1], brief.val[other - 1]].map(percentOf);
      cells.forEach((cell, k) => { cell.textContent = isOn ? values[k] : ""; });
      return isOn ? [`${name} ${values[0]} % training, ${values[1]} % test`] : [];
    });
    panels[0].draw(at);
    panels[1].draw(other);
    const words = told.length ? told.join("; ") : "no network is chosen";
    epoch.say(`after epoch ${at} of ${long}; beside it, after ${other} of ${short}`,
      `epoch ${at} of ${long}: ${words}`);
    describe(panels[0].node, `Line chart of the error over ${long} epochs. After epoch ${at}: ${words}.`);
    describe(panels[1].node, `Line chart of the error over ${short} epochs, the mean of three seeds, `
      + `marked at epoch ${other}.`);
  });
  const hint = element("p", "Training dashed, test solid; 56 layers thick. Drag the line in the first "
    + "chart, or move the slider.", "margin: 0.4rem 0;");
  const holder = element("div", "", "overflow-x: auto;");
  holder.append(rows);
  stage.replaceChildren(epoch.box, beside(...panels.map((one) => one.node)), hint, holder);
  update();
}

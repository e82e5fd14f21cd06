// Your digit on its way through LeNet-5: every step, every map, every unit, and a new last layer.

const RASTER = 112; // side of the ink, four times that of MNIST
const SQUARE = 8; // side of the grey square, of 32
const RETRAINING = { steps: 20, lr: 0.05 };
const TWO = [[[0.3, 0.36], [0.34, 0.26], [0.42, 0.2], [0.52, 0.19], [0.61, 0.23], [0.66, 0.31],
  [0.65, 0.41], [0.59, 0.51], [0.5, 0.61], [0.32, 0.79], [0.72, 0.78]]];

// A grey square over an image of 32 by 32.
export function cover(image, { row, column }) {
  return image.map((value, at) => {
    const [down, right] = [Math.floor(at / 32) - row, (at % 32) - column];
    return down >= 0 && down < SQUARE && right >= 0 && right < SQUARE ? 0.5 : value;
  });
}

// data: {networks: [{name, parameters, temperature, features}], targets: of the features' rows,
// scans: [{digit, pixels: 64 whole numbers from 0 to 16}]}.
export function mount(stage, data) {
  const networks = data.networks.map((one) => ({
    ...one, network: readNetwork(one.parameters), rows: decodeRows(one.features, 84),
  }));
  let raster = null; // the ink of a scan or of a picture, in place of strokes
  let [corrections, square] = [[], { row: 12, column: 12 }];

  const pad = drawingPad((ended) => {
    raster = null;
    scan.input.value = "";
    update(ended);
  }, TWO);
  const clear = button("Clear", () => {
    pad.replace([]);
    pad.node.focus();
  });
  const pen = slider("width of the pen", { min: 2, max: 16, value: 7 }, () => update(true));
  const names = data.scans.map(({ digit }, i) => [i, `${withArticle(digit)}, scan ${i + 1}`]);
  const scan = select("or take a scan", [["", "none"], ...names], () => {
    if (scan.input.value === "") return pad.replace([]);
    const { pixels } = data.scans[Number(scan.input.value)];
    const image = enlarge(pixels.map((value) => value / 16), 8, RASTER);
    return take({ image, side: RASTER });
  });
  const file = element("input", "", "display: block; max-width: 100%; margin-top: 0.3rem;");
  Object.assign(file, { type: "file", accept: "image/*" });
  file.addEventListener("change", async () => {
    if (!file.files.length) return;
    try {
      const found = await readPicture(file.files[0]);
      scan.input.value = "";
      take(found);
    } catch (error) {
      answer.textContent = error.message;
    }
    file.value = "";
  });
  const take = (found) => {
    raster = found;
    pad.show([]);
    update(true);
  };
  const weights = select("weights", networks.map(({ name }, i) => [i, name]), () => forget());
  const centred = checkbox("centre by mass and scale, as MNIST was", true, () => update(true));
  const covered = checkbox("cover a part with a grey square", false, () => update(true));

  const answer = message();
  answer.style.cssText += "font-size: 1.15em; min-height: 1.6em;";
  const bars = digitBars(["τ = 1", "τ"]);
  const small = bitmap("5.5rem", "The ink as MNIST would have it, 28 by 28 pixels.");
  const input = outlined("12rem", "What the network gets, 32 by 32 pixels; outlined: what the "
    + "chosen unit sees.");
  Object.assign(input.over.style, { touchAction: "none", cursor: "move" });
  input.over.setAttribute("role", "application");
  const moveSquare = (row, column) => {
    const inside = (value) => Math.min(Math.max(Math.round(value), 0), 32 - SQUARE);
    square = { row: inside(row), column: inside(column) };
    update(true);
  };
  input.over.addEventListener("pointermove", (event) => {
    if (!covered.input.checked || !event.buttons) return;
    const [x, y] = input.place(event);
    moveSquare(32 * y - SQUARE / 2, 32 * x - SQUARE / 2);
  });
  input.over.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const move = step[event.key];
    if (!move) return;
    moveSquare(square.row + move[0], square.column + move[1]);
    event.preventDefault();
    event.stopPropagation();
  });
  const units = unitView(() => update(true));

  const right = select("it should be a", Array.from({ length: 10 }, (_, k) => [k, k]), () => {});
  const correct = button("Correct it", () => {
    if (!features || corrections.length === 5) return;
    corrections.push({ features, target: Number(right.input.value) });
    update(true);
  });
  const undo = button("Forget the corrections", () => forget());
  const lesson = message();
  const forget = () => {
    corrections = [];
    update(true);
  };
  let features = null; // of the last drawing, as they enter the last layer

  const teach = ({ network, rows }) => {
    const old = network.output;
    if (!corrections.length) {
      lesson.textContent = "No corrections yet; five at most.";
      return old;
    }
    const [own, targets] = ["features", "target"].map((key) => corrections.map((one) => one[key]));
    const layer = retrain(old, own, targets, RETRAINING);
    const count = (some, truth) =>
      `${countRight(some, truth, old)} → ${countRight(some, truth, layer)} of ${some.length}`;
    lesson.textContent = `The last layer, ${old.weight.length + old.bias.length} parameters, was `
      + `trained on ${own.length} of your digits. Right on these: ${count(own, targets)}. Right on `
      + `scans of MNIST that it never saw: ${count(rows, data.targets)}.`;
    return layer;
  };

  const prepare = () => {
    const ink = raster?.image ?? paint(pad.strokes, RASTER, pen.value / 100);
    if (!ink.some((value) => value > 0.1)) return null;
    return centred.input.checked ? asMnist(ink, RASTER) : blockMeans(ink, RASTER, RASTER / 28);
  };

  const draw = oncePerFrame(() => {
    const chosen = networks[Number(weights.input.value)];
    pen.say(`${pen.value} % of the pad`);
    const taught = { ...chosen.network, output: teach(chosen) };
    const ink = prepare();
    work.hidden = correct.disabled = !ink;
    if (!ink) {
      bars.draw(null, null);
      if (isEnded) answer.textContent = EMPTY;
      return;
    }
    const image = enlarge(ink, 28, 32);
    const whole = forward(taught, image);
    const isCovered = covered.input.checked;
    const seen = isCovered ? cover(image, square) : image;
    const states = isCovered ? forward(taught, seen) : whole;
    features = states.features;
    small.draw(ink, 28);
    input.draw(seen, 32);
    const field = units.draw(taught, states);
    const boxes = [[field.column, field.row, field.size, field.size, { stroke: "#F0914A", "stroke-width": 3 }]];
    if (isCovered) boxes.push([square.column, square.row, SQUARE, SQUARE, { "stroke-dasharray": "4 3" }]);
    input.outline(32, 32, boxes);
    input.over.tabIndex = isCovered ? 0 : -1;
    describe(input.over, `Grey square at row ${square.row + 1}, column ${square.column + 1}; `
      + "arrow keys move it.");
    const probs = softmax(states.logits);
    const fitted = softmax(states.logits, chosen.temperature);
    const [best] = bars.draw(probs, fitted);
    bars.titles[1].textContent = `τ = ${chosen.temperature.toFixed(2)}`;
    if (!isEnded) {
      quiet(answer);
      return;
    }
    const before = softmax(whole.logits)[best];
    answer.textContent = `It reads ${withArticle(best)}, with probability ${percent(probs[best])}`
      + `${isCovered ? `; without the square ${percent(before)} for ${withArticle(best)}.` : "."}`;
  });
  let isEnded = true;
  const update = (ended) => {
    isEnded = ended;
    draw();
  };

  const stack = (...nodes) => {
    const box = element("div");
    box.append(...nodes);
    return box;
  };
  const label = element("label", "or load a picture (it stays in this page) ", "display: block; margin: 0.3rem 0;");
  label.append(file);
  const left = stack(pen.box, pad.node, pad.spoken, clear);
  left.style.maxWidth = "18rem";
  const inputs = element("div", "", "display: flex; flex-wrap: wrap; gap: 0 1rem;");
  inputs.append(captioned("28 × 28", small.node), captioned("32 × 32", input.node));
  const work = stack(beside(units.maps, stack(inputs, covered.box, units.details)));
  const lessons = element("div", "", "display: flex; flex-wrap: wrap; align-items: center; gap: 0.6rem;");
  lessons.append(right.box, correct, undo);
  stage.replaceChildren(
    weights.box,
    beside(left, stack(answer, bars.node)),
    beside(stack(scan.box, centred.box), label), work,
    lessons, lesson,
  );
  draw();
}

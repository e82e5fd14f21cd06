// Type a network; read, layer by layer, its shapes and its cost, or what PyTorch would say.

const number = (value) => (value < 1e15 ? value.toLocaleString("en") : value.toExponential(1));
const size = (bytes) => (bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${number(Math.round(bytes / 100) / 10)} kB`
  : `${number(Math.round(bytes / 1e5) / 10)} MB`);

// The hint of an exercise, [part of PyTorch's sentence, last map before it or null, words], for an
// error after these layers.
export function hintFor(hints, error, layers, shape) {
  const last = layers.findLast((layer) => layer.shape.length === 3)?.shape ?? shape;
  const isThis = ([part, map]) => error.message.includes(part) && (!map || String(map) === String(last));
  return hints.find(isThis)?.[2] ?? "";
}

// data: {programs: [{name, text, shape, layers}], hints: as in hintFor}; the first program is shown.
// With layers, as traceProgram returns them, it is only shown: its text does not say all of it.
export function mount(stage, data) {
  const { programs, hints = [] } = data;
  const area = element("textarea", "", `display: block; width: 100%; box-sizing: border-box;
    font-family: monospace; font-size: 0.9em; min-height: 14rem;`);
  Object.assign(area, { spellcheck: false, value: programs[0].text });
  const label = element("label", "the network, in PyTorch", "display: block;");
  label.append(area);
  const sides = ["channels", "height", "width"].map((name, axis) => {
    const box = element("label", `${name} `);
    const input = element("input", "", "width: 4.5rem; min-height: 24px; font: inherit;");
    Object.assign(input, { type: "number", min: 1, max: 4096, step: 1, value: programs[0].shape[axis] });
    box.append(input);
    return { box, input };
  });
  const image = element("div", "image: ", "display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; margin: 0.4rem 0;");
  image.append(...sides.map(({ box }) => box));
  const choice = select("begin with", programs.map(({ name }, i) => [i, name]), () => {
    const chosen = programs[Number(choice.input.value)];
    area.value = chosen.text;
    sides.forEach(({ input }, axis) => { input.value = chosen.shape[axis]; });
    for (const control of [area, ...sides.map(({ input }) => input)]) {
      control.disabled = Boolean(chosen.layers);
    }
    update();
  });
  const answer = message();
  const hint = element("p", "", "margin: 0.4rem 0;");
  const holder = element("div", "", "overflow-x: auto;");
  holder.className = "pst-scrollable-table-container";
  holder.tabIndex = 0;
  holder.setAttribute("role", "region");
  describe(holder, "Table of the layers");

  const shown = ({ name, shape, params, macs, bytes, field }) => [name, shape.join("\u00a0×\u00a0"),
    field && !/Flatten/.test(name) ? field.join("\u00a0×\u00a0") : "–", number(params), number(macs), size(bytes)];
  const draw = oncePerFrame(() => {
    const shape = sides.map(({ input }) => Number(input.value));
    const isShape = shape.every((side) => Number.isInteger(side) && side >= 1 && side <= 4096);
    holder.hidden = !isShape;
    hint.textContent = "";
    if (!isShape) {
      answer.textContent = `Each side of the image must be a whole number from 1 to 4096, got ${shape.join(", ")}.`;
      return;
    }
    const known = programs[Number(choice.input.value)].layers;
    const { layers, error } = known ? { layers: known, error: null } : traceProgram(area.value, shape);
    const rows = table(["layer", "output", "sees", "parameters", "MACs", "float32"]);
    rows.style.cssText += "font-size: 0.9em; white-space: nowrap;";
    layers.forEach((layer, i) => {
      const [name, ...cells] = shown(layer);
      addRow(rows, `${i + 1}. ${name}`, ...cells);
    });
    holder.replaceChildren(rows);
    holder.hidden = layers.length === 0;
    const sum = (key) => layers.reduce((total, layer) => total + layer[key], 0);
    answer.textContent = error
      ? `${error.line ? `Line ${error.line}. ` : ""}${error.kind ? `${error.kind}: ` : ""}${error.message}`
      : `${number(sum("params"))} parameters, ${number(sum("macs"))} MACs. To train on one image, `
        + `${size(sum("bytes"))} of outputs are kept, and ${size(8 * sum("params"))} for weights and gradients.`;
    answer.style.borderLeft = error ? `4px solid ${color("vgg")}` : "";
    answer.style.paddingLeft = error ? "0.6rem" : "";
    hint.textContent = error ? `${error.hint} ${hintFor(hints, error, layers, shape)}`.trim() : "";
  });
  const update = () => draw();
  area.addEventListener("input", update);
  for (const { input } of sides) input.addEventListener("input", update);
  stage.replaceChildren(choice.box, label, image, answer, hint, holder);
  draw();
}

// The input pixels that one unit can see, layer by layer, drawn to scale.

// windows: [[kernel, stride, padding, dilation], ...]; the recurrence of dlvlib.profile.receptive_field.
export function grow(windows) {
  let [size, jump, start] = [1, 1, 0];
  return windows.map(([kernel, stride, padding, dilation]) => {
    size += (kernel - 1) * dilation * jump;
    start -= padding * jump;
    jump *= stride; // last: the new stride counts for the layers above only
    return { size, jump, start };
  });
}

// How many units the map of each layer has along one axis.
export function mapSizes(image, windows) {
  let size = image;
  return windows.map(([kernel, stride, padding, dilation]) => {
    size = Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
    return size;
  });
}

const SIDE = 300; // of the drawing

function drawing(network, fields, sizes) {
  const first = fields.map((field, i) => field.start + Math.floor(sizes[i] / 2) * field.jump);
  const low = Math.min(0, ...first);
  const high = Math.max(network.image, ...first.map((start, i) => start + fields[i].size));
  const pad = 0.08 * (high - low); // room for the words above and below
  const scale = SIDE / (high - low + 2 * pad);
  const node = picture(SIDE, SIDE);
  const place = (box, start, size) => {
    const at = (start - low + pad) * scale;
    for (const name of ["x", "y"]) box.setAttribute(name, at);
    for (const name of ["width", "height"]) box.setAttribute(name, size * scale);
  };
  const image = svg("rect", { fill: "currentColor", "fill-opacity": 0.12 });
  place(image, 0, network.image);
  const middle = { "text-anchor": "middle", x: SIDE / 2 };
  const below = (network.image - low + pad) * scale + 14;
  const name = svg("text", { ...middle, y: below, fill: "currentColor" },
    `image: ${network.image} × ${network.image} pixels`);
  const ink = color(network.family);
  const seen = svg("rect", { fill: ink, "fill-opacity": 0.3, stroke: ink, "stroke-width": 2 });
  const beyond = svg("rect", { fill: "none", stroke: ink, "stroke-dasharray": "4 4" });
  const size = svg("text", { ...middle, fill: ink });
  node.append(image, name, beyond, seen, size);
  return {
    node,
    show(i) {
      const { size: width, jump } = fields[i];
      place(seen, first[i], width);
      place(beyond, first[i], width);
      // The unit to the right and below sees the same, one jump further.
      beyond.setAttribute("visibility", sizes[i] > 1 ? "visible" : "hidden");
      beyond.setAttribute("transform", `translate(${jump * scale} ${jump * scale})`);
      size.textContent = `${width} × ${width}`;
      size.setAttribute("y", (first[i] - low + pad) * scale - 5);
      return first[i];
    },
  };
}

function growthChart(network, fields) {
  const largest = Math.max(network.image, ...fields.map((field) => field.size));
  const step = [1, 10, 50, 100].find((size) => largest / size <= 5) ?? 100;
  const upTo = (count, by) => Array.from({ length: Math.floor(count / by) + 1 }, (_, i) => i * by);
  const ticks = (values) => values.map((value) => [value, String(value)]);
  const every = fields.length > 10 ? 3 : 1;
  const layers = upTo(fields.length, every).filter((layer) => layer > 0);
  const [last, width] = [fields.length, network.image];
  const x = { title: "layer", min: 0, max: last, ticks: ticks(layers) };
  const y = { title: "receptive field (pixels)", min: 0, max: 1.1 * largest };
  const drawn = chart(x, { ...y, ticks: ticks(upTo(largest, step)) });
  drawn.line("currentColor", { "stroke-dasharray": "6 4" })([[0, width], [last, width]]);
  drawn.text("currentColor", "width of the image")(0.02 * last, width, -5);
  drawn.line(color(network.family))([[0, 1], ...fields.map((field, i) => [i + 1, field.size])]);
  return { node: drawn.node, dot: drawn.dot(color(network.family)) };
}

// data: {networks: [{name, family, image, layers: [[name, kernel, stride, padding, dilation]]}]}
export function mount(stage, data) {
  const titles = data.networks.map((network, i) => [i, network.name]);
  const choice = select("network", titles, () => open());
  const layer = slider("layer", { min: 1, max: 1, value: 1 }, () => update());
  const words = message();
  const panels = element("div");
  let update;

  const open = () => {
    const network = data.networks[choice.input.value];
    const windows = network.layers.map(([, ...window]) => window);
    const fields = grow(windows);
    const sizes = mapSizes(network.image, windows);
    const view = drawing(network, fields, sizes);
    const growth = growthChart(network, fields);
    panels.replaceChildren(beside(view.node, growth.node));
    update = () => {
      const i = layer.value - 1;
      const [name, kernel, stride] = network.layers[i];
      const { size, jump } = fields[i];
      const before = i ? fields[i - 1] : { size: 1, jump: 1 };
      const start = view.show(i);
      growth.dot(i + 1, size);
      const outside = Math.max(0, -start) + Math.max(0, start + size - network.image);
      const place = size > network.image ? "wider than the image: the rest is padding"
        : outside ? `${outside} of them outside the image, in the padding`
        : "all inside the image";
      const grown = size - before.size;
      const apart = sizes[i] > 1 ? `The map has ${sizes[i]} × ${sizes[i]} units, and the `
        + `fields of neighbours lie ${jump} pixel${jump > 1 ? "s" : ""} apart.`
        : "One unit for the whole image.";
      const number = `layer ${i + 1} of ${fields.length}`;
      layer.say(`${i + 1} of ${fields.length}: ${name} ${kernel} × ${kernel}, stride ${stride}`,
        `${number}, ${name}: field of ${size} pixels`);
      words.textContent = `One unit sees ${before.size} + (${kernel} − 1) · ${before.jump} = `
        + `${size} pixels in a row, ${grown} more than before; ${place}. ${apart}`;
      describe(view.node, `Drawing to scale. ${network.name}, ${number}: the field of a unit in `
        + `the middle is a square of ${size} pixels; the image has ${network.image}.`);
      const ends = [fields[0].size, fields.at(-1).size].join(" to ");
      describe(growth.node, `Line chart. The field of ${network.name} grows with the layers, from `
        + `${ends} pixels. Marked: ${number}, ${size} pixels.`);
    };
    layer.input.max = fields.length;
    layer.input.value = 1;
    update();
  };
  stage.replaceChildren(choice.box, layer.box, panels, words);
  open();
}

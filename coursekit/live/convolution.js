// A kernel walks over a small image: pixels, products, their sum, and the map with its size.

export const reach = (kernel, dilation) => dilation * (kernel - 1) + 1; // pixels it covers

// What the kernel reads for one output value. A place outside the image is padding: it holds 0.
export function taps(image, kernel, row, column, options = {}) {
  const { stride = 1, padding = 0, dilation = 1 } = options;
  const at = (output, step) => output * stride - padding + step * dilation;
  return kernel.map((line, u) => line.map((weight, v) => {
    const [y, x] = [at(row, u), at(column, v)];
    const value = image[y]?.[x] ?? 0;
    return { row: y, column: x, value, weight, product: value * weight };
  }));
}

export const total = (read) => read.flat().reduce((sum, tap) => sum + tap.product, 0);

// image, kernel: rows of numbers; the kernel is not flipped. Returns the rows of the map.
export function convolve(image, kernel, options) {
  const height = outputSize(image.length, kernel.length, options);
  const width = outputSize(image[0].length, kernel[0].length, options);
  return Array.from({ length: height }, (_, row) => Array.from({ length: width }, (_, column) =>
    total(taps(image, kernel, row, column, options))));
}

const signed = (value, digits = 0) => value.toFixed(digits).replace("-", "−");

// Positive and negative have a colour; the sign is written as well.
const tinted = (value, most, text) => ({
  text,
  fill: value < 0 ? "#0072B2" : "#C65200",
  opacity: most ? (0.55 * Math.abs(value)) / most : 0,
});

// data: {image: as many rows as columns, values 0 to 9; kernels: [{name, weights, divisor}], the
// weights whole and square; row, column: where the walk starts}.
export function mount(stage, data) {
  const { image, kernels } = data;
  const n = image.length;
  const place = { row: data.row, column: data.column };
  const update = () => draw();
  const kernel = select("kernel", kernels.map(({ name }, i) => [i, name]), update);
  const stride = slider("stride s", { min: 1, max: 3, value: 1 }, update);
  const padding = slider("padding p", { min: 0, max: 3, value: 0 }, update);
  const dilation = slider("dilation d", { min: 1, max: 4, value: 1 }, update);
  const controls = beside(stride.box, padding.box, dilation.box);
  for (const box of controls.children) box.style.flex = "1 1 5rem";
  const size = message();
  const walk = walker("place of the kernel", place, update);
  const [input, map, ...parts] = [32, 32, 30, 30, 30].map(grid);
  const steps = element("div", "", "display: flex; align-items: center; gap: 0.4rem;");
  ["pixels", "kernel", "products"].forEach((title, i) => {
    const box = captioned(title, parts[i].node);
    box.style.flex = "0 1 6rem";
    steps.append(...(i ? [element("span", ".·="[i], "padding-top: 1.5rem;")] : []), box);
  });
  const sum = element("p", "", "margin: 0.3rem 0; font-variant-numeric: tabular-nums;");
  const work = element("div");
  work.append(steps, sum);
  const left = captioned("the image", input.node);
  left.append(work);
  const right = captioned("the map", map.node);

  const drawImage = (padding, read) => {
    const marked = new Set(read.flat().map((tap) => `${tap.row} ${tap.column}`));
    const padded = padding ? `, with ${padding} of padding on every side` : "";
    input.draw(n + 2 * padding, n + 2 * padding, (row, column) => {
      const [y, x] = [row - padding, column - padding];
      return { ...scan(y, x), marked: marked.has(`${y} ${x}`) };
    }, `The image, ${n} by ${n} pixels${padded}; outlined: what the kernel reads.`);
  };
  const scan = (row, column) => {
    const value = image[row]?.[column];
    return value === undefined ? { text: "0", dashed: true } : pixel(value, 9);
  };

  const drawSteps = (read) => {
    const most = Math.max(...read.flat().map((tap) => Math.abs(tap.weight)));
    const looks = [
      (tap) => scan(tap.row, tap.column),
      (tap) => tinted(tap.weight, most, signed(tap.weight)),
      (tap) => tinted(tap.product, 9 * most, signed(tap.product)),
    ];
    ["value", "weight", "product"].forEach((key, i) => {
      const words = read.flat().map((tap) => signed(tap[key])).join(", ");
      const name = ["Pixels", "Kernel", "Products"][i];
      parts[i].draw(read.length, read.length, (u, v) => looks[i](read[u][v]),
        `${name}, row by row: ${words}.`);
    });
  };

  const draw = () => {
    const { weights, divisor } = kernels[Number(kernel.input.value)];
    const [s, p, d, k] = [stride.value, padding.value, dilation.value, weights.length];
    const options = { stride: s, padding: p, dilation: d };
    const out = outputSize(n, k, options);
    stride.say(`s = ${s}`, `stride ${s}`);
    padding.say(`p = ${p}`, `padding ${p}`);
    dilation.say(`d = ${d}`, `dilation ${d}: the kernel covers ${reach(k, d)} pixels`);
    walk.fit(out);
    for (const node of [work, right]) node.hidden = out === 0;
    if (out === 0) {
      size.textContent = `The kernel covers ${reach(k, d)} pixels, the image with its padding has `
        + `${n + 2 * p}. It fits nowhere: take less dilation or more padding.`;
      walk.say("no place", "the kernel fits nowhere");
      drawImage(p, []);
      return;
    }
    size.textContent = "size of the map: "
      + `⌊(${n} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1 = ${out}`;
    const values = convolve(image, weights, options);
    const most = Math.max(...values.flat().map(Math.abs));
    const show = (row, column) => signed(values[row][column] / divisor, divisor === 1 ? 0 : 1);
    const read = taps(image, weights, place.row, place.column, options);
    const value = show(place.row, place.column);
    const where = `row ${place.row + 1}, column ${place.column + 1}`;
    drawImage(p, read);
    drawSteps(read);
    map.draw(out, out, (row, column) => ({
      ...tinted(values[row][column], most, show(row, column)),
      marked: row === place.row && column === place.column,
    }), `The map, ${out} by ${out} values; outlined: ${where}, with the value ${value}.`);
    const summed = `sum ${signed(total(read))}${divisor === 1 ? "" : ` / ${divisor} = ${value}`}`;
    sum.textContent = `${summed}, in ${where}`;
    walk.say(where, `${where} of the map: ${summed}`);
  };
  stage.replaceChildren(kernel.box, controls, size, walk.box, beside(left, right));
  draw();
}

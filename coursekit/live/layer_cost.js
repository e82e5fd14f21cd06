// What a layer costs: convolution, in groups, depthwise separable.
// As in dlvlib.profile.cost: 1 MAC = 2 FLOPs, a bias = 1 FLOP, float32 values of 4 bytes.

const product = (numbers) => numbers.reduce((total, number) => total * number, 1);

// shape: [channels, height, width]. The shape of the answer has a 0 where the kernel fits nowhere.
export function convolution([channels, ...sizes], kernels, kernel, options = {}) {
  const { stride, padding, groups = 1, bias = false } = options;
  const output = [kernels, ...sizes.map((size) => outputSize(size, kernel, { stride, padding }))];
  const taps = (channels / groups) * kernel ** 2;
  const values = product(output);
  const cost = { params: kernels * (taps + bias), macs: values * taps };
  return { ...cost, flops: values * (2 * taps + bias), shape: output, bytes: 4 * values };
}

// One kernel for each channel, then 1 x 1; only the second map is the output.
export function separable(shape, kernels, kernel, options = {}) {
  const [channels] = shape;
  const depthwise = convolution(shape, channels, kernel, { ...options, groups: channels });
  const pointwise = convolution(depthwise.shape, kernels, 1, { bias: options.bias });
  const both = (key) => depthwise[key] + pointwise[key];
  return { ...pointwise, params: both("params"), macs: both("macs"), flops: both("flops") };
}

// MACs, and weights without biases: separable over convolution, whatever the channels are.
export const ratio = (kernels, kernel) => 1 / kernels + 1 / kernel ** 2;

const grouped = (number, digits = 0) =>
  number.toLocaleString("en-US", { maximumFractionDigits: digits });
const short = (number) => (number < 1e9 ? grouped(number) : `${grouped(number / 1e9, 1)} billion`);

const QUANTITIES = { params: "parameters", macs: "MACs", flops: "FLOPs" };
const FORMS = { convolution: "lenet", "in groups": "resnet", separable: "xception" };

// A bar for each form; show(costs) draws them for the forms that `costs` names.
function bars(quantity) {
  const node = table([QUANTITIES[quantity], "", ""]);
  node.style.tableLayout = "fixed";
  ["6.2em", "7.4em"].forEach((width, i) => { node.rows[0].cells[i].style.width = width; });
  const rows = Object.entries(FORMS).map(([form, family]) => {
    const bar = element("div", "", `height: 1.1em; min-width: 1px; background: ${color(family)};`);
    const [title, value] = addRow(node, form, "", bar);
    value.style.textAlign = "right";
    return { form, row: title.parentNode, value, bar };
  });
  const show = (costs) => {
    const largest = Math.max(...Object.values(costs).map((cost) => cost[quantity]));
    for (const { form, row, value, bar } of rows) {
      row.hidden = !(form in costs);
      if (row.hidden) continue;
      value.textContent = short(costs[form][quantity]);
      bar.style.width = `${(100 * costs[form][quantity]) / largest}%`;
    }
  };
  return { node, show };
}

// data: {sizes, channels, kernels: what the sliders offer; start: {size, channels, kernels}}.
export function mount(stage, data) {
  const update = () => draw();
  const choice = (title, values, start) => {
    const range = { min: 0, max: values.length - 1, value: values.indexOf(start) };
    const control = slider(title, range, update);
    control.box.style.flex = "1 1 8rem";
    return { ...control, title, get value() { return values[control.value]; } };
  };
  const controls = {
    size: choice("input side n", data.sizes, data.start.size),
    channels: choice("input channels C", data.channels, data.start.channels),
    kernels: choice("kernels nₖ", data.channels, data.start.kernels),
    kernel: choice("window k × k", [1, 3, 5, 7], 3),
    stride: choice("stride s", [1, 2, 3, 4], 1),
    padding: choice("padding p", [0, 1, 2, 3], 1),
    groups: choice("groups g", [1, 2, 4, 8, 16, 32], 1),
  };
  const bias = select("bias", [["", "without"], ["yes", "with"]], update);
  const panel = beside(...Object.values(controls).map((control) => control.box), bias.box);
  for (const box of panel.children) box.style.flex = "1 1 8rem";
  const said = message();
  const charts = Object.keys(QUANTITIES).map(bars);
  const saving = element("p", "", "margin: 0.4rem 0;");
  const output = element("div");
  output.append(...charts.map((chart) => chart.node), saving);

  const draw = () => {
    const [size, channels, kernels, kernel, stride, padding, groups] =
      Object.values(controls).map((control) => control.value);
    const options = { stride, padding, bias: bias.input.value !== "" };
    const shape = [channels, size, size];
    const plain = convolution(shape, kernels, kernel, options);
    const problem = kernel > size + 2 * padding
      ? `A window of ${kernel} does not fit into ${size + 2 * padding} pixels, padding included.`
      : channels % groups || kernels % groups
        ? `${groups} groups must divide both ${channels} input channels and ${kernels} kernels.`
        : "";
    output.hidden = problem !== "";
    const costs = {
      convolution: plain,
      "in groups": convolution(shape, kernels, kernel, { ...options, groups }),
      separable: separable(shape, kernels, kernel, options),
    };
    if (groups === 1) delete costs["in groups"];
    const spoken = Object.entries(costs).map(([form, cost]) => `${form} ${short(cost.macs)}`);
    for (const { title, value, say } of Object.values(controls)) {
      say(String(value), `${title} ${value}: ${problem || `MACs ${spoken.join(", ")}`}`);
    }
    said.textContent = problem || `Output: ${plain.shape.join(" × ")} = `
      + `${grouped(product(plain.shape))} values, ${grouped(plain.bytes)} bytes in float32, `
      + "the same for all forms.";
    if (problem) return;
    for (const chart of charts) chart.show(costs);
    const share = ratio(kernels, kernel);
    saving.textContent = "separable / convolution, in MACs and in weights without biases: "
      + `1 / nₖ + 1 / k² = 1/${kernels} + 1/${kernel ** 2} = ${share.toPrecision(3)}. `
      + "1 MAC = 2 FLOPs, a bias = 1 FLOP.";
  };
  stage.replaceChildren(panel, said, output);
  draw();
}

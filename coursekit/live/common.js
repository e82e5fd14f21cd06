// What every figure is made of. live.module puts it before the figure's own source.

const SVG = "http://www.w3.org/2000/svg"; // a name, never fetched

// A colour of the book's families ("resnet"), as the page's theme shows it.
export const color = (family) => `var(--dlv-${family})`;

export function element(tag, text = "", style = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.style.cssText = style;
  return node;
}

// Boxes beside each other where there is room, below each other on a phone.
export function beside(...nodes) {
  const box = element("div", "", "display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem;");
  for (const node of nodes) {
    node.style.flex = "1 1 15rem";
    node.style.minWidth = "0";
  }
  box.append(...nodes);
  return box;
}

// Runs `update` at once, and then at most once a frame, however many events ask for it.
export function oncePerFrame(update) {
  let waiting = false;
  let again = false;
  const next = () => {
    waiting = again;
    again = false;
    if (waiting) run();
  };
  const run = () => {
    waiting = true;
    requestAnimationFrame(next);
    update();
  };
  return () => {
    if (waiting) again = true;
    else run();
  };
}

// A labelled range slider. say(short, spoken): the text beside it, and what a screen reader reads.
export function slider(title, { min, max, step = 1, value }, update) {
  const box = element("div", "", "margin: 0.3rem 0;");
  const label = element("label", title, "display: block;");
  const input = element("input", "", "display: block; width: 100%; min-height: 24px;");
  Object.assign(input, { type: "range", min, max, step, value }); // the value last: limits cut it
  const output = element("output", "", "font-variant-numeric: tabular-nums;");
  output.setAttribute("aria-live", "off"); // the slider itself speaks
  label.append(input);
  box.append(label, output);
  input.addEventListener("input", oncePerFrame(update));
  const say = (short, spoken = short) => {
    output.textContent = short;
    input.setAttribute("aria-valuetext", spoken);
  };
  return { box, input, say, get value() { return Number(input.value); } };
}

// options: [[value, text], ...]
export function select(title, options, update) {
  const label = element("label", `${title} `, "display: block; margin: 0.3rem 0;");
  const input = element("select", "", "max-width: 100%; min-height: 24px; margin-left: 0.3rem; font: inherit;");
  for (const [value, text] of options) {
    const option = element("option", text);
    option.value = value;
    input.append(option);
  }
  label.append(input);
  input.addEventListener("change", update);
  return { box: label, input };
}

export function button(text, press) {
  const node = element("button", text, "padding: 0.2rem 0.6rem;");
  node.type = "button";
  node.addEventListener("click", press);
  return node;
}

// A line of text that is read out whenever it changes.
export function message() {
  const node = element("p", "", "margin: 0.4rem 0; font-variant-numeric: tabular-nums;");
  node.setAttribute("role", "status");
  return node;
}

const CELL = "padding: 0.3rem 0.25rem; text-align:";

export function table(titles) {
  const node = element("table", "", "width: 100%; border-collapse: collapse; margin: 0.5rem 0;");
  const head = node.createTHead().insertRow();
  for (const title of titles) {
    const cell = element(title ? "th" : "td", title, `${CELL} left;`);
    if (title) cell.scope = "col";
    head.append(cell);
  }
  node.createTBody();
  return node;
}

// The first cell names the row; a cell is text or a node. Returns the cells.
export function addRow(table, name, ...contents) {
  const row = table.tBodies[0].insertRow();
  const title = element("th", name, `${CELL} left; font-weight: normal;`);
  title.scope = "row";
  row.append(title);
  for (const content of contents) {
    const cell = element("td", "", `${CELL} left; font-variant-numeric: tabular-nums;`);
    cell.append(content);
    row.append(cell);
  }
  return [...row.cells];
}

export function svg(tag, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// A drawing `width` wide in its own units. describe() returns in words what it shows.
export function picture(width, height) {
  const node = svg("svg", { role: "img", viewBox: `0 0 ${width} ${height}`, "font-size": 12 });
  node.style.cssText = `display: block; width: 100%; max-width: ${1.2 * width}px; height: auto;`;
  return node;
}

export const describe = (node, words) => node.setAttribute("aria-label", words);

// Axes to draw on. x and y: {title, min, max, ticks: [[value, text], ...]}.
export function chart(x, y, width = 340, height = 230) {
  const [left, right, top, bottom] = [44, width - 12, 26, height - 38];
  const node = picture(width, height);
  const atX = (value) => left + ((value - x.min) / (x.max - x.min)) * (right - left);
  const atY = (value) => bottom - ((value - y.min) / (y.max - y.min)) * (bottom - top);
  const write = (text, at, anchor) =>
    svg("text", { x: at[0], y: at[1], "text-anchor": anchor, fill: "currentColor" }, text);
  const rule = (x1, y1, x2, y2) =>
    svg("line", { x1, y1, x2, y2, stroke: "currentColor", "stroke-opacity": 0.25 });
  for (const [value, text] of x.ticks) {
    node.append(rule(atX(value), top, atX(value), bottom));
    node.append(write(text, [atX(value), bottom + 15], "middle"));
  }
  for (const [value, text] of y.ticks) {
    node.append(rule(left, atY(value), right, atY(value)));
    node.append(write(text, [left - 5, atY(value) + 4], "end"));
  }
  node.append(write(x.title, [(left + right) / 2, height - 6], "middle"));
  node.append(write(y.title, [2, 13], "start"));
  // An inner drawing cuts off what leaves the axes.
  const view = [left, top, right - left, bottom - top];
  const inner = svg("svg", { viewBox: view.join(" "), "aria-hidden": true });
  ["x", "y", "width", "height"].forEach((name, i) => inner.setAttribute(name, view[i]));
  node.append(inner);
  const points = (pairs) => pairs.map(([a, b]) => `${atX(a).toFixed(1)},${atY(b).toFixed(1)}`);
  return {
    node,
    // Each returns the function that places, or moves, what it has drawn.
    line(stroke, look = {}) {
      const drawn = svg("polyline", { fill: "none", stroke, "stroke-width": 2, ...look });
      inner.append(drawn);
      return (pairs) => drawn.setAttribute("points", points(pairs).join(" "));
    },
    dot(fill) {
      const drawn = svg("circle", { r: 5, fill, stroke: "currentColor" });
      node.append(drawn);
      return (a, b) => {
        drawn.setAttribute("cx", atX(a));
        drawn.setAttribute("cy", Math.min(Math.max(atY(b), top), bottom));
      };
    },
    text(fill, words, anchor = "start") {
      const drawn = svg("text", { fill, "text-anchor": anchor }, words);
      node.append(drawn);
      return (a, b, dy = 0) => {
        drawn.setAttribute("x", atX(a));
        drawn.setAttribute("y", atY(b) + dy);
      };
    },
  };
}

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

// A labelled range slider. say(short, spoken): what stands beside it, and what a reader hears.
export function slider(title, { min, max, step = 1, value }, update) {
  const box = element("div", "", "margin: 0.3rem 0;");
  const label = element("label", title, "display: block;");
  const input = element("input", "", "display: block; width: 100%; min-height: 24px;");
  Object.assign(input, { type: "range", min, max, step, value }); // the value last: limits cut it
  const output = element("output", "", "font-variant-numeric: tabular-nums;");
  output.setAttribute("aria-live", "off"); // the slider itself speaks
  label.append(input);
  box.append(label, output);
  input.addEventListener("input", update);
  const say = (short, spoken = short) => {
    output.textContent = short;
    input.setAttribute("aria-valuetext", spoken);
  };
  return { box, input, say, get value() { return Number(input.value); } };
}

// options: [[value, text], ...]
export function select(title, options, update) {
  const label = element("label", `${title} `, "display: block; margin: 0.3rem 0;");
  const input = element("select", "", "max-width: 100%; min-height: 24px; font: inherit;");
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

// A drawing `width` wide in its own units. describe() says in words what it shows.
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
  const inner = svg("svg", { viewBox: view.join(" ") });
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

// A grid of numbers, drawn anew at each change. look(row, column) says how a cell looks: {text,
// fill, opacity, ink, dashed: its border, corner: whether one is coloured, marked: outlined}.
export function grid(cell = 26) {
  const node = picture(cell, cell);
  node.setAttribute("text-anchor", "middle");
  const drawCell = (x, y, look) => {
    const { text, fill = "none", opacity = 1, ink = "currentColor", dashed, corner } = look;
    const border = { stroke: "currentColor", "stroke-opacity": 0.4 };
    if (dashed) border["stroke-dasharray"] = "2 3";
    const size = { x, y, width: cell, height: cell };
    node.append(svg("rect", { ...size, fill, "fill-opacity": opacity, ...border }));
    if (corner) node.append(svg("path", { d: `M${x} ${y}h9l-9 9z`, fill: color("vgg") }));
    node.append(svg("text", { x: x + cell / 2, y: y + cell / 2 + 4, fill: ink }, text));
  };
  const draw = (rows, columns, look, words) => {
    node.replaceChildren();
    node.setAttribute("viewBox", `-3 -3 ${columns * cell + 6} ${rows * cell + 6}`);
    node.style.maxWidth = `${columns * cell + 6}px`;
    let outline = "";
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const [x, y, looks] = [column * cell, row * cell, look(row, column)];
        drawCell(x, y, looks);
        if (looks.marked) outline += `M${x} ${y}h${cell}v${cell}h${-cell}z`;
      }
    }
    for (const [stroke, width] of [["#FFFFFF", 5], ["#C65200", 2.5]]) { // seen on any grey
      node.append(svg("path", { d: outline, fill: "none", stroke, "stroke-width": width }));
    }
    describe(node, words);
  };
  return { node, draw };
}

// A grey pixel from 0 to `most`; the ink on it can be read in either theme.
export function pixel(value, most, text = String(value)) {
  const grey = Math.round((255 * value) / most);
  return { text, fill: `rgb(${grey}, ${grey}, ${grey})`, ink: grey > 117 ? "#000000" : "#FFFFFF" };
}

export function captioned(title, node) {
  const box = element("div");
  box.append(element("p", title, "margin: 0.4rem 0 0.1rem;"), node);
  return box;
}

// How often a window fits along an axis; 0 where it does not.
export function outputSize(size, kernel, { stride = 1, padding = 0, dilation = 1 } = {}) {
  const room = size + 2 * padding - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : Math.floor(room / stride) + 1;
}

// A slider and two buttons that walk over side x side places, row by row.
export function walker(title, place, update) {
  const walk = slider(title, { min: 0, max: 0, value: 0 }, () => go(0));
  const buttons = element("span", "", "margin-left: 0.6rem; white-space: nowrap;");
  buttons.append(button("← back", () => go(-1)), " ", button("next →", () => go(1)));
  walk.box.append(buttons);
  let side = 1;
  const go = (step) => {
    const index = Math.min(Math.max(walk.value + step, 0), side * side - 1);
    Object.assign(place, { row: Math.floor(index / side), column: index % side });
    update();
  };
  const fit = (places) => { // keeps the place where it can
    for (const control of [walk.input, ...buttons.children]) control.disabled = places === 0;
    side = Math.max(1, places);
    place.row = Math.min(place.row, side - 1);
    place.column = Math.min(place.column, side - 1);
    Object.assign(walk.input, { max: side * side - 1, value: place.row * side + place.column });
  };
  return { box: walk.box, say: walk.say, fit };
}

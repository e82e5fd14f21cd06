// What the figures of sliding windows share: grids of numbers, a walk, the size of the answer.
// live.module puts it between common.js and their own source.

// A grid of numbers, drawn again at each change. look(row, column) says how a cell looks: {text,
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
  const buttons = element("span", "", "display: inline-block; margin: 0.3rem 0 0 0.6rem;");
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

// All maps of the network as pictures to choose a unit in, and what one unit reads.

const COLUMNS = { C1: 6, S2: 6, C3: 8, S4: 8, C5: 30, F6: 21, output: 10 }; // maps side by side
const FOLDED = { F6: 12, output: 12 }; // so many of the units that they read in a row
const minus = (value) => value.toFixed(2).replace("-0.00", "0.00").replace("-", "−");

// Positive is orange, negative blue, nothing black; `most` and beyond is brightest.
const signedColour = (most) => (value) => {
  const share = Math.min(Math.abs(value) / most, 1);
  return (value < 0 ? [86, 180, 233] : [240, 145, 74]).map((part) => share * part);
};

// A picture under a drawing of `width` by `height` units; outlines are [x, y, width, height].
export function outlined(width, words) {
  const picture = bitmap("100%", words);
  const over = svg("svg", { preserveAspectRatio: "none" });
  over.style.cssText = "position: absolute; inset: 0; width: 100%; height: 100%;";
  const node = element("div", "", `position: relative; width: ${width}; max-width: 100%;`);
  node.append(picture.node, over);
  const outline = (columns, rows, boxes) => {
    over.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    over.replaceChildren(...boxes.map(([x, y, wide, high, look = {}]) => svg("rect", {
      x, y, width: wide, height: high, fill: "none", stroke: "#FFFFFF", "stroke-width": 2,
      "vector-effect": "non-scaling-stroke", ...look,
    })));
  };
  const place = (event) => { // of a pointer, in shares of the picture
    const box = node.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  return { node, over, draw: picture.draw, outline, place };
}

// A strip of all maps of one layer; choose({map, row, column}) after a click.
function strip(layer, choose) {
  const { name, maps, side } = LAYERS[layer];
  const columns = COLUMNS[name];
  const gap = side > 1 ? 1 : 0;
  const [wide, high] = [columns, maps / columns].map((count) => count * (side + gap) - gap);
  const view = outlined("100%");
  view.node.style.cursor = "pointer";
  view.node.addEventListener("click", (event) => {
    const [x, y] = view.place(event);
    const inMap = (share, length) => {
      const at = Math.min(Math.max(Math.floor(share * length), 0), length - 1);
      return [Math.floor(at / (side + gap)), Math.min(at % (side + gap), side - 1)];
    };
    const [[across, column], [down, row]] = [inMap(x, wide), inMap(y, high)];
    choose({ map: down * columns + across, row, column });
  });
  const draw = (states, unit) => {
    const most = name === "output" ? Math.max(...states.logits.map(Math.abs)) : 1;
    const values = new Float64Array(wide * high);
    const corner = (map) => [(map % columns) * (side + gap), Math.floor(map / columns) * (side + gap)];
    states[name].forEach((one, map) => {
      const [left, top] = corner(map);
      one.forEach((value, at) => {
        values[(top + Math.floor(at / side)) * wide + left + (at % side)] = value;
      });
    });
    view.draw(values, wide, signedColour(most));
    if (!unit) return view.outline(wide, high, []);
    const [left, top] = corner(unit.map);
    const boxes = [[left + unit.column, top + unit.row, 1, 1, { "stroke-width": 3 }]];
    if (side > 1) boxes.unshift([left, top, side, side, { "stroke-width": 1 }]);
    return view.outline(wide, high, boxes);
  };
  const title = `${name}: ${maps} × ${side} × ${side}`;
  return { node: captioned(side > 1 ? title : `${name}: ${maps} units`, view.node), draw };
}

function card(term, most, title, name) {
  const box = element("div", "", "width: 2.6rem; font-size: 0.75rem; text-align: center; white-space: nowrap;");
  const columns = FOLDED[name] ?? Math.sqrt(term.window.length);
  const { window, weights, products } = term;
  const brightest = (values) => Math.max(...values.map(Math.abs), 1e-9);
  [[window, 1], [weights, brightest(weights)], [products, most]].forEach(([values, limit]) => {
    const picture = bitmap("2.6rem");
    picture.draw(values, columns, signedColour(limit));
    picture.node.style.marginBottom = "0.2rem";
    box.append(picture.node);
  });
  box.prepend(element("div", title));
  box.append(element("div", minus(term.sum)));
  return box;
}

function wordsOf(layer, unit, found) {
  const { name, side, field, kernel } = LAYERS[layer];
  const where = side > 1 ? `map ${unit.map + 1}, row ${unit.row + 1}, column ${unit.column + 1}`
    : `unit ${name === "output" ? unit.map : unit.map + 1}`;
  const sees = `${name}, ${where}: sees ${field} × ${field} of the 32 × 32 pixels. `;
  if (!kernel) return `${sees}The largest of 2 × 2 values: ${minus(found.value)}.`;
  const sums = found.terms.map((term) => minus(term.sum)).join(" + ");
  const tanh = name === "output" ? " is its logit" : `; tanh gives ${minus(found.value)}`;
  const count = found.terms[0].window.length;
  const what = found.terms.length > 1 ? `${found.terms.length} maps, ${count} products each, and bias`
    : `${count} products, and bias`;
  return `${sees}Sum over ${what}: ${sums} + ${minus(found.bias)} = ${minus(found.total)}${tanh}.`
    .replaceAll("+ −", "− ");
}

// Strips, the choice of a unit by click or keyboard, and its sum. changed() after a choice.
export function unitView(changed) {
  const unit = { layer: 2, map: 3, row: 3, column: 4 };
  const choose = (choice) => {
    Object.assign(unit, choice);
    changed();
  };
  const strips = LAYERS.map((_, layer) => strip(layer, (place) => choose({ layer, ...place })));
  const layers = select("layer", LAYERS.map(({ name }, i) => [i, name]), () =>
    choose({ layer: Number(layers.input.value), map: 0, row: 0, column: 0 }));
  const map = slider("map or unit", { min: 1, max: 6, value: 1 }, () => choose({ map: map.value - 1 }));
  const walk = walker("place in the map", unit, changed);
  const words = element("p", "", "margin: 0.4rem 0; font-variant-numeric: tabular-nums;");
  const cards = element("div", "", "display: flex; flex-wrap: wrap; gap: 0.5rem;");
  const maps = element("div");
  maps.append(...strips.map((one) => one.node));
  const details = element("div");
  const legend = "Each column: window, kernel, products, their sum. Orange is positive, blue negative.";
  details.append(beside(layers.box, map.box), walk.box, words, cards,
    element("p", legend, "font-size: 0.85em; margin: 0.4rem 0;"));

  const draw = (network, states) => { // returns what the unit sees: {row, column, size}
    const { name, maps: count, side } = LAYERS[unit.layer];
    layers.input.value = unit.layer;
    Object.assign(map.input, { max: count, value: unit.map + 1 });
    walk.fit(side);
    walk.box.hidden = side === 1;
    strips.forEach((one, layer) => one.draw(states, layer === unit.layer ? unit : null));
    const found = explainUnit(network, states, unit.layer, unit);
    const most = Math.max(...found.terms.flatMap((term) => term.products.map(Math.abs)), 1e-9);
    cards.replaceChildren(...found.terms.map((term, i) => 
      card(term, most, found.terms.length > 1 ? `map ${i + 1}` : "input", name)));
    words.textContent = wordsOf(unit.layer, unit, found);
    map.say(`${unit.map + 1} of ${count}`, words.textContent);
    walk.say(`row ${unit.row + 1}, column ${unit.column + 1}`, words.textContent);
    return found.field;
  };
  return { maps, details, draw };
}

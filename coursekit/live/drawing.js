// A square to draw on by mouse, finger, pen or keyboard; pictures of numbers; ten bars.

const STEPS = 20; // places of the keyboard's cursor along a side

// A picture of values from 0, black, to 1, white; or colourOf(value) as [r, g, b]. Without words a
// screen reader passes over it.
export function bitmap(width, words = "") {
  const node = element("canvas", "", `width: ${width}; max-width: 100%; display: block;
    image-rendering: pixelated; border: 1px solid #80808080; box-sizing: border-box;`);
  if (words) {
    node.setAttribute("role", "img");
    describe(node, words);
  } else {
    node.setAttribute("aria-hidden", true);
  }
  const grey = (value) => [255 * value, 255 * value, 255 * value];
  const draw = (values, columns, colourOf = grey) => {
    Object.assign(node, { width: columns, height: values.length / columns });
    const pixels = new ImageData(node.width, node.height);
    values.forEach((value, at) => pixels.data.set([...colourOf(value), 255], 4 * at));
    node.getContext("2d").putImageData(pixels, 0, 0);
  };
  return { node, draw };
}

const STRENGTHS = [1, 0.5]; // of the upper and the lower bars

// A table of ten pairs of bars and their values; titles: of the upper and the lower ones.
// pictureOf(digit), if given, is shown beside the digit. draw(probs, others) shows probabilities.
export function digitBars(titles, pictureOf) {
  const node = table(["digit", ...(pictureOf ? [""] : []), titles[0], "", titles[1]]);
  node.style.fontSize = "0.9em"; // five columns on a phone
  const heads = [...node.tHead.rows[0].cells].filter((cell) => titles.includes(cell.textContent));
  const keys = titles.map((title, i) => {
    const name = element("span", title);
    heads[i].replaceChildren(`${["upper", "lower"][i]} bar:`, element("br"), name);
    heads[i].style.whiteSpace = "nowrap";
    heads[i].style.textAlign = ["right", "left"][i];
    return name;
  });
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const [value, other] = [element("span"), element("span")];
    const bars = element("div");
    const pair = STRENGTHS.map((opacity) =>
      element("div", "", `height: 0.55em; min-width: 1px; opacity: ${opacity};`));
    bars.append(...pair);
    const pictures = pictureOf ? [pictureOf(digit)] : [];
    const cells = addRow(node, String(digit), ...pictures, value, bars, other);
    for (const cell of cells) cell.style.padding = "0.1rem 0.25rem";
    value.parentElement.style.textAlign = "right";
    bars.parentElement.style.cssText += "width: 45%; min-width: 3.3rem;";
    return { name: cells[0], values: [value, other], pair };
  });
  const draw = (probs, others) => { // null: nothing to show
    const best = [probs, others].map((shares) => (shares ? largest(shares) : -1));
    rows.forEach(({ name, values, pair }, digit) => {
      [probs, others].forEach((shares, i) => {
        values[i].textContent = shares ? percent(shares[digit]) : "";
        pair[i].style.width = `${100 * (shares?.[digit] ?? 0)}%`;
        pair[i].style.background = color(digit === best[i] ? "vgg" : "lenet");
      });
      name.style.fontWeight = best.includes(digit) ? "bold" : "normal";
    });
    return best;
  };
  return { node, draw, titles: keys };
}

// What a figure shows without ink, until the first stroke begins; the answer waits for its end.
export const EMPTY = "The pad is empty: draw a digit.";
export function quiet(answer) {
  if (answer.textContent === EMPTY) answer.textContent = "";
}

export const largest = (values) => values.indexOf(Math.max(...values));
export const percent = (share) => `${(100 * share).toFixed(0)}\u00a0%`;

// update(ended) is called when the strokes change; ended: no stroke is unfinished. An example,
// if there is one, is shown until the reader draws.
export function drawingPad(update, example = []) {
  const pad = svg("svg", { viewBox: "0 0 1 1", tabindex: 0, role: "application" });
  pad.style.cssText = `display: block; width: 100%; aspect-ratio: 1; touch-action: none;
    cursor: crosshair; background: #000000; border: 1px solid #80808080; user-select: none;`;
  describe(pad, "Drawing pad. Arrow keys move the cursor, space lowers or lifts the pen, "
    + "backspace removes the last stroke.");
  const ink = svg("path", { fill: "none", stroke: "#FFFFFF", "stroke-width": 0.07 });
  for (const end of ["linecap", "linejoin"]) ink.setAttribute(`stroke-${end}`, "round");
  const cursor = svg("circle", { r: 0.035, fill: "#C65200", stroke: "#FFFFFF", "stroke-width": 0.01 });
  cursor.style.display = "none";
  pad.append(ink, cursor);
  const spoken = message();
  let strokes = example;
  let isExample = example.length > 0;
  let [isDown, x, y] = [false, STEPS / 2, STEPS / 4];

  const draw = () => ink.setAttribute("d", strokes.map((stroke) =>
    stroke.map((point, i) => `${i ? "L" : "M"}${point.join(" ")}`).join("")
      + (stroke.length === 1 ? "h0" : "")).join(""));
  const change = (ended) => {
    draw();
    update(ended);
  };
  const begin = (point) => {
    strokes = isExample ? [[point]] : [...strokes, [point]];
    isExample = false;
  };
  const show = (others) => { // without an update
    [strokes, isExample, isDown, pointer] = [others, false, false, null];
    cursor.setAttribute("fill", "#C65200");
    draw();
  };
  const replace = (others) => {
    show(others);
    update(true);
  };

  const pointOf = (event) => {
    const box = pad.getBoundingClientRect();
    const inside = (value) => Math.min(Math.max(value, 0), 1);
    return [inside((event.clientX - box.left) / box.width),
      inside((event.clientY - box.top) / box.height)];
  };
  let pointer = null;
  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary || pointer !== null) return;
    pointer = event.pointerId;
    pad.setPointerCapture(pointer);
    isDown = false;
    begin(pointOf(event));
    change(false);
  });
  pad.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    strokes.at(-1).push(...(moves.length ? moves : [event]).map(pointOf));
    change(false);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    pad.addEventListener(end, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      change(true);
    });
  }

  const showCursor = (isShown) => {
    cursor.style.display = isShown ? "" : "none";
    cursor.setAttribute("cx", x / STEPS);
    cursor.setAttribute("cy", y / STEPS);
    cursor.setAttribute("fill", isDown ? "#FFFFFF" : "#C65200");
  };
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  pad.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    const point = () => [x / STEPS, y / STEPS];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (move) {
      x = Math.min(Math.max(x + move[0], 1), STEPS - 1);
      y = Math.min(Math.max(y + move[1], 1), STEPS - 1);
      if (isDown) {
        strokes.at(-1).push(point());
        change(false);
      }
    } else if (event.key === " ") {
      isDown = !isDown;
      if (isDown) begin(point());
      change(!isDown);
    } else if (event.key === "Backspace" || event.key === "Delete") {
      replace(strokes.slice(0, -1));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    showCursor(true);
    spoken.textContent = `Pen ${isDown ? "down" : "up"}, column ${x} of ${STEPS}, row ${y}.`;
  });
  pad.addEventListener("blur", () => {
    if (isDown) {
      isDown = false;
      change(true);
    }
    showCursor(false);
  });
  pad.addEventListener("focus", () => {
    if (pad.matches(":focus-visible")) showCursor(true);
  });
  draw();
  return { node: pad, spoken, replace, show, get strokes() { return strokes; } };
}

export function checkbox(title, isChecked, update) {
  const label = element("label", "", "display: block; margin: 0.3rem 0;");
  const input = element("input", "", "min-width: 24px; min-height: 24px; vertical-align: middle;");
  Object.assign(input, { type: "checkbox", checked: isChecked });
  input.addEventListener("change", update);
  label.append(input, ` ${title}`);
  return { box: label, input };
}

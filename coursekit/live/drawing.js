// A square to draw on by mouse, finger, pen or keyboard, and small pictures of numbers.

const STEPS = 20; // places of the keyboard's cursor along a side

// A picture of side * side values from 0, black, to 1, white; or colourOf(value) as [r, g, b].
export function bitmap(width, words) {
  const node = element("canvas", "", `width: ${width}; max-width: 100%; aspect-ratio: 1;
    image-rendering: pixelated; display: block; border: 1px solid #80808080; box-sizing: border-box;`);
  node.setAttribute("role", "img");
  describe(node, words);
  const grey = (value) => [255 * value, 255 * value, 255 * value];
  const draw = (values, side, colourOf = grey) => {
    Object.assign(node, { width: side, height: side });
    const pixels = new ImageData(side, side);
    values.forEach((value, at) => pixels.data.set([...colourOf(value), 255], 4 * at));
    node.getContext("2d").putImageData(pixels, 0, 0);
  };
  return { node, draw };
}

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
  const replace = (others) => {
    [strokes, isExample, isDown] = [others, false, false];
    cursor.setAttribute("fill", "#C65200");
    change(true);
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
  return { node: pad, spoken, replace, get strokes() { return strokes; } };
}

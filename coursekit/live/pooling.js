// Pooling walks over a map and over the same map shifted: what stays, and what moves along?

const largest = (values) => Math.max(...values);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export function read(map, row, column, size, stride) {
  const rows = map.slice(row * stride, row * stride + size);
  return rows.flatMap((line) => line.slice(column * stride, column * stride + size));
}

// kind: "max" or "average". A window that does not fit is left out.
export function pool(map, kind, size, stride) {
  const fits = (length) => outputSize(length, size, { stride });
  const summary = kind === "max" ? largest : mean;
  return Array.from({ length: fits(map.length) }, (_, row) =>
    Array.from({ length: fits(map[0].length) }, (_, column) =>
      summary(read(map, row, column, size, stride))));
}

// Shift to the right; what leaves on the right enters on the left.
export const roll = (map, steps) => map.map((row) =>
  row.map((_, column) => row[(((column - steps) % row.length) + row.length) % row.length]));

// How many values of `after` equal those of `before`, moved along by `steps`?
export function agreeing(before, after, steps = 0) {
  const moved = roll(before, steps).flat();
  return after.flat().filter((value, i) => value === moved[i]).length;
}

// By how many steps the whole answer has moved along: 0 is invariant, another number
// equivariant, and null neither.
export function movedBy(before, after) {
  const all = after.flat().length;
  const steps = before[0].findIndex((_, column) => agreeing(before, after, column) === all);
  return steps < 0 ? null : steps;
}

const written = (value) => String(Number(value.toFixed(2)));
const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

function verdict(before, after, stride, shift) {
  const all = after.flat().length;
  const stay = `${agreeing(before, after)} of ${count(all, "value")} stay`;
  const moved = movedBy(before, after);
  if (shift === 0) return "Nothing is shifted yet.";
  if (moved === 0) return `${stay}: invariant to this shift.`;
  if (moved !== null) {
    return `${stay}: not invariant. All have moved along by ${count(moved, "step")}: equivariant.`;
  }
  if (shift % stride) {
    return `${stay}: not invariant. And a shift of ${count(shift, "pixel")} is not a whole number of `
      + `steps of ${stride}: not equivariant.`;
  }
  const along = shift / stride;
  return `${stay}: not invariant. Moved along by ${count(along, "step")}, `
    + `${agreeing(before, after, along)} agree, the others are at the border: `
    + "equivariant inside only.";
}

// data: {map: as many rows as columns, values 0 to 9}.
export function mount(stage, data) {
  const { map } = data;
  const n = map.length;
  const update = () => draw();
  const results = { max: "its maxima", average: "its averages" };
  const kind = select("pooling", [["max", "maximum"], ["average", "average"]], update);
  const sizes = [2, 3, 4, n].map((k) => [k, k === n ? "the whole map" : `${k} × ${k}`]);
  const size = select("window", sizes, () => {
    stride.input.value = size.input.value; // side by side, as in PyTorch, up to the slider's end
    draw();
  });
  const stride = slider("stride", { min: 1, max: 4, value: 2 }, update);
  const shift = slider("shift to the right", { min: 0, max: 4, value: 0 }, update);
  const place = { row: 0, column: 0 };
  const walk = walker("place of the window", place, update);
  const judged = message();
  const rows = [0, 1].map(() => {
    const [whole, pooled] = [grid(20), grid(32)];
    const boxes = [captioned("", whole.node), captioned("", pooled.node)];
    const box = element("div", "", "display: flex; flex-wrap: wrap; gap: 0 0.6rem;");
    box.append(...boxes);
    const name = (texts, ...widths) => boxes.forEach((part, i) => {
      part.firstChild.textContent = texts[i];
      part.style.flex = `0 1 ${widths[i]}px`; // wraps before it shrinks
    });
    return { box, whole, pooled, name };
  });

  const draw = () => {
    const [how, k, s] = [kind.input.value, Number(size.input.value), stride.value];
    const maps = [map, roll(map, shift.value)];
    const answers = maps.map((values) => pool(values, how, k, s));
    const [before, after] = answers;
    const out = before.length;
    walk.fit(out);
    const within = (at, start) => at >= start * s && at < start * s + k;
    const names = ["the map", `shifted by ${count(shift.value, "pixel")}`];
    const [now, then] = answers.map((answer) => written(answer[place.row][place.column]));
    rows.forEach(({ whole, pooled, name }, i) => {
      name([names[i], i ? "corner: changed" : results[how]], 20 * n + 6, 32 * out + 6);
      whole.draw(n, n, (row, column) => ({
        ...pixel(maps[i][row][column], 9),
        marked: within(row, place.row) && within(column, place.column),
      }), `The map, ${n} by ${n} values${i ? `, ${names[1]}` : ""}; outlined: the window.`);
      const changed = i ? `, ${out * out - agreeing(before, after)} of them changed` : "";
      pooled.draw(out, out, (row, column) => ({
        ...pixel(answers[i][row][column], 9, written(answers[i][row][column])),
        marked: row === place.row && column === place.column,
        corner: after[row][column] !== before[row][column] && i === 1,
      }), `Pooled, ${out} by ${out} values${changed}; outlined: ${[now, then][i]}.`);
    });
    const where = `row ${place.row + 1}, column ${place.column + 1}`;
    walk.say(`${where}: ${now}`, `${where}: ${now}, after the shift ${then}`);
    stride.say(String(s), `stride ${s}: ${out} by ${out} windows`);
    shift.say(count(shift.value, "pixel"));
    judged.textContent = verdict(before, after, s, shift.value);
  };
  const controls = [beside(kind.box, size.box), beside(stride.box, shift.box)];
  for (const part of controls.flatMap((line) => [...line.children])) part.style.flex = "1 1 8rem";
  stage.replaceChildren(...controls, walk.box, beside(...rows.map((row) => row.box)), judged);
  draw();
}

// Two maps of the same scans: walk over the points, compare their neighbours, run t-SNE yourself.

const LAST_STEP = 750;
const STRIDE = 5; // steps between two states that are kept
const SLICE = 12; // milliseconds of work between two frames
const SIDE = 300; // of a map, in its own units
const SHOWN = 5; // neighbours
const PERPLEXITIES = [2, 5, 15, 30, 60];
const DIGIT_COLORS = ["resnet", "vgg", "googlenet", "xception", "lenet"];
const capital = (text) => text[0].toUpperCase() + text.slice(1);

// Rows of `columns` numbers, stored as one signed byte each.
export function decodePoints(text, columns) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const values = new Int8Array(bytes.buffer);
  return Array.from({ length: values.length / columns }, (_, i) =>
    values.subarray(i * columns, (i + 1) * columns));
}

// The nearest point in the direction of an arrow, or `from` itself; y grows downwards.
export function neighbourTowards(places, from, [right, down]) {
  const ahead = places.map(([x, y]) => {
    const [dx, dy] = [x - places[from][0], y - places[from][1]];
    const along = dx * right + dy * down;
    const across = Math.abs(dx * down) + Math.abs(dy * right);
    return along > 0 && across <= along ? along ** 2 + across ** 2 : Infinity;
  });
  const least = Math.min(...ahead);
  return least < Infinity ? ahead.indexOf(least) : from;
}

// Points [x0, y0, ...] moved and scaled into the square of a map; above is where y is large.
function placesOf(points) {
  const axes = [0, 1].map((axis) => points.filter((_, k) => k % 2 === axis));
  const middle = axes.map((values) => (Math.max(...values) + Math.min(...values)) / 2);
  const reach = Math.max(...axes.map((values, axis) => Math.max(...values) - middle[axis])) || 1;
  const scale = (SIDE / 2 - 12) / reach;
  return Array.from(axes[0], (x, i) =>
    [SIDE / 2 + scale * (x - middle[0]), SIDE / 2 - scale * (axes[1][i] - middle[1])]);
}

// One map. choose(i) after a key or a pointer.
function mapView(targets, choose) {
  const node = picture(SIDE, SIDE);
  node.style.cssText += "border: 1px solid #80808080; touch-action: pan-y; cursor: crosshair; user-select: none;";
  node.setAttribute("role", "application");
  node.tabIndex = 0;
  const marks = svg("g");
  const digits = targets.map((digit) => svg("text", {
    "text-anchor": "middle", "font-size": 9, fill: color(DIGIT_COLORS[digit % DIGIT_COLORS.length]),
    "font-weight": digit < DIGIT_COLORS.length ? 400 : 700,
  }, String(digit)));
  node.append(marks, ...digits);
  let places = targets.map(() => [0, 0]);
  let chosen = 0;
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  node.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    choose(neighbourTowards(places, chosen, move));
  });
  const point = (event) => {
    const box = node.getBoundingClientRect();
    const at = [event.clientX - box.left, event.clientY - box.top].map((v) => (v * SIDE) / box.width);
    const far = places.map(([x, y]) => (x - at[0]) ** 2 + (y - at[1]) ** 2);
    choose(far.indexOf(Math.min(...far)));
  };
  node.addEventListener("pointermove", point);
  node.addEventListener("pointerdown", point);
  return {
    node,
    draw(points) {
      places = placesOf(points);
      digits.forEach((digit, i) => {
        digit.setAttribute("x", places[i][0].toFixed(1));
        digit.setAttribute("y", (places[i][1] + 3.2).toFixed(1));
      });
    },
    mark(index, squares, rings) {
      chosen = index;
      const at = (i) => ({ x: places[i][0], y: places[i][1] });
      const look = { fill: "none", "stroke-width": 2 };
      marks.replaceChildren(
        ...squares.map(at).map(({ x, y }) => svg("rect",
          { x: x - 8, y: y - 8, width: 16, height: 16, stroke: color("resnet"), ...look })),
        ...rings.map(at).map(({ x, y }) => svg("circle", { cx: x, cy: y, r: 11, stroke: color("vgg"), ...look })),
        svg("circle", { cx: at(index).x, cy: at(index).y, r: 7, fill: "currentColor", "fill-opacity": 0.25, stroke: "currentColor" }),
      );
    },
  };
}

// A run of t-SNE in two spaces at once: its states at every STRIDE steps.
function runOf(distances, n, perplexity, starts) {
  const walks = distances.map((squares, s) =>
    descent(jointProbabilities(neighbourProbabilities(squares, n, perplexity), n), starts[s]));
  const keep = () => walks.map(({ points }) => points.slice());
  const states = [keep()];
  return {
    states,
    advance() {
      for (let k = 0; k < STRIDE; k += 1) for (const walk of walks) walk.step();
      states.push(keep());
    },
  };
}

// data: {side, scans: [letters 0 to f], targets, perplexity, spaces: [{name, columns, points, start,
// map}]}; the last space is the right map, and one of the others the left one.
export function mount(stage, data) {
  const { targets, perplexity: recorded } = data;
  const n = targets.length;
  const spaces = data.spaces.map((space) => {
    const distances = squaredDistances(decodePoints(space.points, space.columns));
    return { ...space, distances, nearest: nearestOf(distances, n, SHOWN), map: space.map.flat() };
  });
  const pixels = data.scans.map((scan) => [...scan].map((letter) => parseInt(letter, 16) / 15));
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const END = LAST_STEP / STRIDE;
  let run = null; // none: the recorded maps are shown
  let [at, goal, isJump, isWaiting] = [0, 0, false, false]; // at and goal: states of the run
  const likes = spaces[0].nearest.map((list, i) => list.filter((j) => targets[j] === targets[i]).length);
  let chosen = likes.indexOf(Math.min(...likes)); // at first the scan in the most foreign company

  const left = select("left map", spaces.slice(0, -1).map(({ name }, i) => [i, name]), () => {
    if (run) begin(at);
    else draw();
  });
  const choices = [...new Set([...PERPLEXITIES.filter((k) => 3 * k < n), recorded])].sort((a, b) => a - b);
  const perplexity = select("perplexity", choices.map((k) => [k, k]), () => begin(END));
  perplexity.input.value = recorded;
  const start = select("starting from", [["pca", "PCA"], ["random", "random points"]], () => begin(END));
  const range = { min: 0, max: LAST_STEP, step: STRIDE, value: LAST_STEP };
  const step = slider("step of the descent", range, () => {
    const place = step.value / STRIDE;
    if (!run) begin(place);
    [goal, isJump] = [place, true];
    at = Math.min(goal, run.states.length - 1);
    draw();
  });
  const play = button("Play t-SNE", () => {
    if (!run || (at === goal && at === END)) return begin(END);
    [goal, isJump] = [at < goal ? at : END, isCalm];
    return draw();
  });
  const back = button("Back to the page's maps", () => {
    [run, at, goal] = [null, 0, 0];
    step.input.value = LAST_STEP;
    draw();
  });
  const begin = (place) => {
    const noise = () => 1e-4 * Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    const starts = shownSpaces().map((space) => (start.input.value === "pca" ? space.start
      : targets.map(() => [noise(), noise()])));
    run = runOf(shownSpaces().map(({ distances }) => distances), n, Number(perplexity.input.value), starts);
    [at, goal, isJump] = [0, place, isCalm];
    draw();
  };
  const shownSpaces = () => [spaces[Number(left.input.value)], spaces.at(-1)];
  const work = () => { // one state a frame; as many as there is time for, after a jump
    isWaiting = false;
    const until = performance.now() + SLICE;
    while (run && at < goal) {
      if (at + 1 === run.states.length) run.advance();
      at += 1;
      if (!isJump || performance.now() > until) break;
    }
    draw();
  };

  const views = [0, 1].map(() => mapView(targets, (i) => {
    chosen = i;
    draw();
  }));
  const [titles, drawn] = [[element("div"), element("div")], [null, null]];
  const [words, progress] = [message(), element("p", "", "margin: 0.3rem 0; min-height: 1.5em;")];
  const scan = bitmap("5rem");
  const rows = [element("div"), element("div")];
  const thumbnail = (i) => {
    const [one, cell] = [bitmap("2.6rem"), element("div", "", "text-align: center;")];
    one.draw(pixels[i], data.side);
    cell.append(one.node, String(targets[i]));
    return cell;
  };
  const drawMap = (view, side, space, isRunning) => {
    const points = run ? run.states[at][side] : space.map;
    if (points === drawn[side] || (isRunning && isCalm)) return;
    view.draw(points);
    drawn[side] = isRunning ? null : points;
    titles[side].textContent = capital(space.name);
    if (isRunning) return;
    const pairs = targets.map((_, i) => [points[2 * i], points[2 * i + 1]]);
    const score = neighbourAccuracy(nearestOf(squaredDistances(pairs), n, 10), targets);
    titles[side].textContent += `: neighbour accuracy ${score.toFixed(2)}`;
  };
  const draw = oncePerFrame(() => {
    const shown = shownSpaces();
    const isRunning = run !== null && at < goal;
    const lists = shown.map(({ nearest }) => nearest[chosen]);
    views.forEach((view, side) => {
      drawMap(view, side, shown[side], isRunning);
      view.mark(chosen, ...lists);
      describe(view.node, `Map of ${n} scans by ${shown[side].name}; chosen: scan ${chosen + 1}, digit `
        + `${targets[chosen]}. Arrow keys go to the nearest point on that side.`);
    });
    if (run && !(isRunning && isJump)) step.input.value = STRIDE * at;
    step.say(run ? `${STRIDE * at} of ${LAST_STEP}` : `the page's maps, perplexity ${recorded}`);
    play.textContent = isRunning ? "Pause" : "Play t-SNE";
    progress.textContent = run && STRIDE * at < PULL.steps
      ? `Until step ${PULL.steps}, neighbours are pulled together ${PULL.factor} times as hard.` : "";
    scan.draw(pixels[chosen], data.side);
    const digits = (list) => list.map((i) => targets[i]).join(", ");
    lists.forEach((list, side) => {
      const line = element("div", "", "display: flex; gap: 0.4rem;");
      line.append(...list.map(thumbnail));
      rows[side].replaceChildren(`${"□○"[side]} nearest by ${shown[side].name}`, line);
    });
    const both = lists[0].filter((i) => lists[1].includes(i)).length;
    words.textContent = `Scan ${chosen + 1}, digit ${targets[chosen]}. Nearest by ${shown[0].name}: `
      + `${digits(lists[0])}; by ${shown[1].name}: ${digits(lists[1])}. In both lists: ${both} of ${SHOWN}.`;
    if (isRunning && !isWaiting) {
      isWaiting = true;
      requestAnimationFrame(work);
    }
  });

  const row = (...nodes) => {
    const box = element("div", "", "display: flex; flex-wrap: wrap; align-items: center; gap: 0.3rem 1.2rem; margin: 0.3rem 0;");
    box.append(...nodes);
    return box;
  };
  const maps = views.map(({ node }, side) => {
    const box = element("div");
    box.append(titles[side], node);
    return box;
  });
  stage.replaceChildren(row(left.box, perplexity.box, start.box), row(play, back), step.box, progress,
    beside(...maps), words, row(scan.node, ...rows));
  draw();
}

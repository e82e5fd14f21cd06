// Draw a digit; the classifier of chapter 1 reads it: the nearest of ten mean images.

export function nearestMean(scan, means) {
  const logits = means.map((one) =>
    -one.reduce((sum, value, at) => sum + (value - scan[at]) ** 2, 0));
  return { logits, probs: softmax(logits) };
}

const SEVEN = [[[0.28, 0.24], [0.7, 0.22], [0.6, 0.45], [0.46, 0.82]], [[0.38, 0.52], [0.7, 0.5]]];

// data: {means: ten rows of 64 values, ink, centre: see asScan, parameters: of LeNet-5, counts: on
// test scans, of both readers, [right, of how many]}.
export function mount(stage, data) {
  const { means, parameters, counts } = data;
  const network = readNetwork(parameters);
  const pad = drawingPad((ended) => update(ended), SEVEN);
  const seen = bitmap("5rem", "Your digit as the scans are, of 8 by 8 pixels.");
  const answer = message();
  answer.style.cssText += "font-size: 1.2em; min-height: 1.6em;";
  const clear = button("Clear", () => {
    pad.replace([]);
    pad.node.focus();
  });

  const average = (digit) => {
    const picture = bitmap("1.75rem", `The average scan of the digit ${digit}.`);
    picture.draw(means[digit], 8);
    picture.node.style.minWidth = "1.75rem"; // else the column shrinks to its empty title
    return picture.node;
  };
  const bars = digitBars(["averages", "LeNet\u20115"], average);
  for (const { cells } of bars.node.tBodies[0].rows) cells[3].style.minWidth = "2rem"; // fits 320 pixels

  const draw = oncePerFrame(() => {
    const scan = asScan(pad.strokes, data);
    seen.draw(scan ?? new Float64Array(64), 8);
    const ink = scan && asMnist(paint(pad.strokes, 112, 0.07), 112);
    const probs = ink && nearestMean(scan, means).probs;
    const others = ink && softmax(forward(network, enlarge(ink, 28, 32)).logits);
    const best = bars.draw(probs, others);
    if (!isEnded) {
      quiet(answer);
      return;
    }
    answer.textContent = ink ? `Ten averages read ${withArticle(best[0])} (${percent(probs[best[0]])}), `
      + `LeNet-5 ${withArticle(best[1])} (${percent(others[best[1]])}).` : EMPTY;
  });
  let isEnded = true;
  const update = (ended) => {
    isEnded = ended;
    draw();
  };

  const tools = element("div", "", "display: flex; gap: 0.75rem; align-items: start; margin: 0.5rem 0;");
  clear.style.marginLeft = "auto";
  tools.append(seen.node, element("div", "what the averages see", "font-size: 0.85em;"), clear);
  const left = element("div");
  left.append(pad.node, pad.spoken, tools);
  const right = element("div");
  right.append(answer, bars.node);
  const columns = beside(left, right);
  left.style.maxWidth = "20rem";
  const [ours, theirs] = counts.map((pair) => pair.map((n) => n.toLocaleString("en")).join(" of "));
  const words = "Where do the two readers fail? Try a 1 with a long upstroke, a 4 with an open top, "
    + `a 2 that leans to the right. One knows ten average scans and takes the nearest: ${ours} `
    + `test scans right. The other is LeNet-5, a network of this course: ${theirs} right. Its scans `
    + "are those of MNIST, so the two scores cannot be compared.";
  const keys = "Draw with mouse, finger or pen. By keyboard: arrow keys move, space lowers and lifts "
    + "the pen, backspace undoes.";
  const below = [words, keys].map((text) => element("p", text, "font-size: 0.9em; margin: 0.5rem 0;"));
  stage.replaceChildren(columns, ...below);
  draw();
}

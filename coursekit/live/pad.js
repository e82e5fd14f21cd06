// Draw a digit; the classifier of chapter 1 reads it: the nearest of ten mean images.

export function nearestMean(scan, means) {
  const logits = means.map((one) =>
    -one.reduce((sum, value, at) => sum + (value - scan[at]) ** 2, 0));
  return { logits, probs: softmax(logits) };
}

const SEVEN = [[[0.28, 0.24], [0.7, 0.22], [0.6, 0.45], [0.46, 0.82]], [[0.38, 0.52], [0.7, 0.5]]];

// data: {means: ten rows of 64 values, ink, centre: see asScan, correct, total: on test scans}.
export function mount(stage, data) {
  const { means, correct, total } = data;
  const pad = drawingPad((ended) => update(ended), SEVEN);
  const seen = bitmap("5rem", "An empty scan.");
  const answer = message();
  answer.style.fontSize = "1.2em";
  const clear = button("Clear", () => {
    pad.replace([]);
    pad.node.focus();
  });

  const average = (digit) => {
    const picture = bitmap("1.75rem", `The average scan of the digit ${digit}.`);
    picture.draw(means[digit], 8);
    return picture.node;
  };
  const bars = digitBars({ title: "average", cell: average });

  const draw = oncePerFrame(() => {
    const scan = asScan(pad.strokes, data);
    const probs = scan && nearestMean(scan, means).probs;
    seen.draw(scan ?? new Float64Array(64), 8);
    describe(seen.node, scan ? "Your digit as a scan of 8 by 8 pixels: centred, as high as the "
      + "square, and as thick as the scans." : "An empty scan of 8 by 8 pixels.");
    const best = bars.draw(probs);
    if (!isEnded) return;
    answer.textContent = probs
      ? `It reads a ${best}, with probability ${percent(probs[best])}.`
      : "The pad is empty: draw a digit.";
  });
  let isEnded = true;
  const update = (ended) => {
    isEnded = ended;
    draw();
  };

  const tools = element("div", "", "display: flex; gap: 1rem; align-items: end; margin: 0.5rem 0;");
  const small = element("div", "", "font-size: 0.85em;");
  small.append(element("div", "what it compares"), seen.node);
  tools.append(small, clear);
  const left = element("div");
  left.append(pad.node, pad.spoken, tools);
  const right = element("div");
  right.append(answer, bars.node);
  const columns = beside(left, right);
  left.style.maxWidth = "20rem";
  const words = "This reader knows ten average scans and takes the nearest. It reads "
    + `${correct} of ${total} test scans right. Where does it fail? Draw with mouse, finger or `
    + "pen. By keyboard: arrow keys move, space lowers and lifts the pen, backspace undoes.";
  stage.replaceChildren(columns, element("p", words, "font-size: 0.9em; margin: 0.5rem 0;"));
  draw();
}

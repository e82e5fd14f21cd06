// Draw a digit; the classifier of chapter 1 reads it: the nearest of ten mean images.

export function nearestMean(scan, means) {
  const logits = means.map((one) =>
    -one.reduce((sum, value, at) => sum + (value - scan[at]) ** 2, 0));
  const most = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - most));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { logits, probs: weights.map((weight) => weight / total) };
}

const SEVEN = [[[0.28, 0.24], [0.7, 0.22], [0.6, 0.45], [0.46, 0.82]], [[0.38, 0.52], [0.7, 0.5]]];

// data: {means: ten rows of 64 values, ink, centre: see asScan, correct, total: on test scans}.
export function mount(stage, data) {
  const { means, correct, total } = data;
  const pad = drawingPad((ended) => update(ended), SEVEN);
  const seen = bitmap("5rem", "");
  const answer = message();
  answer.style.fontSize = "1.2em";
  const clear = button("Clear", () => {
    pad.replace([]);
    pad.node.focus();
  });

  const bars = table(["digit", "average", "probability", ""]);
  const rows = means.map((one, digit) => {
    const picture = bitmap("1.75rem", `The average scan of the digit ${digit}.`);
    picture.draw(one, 8);
    const bar = element("div", "", "height: 1.1em; min-width: 1px;");
    const cells = addRow(bars, String(digit), picture.node, "", bar);
    for (const cell of cells) cell.style.padding = "0.1rem 0.25rem";
    cells[2].style.textAlign = "right";
    cells[3].style.cssText += "width: 45%; min-width: 3.3rem;";
    return { name: cells[0], value: cells[2], bar };
  });

  const draw = oncePerFrame(() => {
    const scan = asScan(pad.strokes, data);
    const probs = scan && nearestMean(scan, means).probs;
    const best = probs ? probs.indexOf(Math.max(...probs)) : -1;
    seen.draw(scan ?? new Float64Array(64), 8);
    describe(seen.node, scan ? "Your digit as a scan of 8 by 8 pixels: centred, as high as the "
      + "square, and as thick as the scans." : "An empty scan of 8 by 8 pixels.");
    rows.forEach(({ name, value, bar }, digit) => {
      value.textContent = probs ? `${(100 * probs[digit]).toFixed(0)} %` : "";
      bar.style.width = `${100 * (probs?.[digit] ?? 0)}%`;
      bar.style.background = color(digit === best ? "vgg" : "lenet");
      name.style.fontWeight = digit === best ? "bold" : "normal";
    });
    if (!isEnded) return;
    answer.textContent = probs
      ? `It reads a ${best}, with probability ${(100 * probs[best]).toFixed(0)} %.`
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
  right.append(answer, bars);
  const columns = beside(left, right);
  left.style.maxWidth = "20rem";
  const words = "This reader knows ten average scans and takes the nearest. It reads "
    + `${correct} of ${total} test scans right. Where does it fail? Draw with mouse, finger or `
    + "pen. By keyboard: arrow keys move, space lowers and lifts the pen, backspace undoes.";
  stage.replaceChildren(columns, element("p", words, "font-size: 0.9em; margin: 0.5rem 0;"));
  draw();
}

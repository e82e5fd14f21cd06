// A quiz: one form for each question, graded here; answers are kept in this browser only.

// chosen: indices of choices. Explained are the choices made; of a question with several right
// ones that is not right yet, those wrongly chosen or missed.
export function grade(question, chosen) {
  const choices = question.choices.map((choice, i) => ({ ...choice, chosen: chosen.includes(i) }));
  const wrong = choices.filter((choice) => choice.chosen !== choice.right);
  const right = wrong.length === 0;
  const explained = question.several && !right ? wrong : choices.filter((c) => c.chosen);
  return { right, explained };
}

// Answers by question id; those to another text are forgotten. A browser may refuse to store.
export function recall(data) {
  const key = `dlv-quiz.${data.quiz}`;
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    // nothing to recall
  }
  const answers = new Map();
  for (const { id, hash } of data.questions) {
    const known = stored[id]?.hash === hash && Array.isArray(stored[id].chosen);
    if (known) answers.set(id, stored[id].chosen);
  }
  const keep = () => {
    const entries = data.questions
      .filter(({ id }) => answers.has(id))
      .map(({ id, hash }) => [id, { hash, chosen: answers.get(id) }]);
    try {
      localStorage.setItem(key, JSON.stringify(Object.fromEntries(entries)));
    } catch {
      // the quiz works without
    }
  };
  return { answers, keep };
}

function element(tag, style = "", ...children) {
  const node = document.createElement(tag);
  node.style.cssText = style;
  node.append(...children);
  return node;
}

// Plain text in which `code` stands between backticks.
const rich = (text) =>
  text.trim().split("`").map((part, i) => (i % 2 ? element("code", "", part) : part));

function button(text, type) {
  const node = element("button", "min-height: 2rem; padding: 0.25rem 0.8rem;", text);
  node.type = type;
  return node;
}

function verdictOf(question, chosen) {
  if (chosen.length === 0) return [element("p", "margin: 0;", "Choose an answer first.")];
  const { right, explained } = grade(question, chosen);
  const color = right ? "var(--dlv-tip, #00664a)" : "var(--dlv-warn, #8f3b00)";
  const sign = element("span", "", right ? "✓ " : "✗ ");
  sign.ariaHidden = "true";
  const word = element("strong", `color: ${color};`, sign, right ? "Right." : "Not yet.");
  const reasons = explained.map((choice) => {
    const lead = question.several ? [...rich(choice.text), element("span", "", ": ")] : [];
    if (question.several && !right) {
      lead.push(element("em", "", choice.right ? "missed. " : "does not belong here. "));
    }
    return element("p", "margin: 0.3rem 0 0;", ...lead, ...rich(choice.why));
  });
  const box = `border-left: 4px solid ${color}; padding: 0.3rem 0.8rem;`;
  return [element("div", box, word, ...reasons)];
}

function ask(question, number, recalled, changed) {
  const inputs = question.choices.map((_, i) => {
    const input = element("input", "flex: none; width: 1.5rem; height: 1.5rem; margin: 0;");
    const type = question.several ? "checkbox" : "radio";
    return Object.assign(input, { type, name: question.id, value: i });
  });
  const labels = question.choices.map((choice, i) => {
    const text = element("span", "", ...rich(choice.text));
    const style = "display: flex; gap: 0.6rem; padding: 0.25rem 0; cursor: pointer;";
    return element("label", style, inputs[i], text);
  });
  const legend = element(
    "legend",
    "float: none; width: auto; padding: 0; margin: 0 0 0.4rem; font-size: 1em; font-weight: 600;",
    `${number}. `,
    ...rich(question.question),
    ...(question.several ? [" Choose all that are right."] : []),
  );
  const fieldset = element("fieldset", "min-width: 0; border: 0; padding: 0; margin: 0;");
  fieldset.append(legend, ...labels);

  const again = button("Try again", "button");
  const verdict = element("div", "margin: 0.5rem 0 0;");
  verdict.setAttribute("role", "status");
  verdict.setAttribute("aria-live", "polite");
  const chosen = () => inputs.flatMap((input, i) => (input.checked ? [i] : []));
  const judge = () => {
    verdict.replaceChildren(...verdictOf(question, chosen()));
    again.hidden = chosen().length === 0;
  };
  const withdraw = () => {
    verdict.replaceChildren();
    again.hidden = true;
    changed([]);
  };
  const clear = () => {
    for (const input of inputs) input.checked = false;
    withdraw();
  };

  const buttons = element("div", "display: flex; flex-wrap: wrap; gap: 0.6rem;");
  buttons.style.marginTop = "0.4rem";
  buttons.append(button("Check", "submit"), again);
  // In a form of its own a question shares its radio buttons with no other figure.
  const form = element("form", "margin: 0 0 1.8rem;", fieldset, buttons, verdict);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    judge();
    changed(chosen());
  });
  form.addEventListener("change", withdraw); // a verdict speaks of the choice that was checked
  again.addEventListener("click", () => {
    clear();
    inputs[0].focus();
  });
  for (const i of recalled) if (inputs[i]) inputs[i].checked = true;
  again.hidden = true;
  if (recalled.length) judge();
  return { form, clear, focus: () => inputs[0].focus() };
}

// data: {quiz, questions: [{id, hash, question, several, choices: [{text, right, why}]}]}
export function mount(stage, data) {
  const { answers, keep } = recall(data);
  stage.style.cssText = "max-width: 44rem; padding: 0.5rem 0;";
  const progress = element("p", "margin: 0; font-weight: 600;");
  const reset = button("Start again", "button");
  const count = () => {
    const isRight = (question) => grade(question, answers.get(question.id) ?? []).right;
    const number = data.questions.filter(isRight).length;
    progress.textContent = `${number} of ${data.questions.length} right`;
    reset.hidden = answers.size === 0;
  };
  const asked = data.questions.map((question, i) =>
    ask(question, i + 1, answers.get(question.id) ?? [], (chosen) => {
      if (chosen.length) answers.set(question.id, chosen);
      else answers.delete(question.id);
      keep();
      count();
    }));
  reset.addEventListener("click", () => {
    for (const { clear } of asked) clear();
    asked[0].focus();
  });
  const foot = element("div", "display: flex; flex-wrap: wrap; align-items: center; gap: 1rem;");
  foot.append(progress, reset);
  stage.replaceChildren(...asked.map(({ form }) => form), foot);
  count();
}

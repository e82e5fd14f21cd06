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

// Whether `chosen` may be an answer: different indices of choices, one or more of them.
function isAnswer({ choices, several }, chosen) {
  return Array.isArray(chosen) && chosen.length > 0 && new Set(chosen).size === chosen.length
    && (several || chosen.length === 1) && chosen.every((i) => Number.isInteger(i) && choices[i]);
}

// Answers by question id; those to another text are forgotten. A browser may refuse to store.
// keep(id) stores the answer to one question and leaves the others as another tab stored them.
export function recall(data) {
  const key = `dlv-quiz.${data.quiz}`;
  const read = () => {
    const answers = new Map();
    try {
      const stored = JSON.parse(localStorage.getItem(key)) ?? {};
      for (const question of data.questions) {
        const { hash, chosen } = stored[question.id] ?? {};
        if (hash === question.hash && isAnswer(question, chosen)) answers.set(question.id, chosen);
      }
    } catch {
      // nothing to recall
    }
    return answers;
  };
  const answers = read();
  const keep = (changed) => {
    const stored = read();
    if (answers.has(changed)) stored.set(changed, answers.get(changed));
    else stored.delete(changed);
    const entries = data.questions
      .filter(({ id }) => stored.has(id))
      .map(({ id, hash }) => [id, { hash, chosen: stored.get(id) }]);
    try {
      localStorage.setItem(key, JSON.stringify(Object.fromEntries(entries)));
    } catch {
      // the quiz works without
    }
  };
  return { answers, keep };
}

// A node with children.
function holding(tag, style, ...children) {
  const node = element(tag, "", style);
  node.append(...children);
  return node;
}

// Plain text with `code` between backticks.
const rich = (text) =>
  text.split("`").map((part, i) => (i % 2 ? element("code", part) : part));

function verdictOn(question, chosen) {
  if (chosen.length === 0) return element("p", "Choose an answer first.", "margin: 0;");
  const { right, explained } = grade(question, chosen);
  const tone = right ? "var(--dlv-tip, #00664a)" : "var(--dlv-warn, #8f3b00)";
  const sign = element("span", right ? "✓ " : "✗ ");
  sign.ariaHidden = "true";
  const word = holding("strong", `color: ${tone};`, sign, right ? "Right." : "Not yet.");
  const reasons = explained.map((choice) => {
    const about = question.several ? ["“", ...rich(choice.text), "” "] : [];
    if (about.length) about.push(choice.right ? (right ? "belongs here. " : "is missing. ")
      : "does not belong here. ");
    return holding("p", "margin: 0.3rem 0 0;", ...about, ...rich(choice.why));
  });
  const box = `border-left: 4px solid ${tone}; padding: 0.1rem 0.8rem;`;
  return holding("div", box, word, ...reasons);
}

// One question; changed(chosen) hears which choices were checked, none when they are withdrawn.
function ask(question, number, recalled, changed) {
  const inputs = question.choices.map((_, i) => {
    const size = "flex: none; width: 1.5rem; height: 1.5rem; margin: 0;";
    const input = element("input", "", `${size} accent-color: var(--pst-color-primary, auto);`);
    const type = question.several ? "checkbox" : "radio";
    return Object.assign(input, { type, name: question.id, checked: recalled.includes(i) });
  });
  const labels = question.choices.map((choice, i) => {
    const style = "display: flex; gap: 0.6rem; padding: 0.25rem 0; cursor: pointer;";
    return holding("label", style, inputs[i], holding("span", "", ...rich(choice.text)));
  });
  const legend = holding(
    "legend",
    "float: none; width: auto; padding: 0; margin: 0 0 0.3rem; font-size: 1em; font-weight: 600;",
    `${number}. `,
    ...rich(question.question),
    question.several ? " Choose all that are right." : "",
  );
  const plain = "min-width: 0; border: 0; padding: 0; margin: 0;";
  const fieldset = holding("fieldset", plain, legend, ...labels);
  const verdict = element("div", "", "margin: 0.5rem 0 0;");
  verdict.setAttribute("role", "status");
  verdict.setAttribute("aria-live", "polite");

  const chosen = () => inputs.flatMap((input, i) => (input.checked ? [i] : []));
  const judge = () => {
    verdict.replaceChildren(verdictOn(question, chosen()));
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
  const again = button("Try again", () => {
    clear();
    inputs[0].focus();
  });
  again.hidden = true;
  const check = button("Check");
  check.type = "submit"; // so that Enter on a choice checks it
  const row = "display: flex; flex-wrap: wrap; gap: 0.6rem; margin-top: 0.4rem;";
  // In a form of its own a question shares its radio buttons with no other figure.
  const buttons = holding("div", row, check, again);
  const form = holding("form", "margin: 0 0 1.8rem;", fieldset, buttons, verdict);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    judge();
    changed(chosen());
  });
  form.addEventListener("change", withdraw); // a verdict speaks of the choice that was checked
  if (chosen().length) judge();
  return { form, clear, focus: () => inputs[0].focus() };
}

// data: {quiz, questions: [{id, hash, question, several, choices: [{text, right, why}]}]}
export function mount(stage, data) {
  const { answers, keep } = recall(data);
  stage.style.cssText = "max-width: 44rem; padding: 0.5rem 0;";
  const progress = element("p", "", "margin: 0; font-weight: 600;");
  const reset = button("Start again", () => {
    for (const { clear } of asked) clear();
    asked[0].focus();
  });
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
      keep(question.id);
      count();
    }));
  const row = "display: flex; flex-wrap: wrap; align-items: center; gap: 1rem;";
  const foot = holding("div", row, progress, reset);
  stage.replaceChildren(...asked.map(({ form }) => form), foot);
  count();
}

// Find the bug: a short program, what it prints, and four causes; then the exhibit that explains it.

// Plain text with `code` between backticks.
const rich = (text) =>
  text.split("`").map((part, i) => (i % 2 ? element("code", part) : part));

// tries: the choices made in each round, in order. Found at once: the first of them is right.
export function tally(rounds, tries) {
  const isRight = (r, choice) => rounds[r].choices[choice].right;
  return {
    solved: tries.filter((made, r) => made.some((choice) => isRight(r, choice))).length,
    atOnce: tries.filter((made, r) => made.length > 0 && isRight(r, made[0])).length,
  };
}

function block(text, words, look = "") {
  const node = element("pre", text, `margin: 0.3rem 0; padding: 0.5rem 0.8rem; white-space: pre-wrap;
    font-size: 0.85em; border: 1px solid #80808080; background: transparent; ${look}`);
  node.tabIndex = 0;
  node.setAttribute("role", "region");
  describe(node, words);
  return node;
}

// data: {rounds: [{code, printed, exhibit, link, question, choices: [{text, why, right}]}]}
export function mount(stage, data) {
  const { rounds } = data;
  let tries = rounds.map(() => []);
  let now = 0;
  stage.style.cssText = "max-width: 44rem; padding: 0.5rem 0;";
  const head = element("p", "", "margin: 0; font-weight: 600;");
  head.tabIndex = -1;
  const body = element("div");
  const verdict = element("div", "", "margin: 0.4rem 0; min-height: 3rem;");
  verdict.setAttribute("role", "status");

  const linkTo = ({ exhibit, link }) => {
    const node = element("a", exhibit, "color: var(--pst-color-link, #0072B2); text-decoration: underline;");
    node.href = link;
    return node;
  };
  const score = () => {
    const { solved, atOnce } = tally(rounds, tries);
    return `${solved} of ${rounds.length} found, ${atOnce} at the first try`;
  };
  const open = (index) => {
    now = index;
    verdict.replaceChildren();
    if (now === rounds.length) showEnd();
    else showRound(rounds[now]);
  };
  const showRound = (round) => {
    head.textContent = `Round ${now + 1} of ${rounds.length}. ${score()}.`;
    const buttons = round.choices.map((choice, i) => {
      const node = button("", () => answer(i));
      node.append(...rich(choice.text));
      node.style.cssText += "display: block; width: 100%; text-align: left; margin: 0.3rem 0;";
      return node;
    });
    const answer = (i) => {
      const { right, why } = round.choices[i];
      tries[now].push(i);
      buttons[i].disabled = true;
      buttons[i].prepend(right ? "✓ " : "✗ ");
      if (right) for (const node of buttons) node.disabled = true;
      const word = element("strong", right ? "Found. " : "Not that. ", `color: ${right ? "var(--dlv-tip, #00664a)" : "var(--dlv-warn, #8f3b00)"};`);
      const line = element("p", "", "margin: 0;");
      line.append(word, ...rich(why));
      verdict.replaceChildren(line);
      head.textContent = `Round ${now + 1} of ${rounds.length}. ${score()}.`;
      if (!right) {
        buttons.find((node) => !node.disabled).focus();
        return;
      }
      const last = now + 1 === rounds.length;
      const next = button(last ? "See the result" : "Next round", () => {
        open(now + 1);
        head.focus();
      });
      const onward = element("p", "", "display: flex; flex-wrap: wrap; align-items: center; gap: 1rem; margin: 0.5rem 0;");
      onward.append(next, linkTo(round));
      verdict.append(onward);
      next.focus();
    };
    body.replaceChildren(block(round.code, "the program"), "It prints",
      block(round.printed, "what it prints", "white-space: pre-wrap;"), element("p", round.question, "margin: 0.5rem 0 0.2rem; font-weight: 600;"),
      ...buttons);
  };
  const showEnd = () => {
    head.textContent = `All ${rounds.length} found, ${tally(rounds, tries).atOnce} at the first try.`;
    const missed = rounds.filter((round, r) => !round.choices[tries[r][0]].right);
    const list = element("ul");
    list.append(...missed.map((round) => {
      const item = element("li");
      item.append(linkTo(round));
      return item;
    }));
    const again = button("Play again", () => {
      tries = rounds.map(() => []);
      open(0);
      head.focus();
    });
    body.replaceChildren(missed.length ? "Exhibits to read first:" : "Then read the exhibits for their tests.", list, again);
  };
  stage.replaceChildren(head, body, verdict);
  open(0);
}

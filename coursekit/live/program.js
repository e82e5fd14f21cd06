// nn.Sequential(...) as text becomes a list of layers. Nothing is evaluated: a program is names,
// numbers, True, False, None, strings and tuples.

const MOST_LETTERS = 5000;
const MOST_NUMBER = 1e9;
const TOKEN = /\s+|#[^\n]*|(?:torch\.)?nn\.|[A-Za-z_]\w*|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|'[^'\n]*'|"[^"\n]*"|[(),=]/y;

// What is wrong with a program, in PyTorch's words if `kind` is the name of its exception.
export class ProgramError extends Error {
  constructor(message, { kind = "", line = 0, hint = "" } = {}) {
    super(message);
    Object.assign(this, { kind, line, hint });
  }
}

function tokenize(text) {
  if (text.length > MOST_LETTERS) {
    throw new ProgramError(`The program must have at most ${MOST_LETTERS} letters, got ${text.length}.`);
  }
  const tokens = [];
  let line = 1;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length;) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (!found) throw new ProgramError(`${JSON.stringify(text[at])} is not understood here.`, { line });
    line += found[0].split("\n").length - 1;
    if (!/^(\s|#)/.test(found[0]) && !found[0].endsWith("nn.")) tokens.push({ text: found[0], line });
  }
  return tokens;
}

const WORDS = { True: true, False: false, None: null };
const isName = (token) => /^[A-Za-z_]/.test(token?.text ?? "") && !(token.text in WORDS);

// Returns [{name, args, keywords: {name: value}, line}], nested Sequentials unfolded.
export function parseProgram(text) {
  const tokens = tokenize(text);
  let at = 0;
  const peek = (ahead = 0) => tokens[at + ahead];
  const fail = (expected) => {
    const { text: got, line } = peek() ?? { text: "the end", line: tokens.at(-1)?.line ?? 1 };
    throw new ProgramError(`${expected} expected, got ${got}.`, { line });
  };
  const take = (symbol) => (peek()?.text === symbol ? tokens[at++] : fail(symbol));
  const listUntil = (closing, item) => {
    for (let isFirst = true; peek()?.text !== closing; isFirst = false) {
      if (!isFirst) {
        if (peek()?.text !== ",") fail(`${closing} or ,`);
        at += 1;
        if (peek()?.text === closing) break;
      }
      item();
    }
    take(closing);
  };
  const value = () => {
    const token = peek();
    if (!token) fail("A value");
    if (token.text === "(") {
      take("(");
      const items = [];
      listUntil(")", () => items.push(value()));
      return items;
    }
    at += 1;
    if (token.text in WORDS) return WORDS[token.text];
    if (/^['"]/.test(token.text)) return token.text.slice(1, -1);
    const number = Number(token.text);
    if (Number.isNaN(number)) {
      at -= 1;
      fail("A number");
    }
    if (Math.abs(number) > MOST_NUMBER) {
      throw new ProgramError(`A number must be at most 1,000,000,000, got ${token.text}.`, token);
    }
    return number;
  };
  const calls = () => {
    if (!isName(peek())) fail("A layer");
    const { text: name, line } = tokens[at++];
    take("(");
    if (name === "Sequential") {
      const layers = [];
      listUntil(")", () => layers.push(...calls()));
      return layers;
    }
    const layer = { name, args: [], keywords: {}, line };
    listUntil(")", () => {
      if (isName(peek()) && peek(1)?.text === "=") {
        const key = tokens[at].text;
        at += 2;
        layer.keywords[key] = value();
      } else if (Object.keys(layer.keywords).length) {
        throw new ProgramError("positional argument follows keyword argument",
          { kind: "SyntaxError", line: peek().line });
      } else {
        layer.args.push(value());
      }
    });
    return [layer];
  };
  if (isName(peek()) && peek(1)?.text === "=") at += 2; // net = ...
  const layers = [];
  while (at < tokens.length) {
    layers.push(...calls());
    if (peek()?.text === ",") at += 1;
  }
  if (!layers.length) throw new ProgramError("The program must have a layer.");
  return layers;
}

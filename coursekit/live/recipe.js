// Two recipes side by side: what can be set, what a field may hold, and their way into a link.

const LINK = "#lab?";
const whole = (least, most) => ({
  rule: `a whole number from ${least.toLocaleString("en")} to ${most.toLocaleString("en")}`,
  holds: (x) => Number.isInteger(x) && x >= least && x <= most,
});
const oneOf = (names) => ({ options: names.map(String) });

// What A and B may differ in. total: images at hand.
export const settingsOf = (total) => [
  { key: "lr", title: "learning rate", rule: "a number above 0, 100 at most", holds: (x) => x > 0 && x <= 100 },
  { key: "momentum", title: "momentum", rule: "a number from 0 to below 1", holds: (x) => x >= 0 && x < 1 },
  { key: "batch", title: "batch size", ...whole(1, total) },
  { key: "width", title: "width (maps)", ...oneOf([2, 4, 8, 16]) },
  { key: "activation", title: "activation", ...oneOf(Object.keys(ACTIVATIONS)) },
  { key: "initialisation", title: "initialisation", ...oneOf(Object.keys(INITIALISATIONS)) },
  { key: "decay", title: "weight decay", rule: "a number from 0 to 10", holds: (x) => x >= 0 && x <= 10 },
  { key: "augmentation", title: "augmentation", ...oneOf(Object.keys(AUGMENTATIONS)) },
  { key: "images", title: "training images", ...whole(10, total) },
];

// What holds for both.
export const COMMON = [
  { key: "epochs", title: "epochs", ...whole(1, 30) },
  { key: "seed", title: "first seed", ...whole(0, 1_000_000) },
];

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// The value of a field; an error names the rule and the text.
export function readSetting({ title, rule, holds, options }, text, name = "") {
  const trimmed = text.trim();
  const value = options ? trimmed : NUMBER.test(trimmed) ? Number(trimmed) : NaN;
  if (options ? options.includes(trimmed) : holds(value)) return value;
  const expected = rule ?? `one of ${options.join(", ")}`;
  throw new RangeError(`${title}${name ? ` of ${name}` : ""} must be ${expected}, got ${trimmed || "nothing"}.`);
}

// texts: {key: [text of A, text of B]}, and {key: [text]} for what holds for both.
export const linkOf = (texts) => LINK + new URLSearchParams(
  Object.entries(texts).map(([key, values]) => [key, values.join("~")]));

// The texts that a link holds, as they are; null for another link.
export function readLink(hash) {
  if (!hash.startsWith(LINK)) return null;
  const entries = [...new URLSearchParams(hash.slice(LINK.length))];
  return Object.fromEntries(entries.map(([key, text]) => [key, text.split("~")]));
}

// In words, in how many settings two recipes differ.
export function differenceOf(settings, a, b) {
  const titles = settings.filter(({ key }) => a[key] !== b[key]).map(({ title }) => title);
  if (!titles.length) return "A and B are the same recipe: whatever lies between them is chance.";
  if (titles.length === 1) return `A and B differ in one setting: ${titles[0]}.`;
  return `A and B differ in ${titles.length} settings (${titles.join(", ")}): `
    + "a result would not say which of them made it.";
}

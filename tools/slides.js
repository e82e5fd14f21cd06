// Leads through a deck of slides: one of them is shown, scaled to the window. What has the class
// "after" waits for a step of its own. A live figure keeps its keys and clicks.

const main = document.querySelector("main"), slides = [...main.children];
let at = 0;
function fit(slide) {
  const box = slide.firstElementChild;
  for (let scale = 1; scale > 0.4; scale -= 0.05) {
    Object.assign(box.style, { width: `${1136 / scale}px`, height: `${624 / scale}px` });
    box.style.transform = `scale(${scale})`;
    if (box.scrollHeight <= box.clientHeight + 1 && box.scrollWidth <= box.clientWidth + 1) break;
  }
}
function show(number) {
  at = Math.max(0, Math.min(slides.length - 1, number || 0));
  slides.forEach((slide, i) => slide.classList.toggle("shown", i === at));
  fit(slides[at]);
  history.replaceState(null, "", `#${at + 1}`);
}
function forward() {
  const slide = slides[at], waits = slide.querySelector(".after");
  if (waits && !slide.classList.contains("answered")) slide.classList.add("answered");
  else show(at + 1);
}
function back() {
  if (slides[at].classList.contains("answered")) slides[at].classList.remove("answered");
  else show(at - 1);
}
function resize() {
  const scale = Math.min(innerWidth / 1280, innerHeight / 720);
  main.style.transform = `scale(${scale})`;
  main.style.left = `${(innerWidth - 1280 * scale) / 2}px`;
  main.style.top = `${(innerHeight - 720 * scale) / 2}px`;
}
const KEYS = { ArrowRight: forward, ArrowDown: forward, PageDown: forward, " ": forward,
  ArrowLeft: back, ArrowUp: back, PageUp: back, Home: () => show(0), End: () => show(1e9) };
addEventListener("keydown", (event) => {
  const isCommand = event.ctrlKey || event.metaKey || event.altKey;
  if (isCommand || event.target.closest(".dlv-live") || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
addEventListener("click", (event) => {
  if (!event.target.closest(".dlv-live")) event.clientX < innerWidth / 3 ? back() : forward();
});
addEventListener("resize", resize);
addEventListener("hashchange", () => show(location.hash.slice(1) - 1));
addEventListener("load", async () => {
  document.documentElement.classList.add("deck");
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  resize();
  slides.forEach(fit);
  show(location.hash.slice(1) - 1);
  document.documentElement.dataset.ready = "";
});

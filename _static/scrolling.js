// What is wider than the column scrolls in its own box: let the keyboard reach that box, and only then.
// An equation that is too wide gets its number below, and one that is a little too wide gets smaller.
const BOXES = "mjx-container[display='true'], .pst-scrollable-table-container, .bd-article pre";
const SMALLEST = 0.76; // of the size of an equation

function fitEquation(box) {
  const equation = box.closest("div.math");
  box.style.removeProperty("zoom");
  equation?.classList.remove("crowded");
  if (box.scrollWidth <= box.clientWidth) return;
  equation?.classList.toggle("crowded", equation.querySelector(".eqno") !== null);
  if (box.scrollWidth <= box.clientWidth) return;
  const share = (box.clientWidth - 8) / box.scrollWidth;
  if (share >= SMALLEST) box.style.zoom = share;
}

function markScrollingBoxes() {
  for (const box of document.querySelectorAll(BOXES)) {
    if (box.matches("mjx-container")) fitEquation(box);
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  markScrollingBoxes();
});
window.addEventListener("resize", markScrollingBoxes);

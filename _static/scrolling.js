// What is wider than the column scrolls in its own box: let the keyboard reach that box, and only then.
const BOXES = "mjx-container[display='true'], .pst-scrollable-table-container, .bd-article pre";

function markScrollingBoxes() {
  for (const box of document.querySelectorAll(BOXES)) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  markScrollingBoxes();
});
window.addEventListener("resize", markScrollingBoxes);

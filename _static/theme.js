// What the theme's buttons did from attributes; the page's policy lets only scripts do it.
const DOES = { print: () => window.print(), "full-screen": () => window.toggleFullScreen() };

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-does]");
  if (button) DOES[button.dataset.does]?.();
});

// From the disk a browser lets no page read another: the search then lists titles alone.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// The link "Skip to main content" moves the focus, so the main part must be able to take it.
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("main-content")?.setAttribute("tabindex", "-1");
});

// From the disk a browser lets no page read another: the search then lists titles alone.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// The entry of this page in the side bar is in sight, also on a low screen.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector(".parts [aria-current]")?.scrollIntoView({ block: "nearest" });
});

// Paper is light.
let shown = "";
addEventListener("beforeprint", () => {
  shown = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => { document.documentElement.dataset.theme = shown; });

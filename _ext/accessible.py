"""Roles, names and a place for the focus that the theme leaves out, added to every page."""

import re
from pathlib import Path

TITLE_BLOCK = re.compile(
    r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand)', re.DOTALL
)
MAIN = re.compile(r'<main id="main-content"(?![^>]*\stabindex=)')


def improve(html: str) -> str:
    """Return the page with what was missing; a second time changes nothing."""
    html = TITLE_BLOCK.sub(
        '<div class="sidebar-primary-item" role="region" aria-label="Title of the book">', html
    )
    return MAIN.sub('<main id="main-content" tabindex="-1"', html)  # where the skip link leads


def improve_site(app, error):
    """Rewrite the pages that need it."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        before = page.read_text(encoding="utf8")
        after = improve(before)
        if after != before:
            page.write_text(after, encoding="utf8")


def setup(app):
    """Connect the step."""
    app.connect("build-finished", improve_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

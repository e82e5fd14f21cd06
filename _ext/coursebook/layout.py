"""The parts of the book in the side bar, what the next page promises, and the forms of a page."""

import re
from functools import cache
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

from .pages import short_title

MARKS = re.compile(r"(?:^\w+ = \.\.\..*\n)*^ *### (?:BEGIN|END) SOLUTION\n?", re.MULTILINE)
COLUMNS = re.compile(r"^ |\S  ", re.MULTILINE)
BOXES = {"At a glance": "glance", "Correction": "correction", "Two corrections": "correction"}


def mark_forms(app: Sphinx, doctree: nodes.document) -> None:
    """Give a box, a paragraph that starts with “Predict”, and printed prose the class of its form.

    What a cell prints is prose if it has no columns; a phone wraps its lines.
    """
    for box in doctree.findall(nodes.admonition):
        title = box[0].astext()
        box["classes"] += [name for start, name in BOXES.items() if title.startswith(start)]
    for paragraph in doctree.findall(nodes.paragraph):
        first = next((child for child in paragraph if child.astext()), None)
        label = first.astext() if isinstance(first, nodes.strong | nodes.emphasis) else ""
        if label.startswith("Predict"):
            paragraph["classes"].append("predict")
    for block in doctree.findall(nodes.literal_block):
        if "output" in block["classes"] and not COLUMNS.search(block.astext()):
            block["classes"].append("prose")


class KeepPercentSigns(SphinxTransform):
    """Let no line begin with the percent sign of a number, or with the comma after a formula."""

    default_priority = 500

    def apply(self) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, nodes.FixedTextElement | nodes.literal | nodes.raw):
                kept = re.sub(r"(?:(?<=\d)|^)\s(?=%)", "\u00a0", text.astext())
                text.parent.replace(text, nodes.Text(kept))
        for math in list(self.document.findall(nodes.math)):
            line, place = math.parent, math.parent.index(math)
            text = line[place + 1] if place + 1 < len(line) else None
            if isinstance(text, nodes.Text) and (marks := re.match("[,.;:!?)]+", text)):
                joined = nodes.inline("", "", math, nodes.Text(marks[0]), classes=["joined"])
                line[place : place + 2] = [joined, nodes.Text(text[marks.end() :])]


def join_hidden_cells(app: Sphinx | None, doctree: nodes.document) -> None:
    """Give hidden code one line to unfold it.

    A hidden cell that shows nothing joins the hidden cell after it, and what is folded after an
    exercise is called its solution.
    """
    for cell in list(doctree.findall(nodes.container)):
        mode, section = cell.get("hide_mode"), cell.parent
        if mode == "all" and section[0].astext() == "Check yourself":
            cell["prompt_show"] = "Show the solution"
            cell["prompt_hide"] = "Hide the solution"
        after = section[section.index(cell) + 1 :][:1]
        if mode == "input" and len(cell) == 1 and after and after[0].get("hide_mode") == mode:
            after[0][0].insert(0, cell[0].children)
            section.remove(cell)


def drop_marks(app: Sphinx, doctree: nodes.document) -> None:
    """Show a solution without the marks that tools need, and without the dots it replaces."""
    if app.env.docname.startswith("solutions/"):
        for block in doctree.findall(nodes.literal_block):
            block.rawsource = MARKS.sub("", block.astext())
            block[:] = [nodes.Text(block.rawsource)]


def number_of(env: BuildEnvironment, page: str) -> str:
    """Return the number of a page with its point, "" for a page without one."""
    numbers = env.toc_secnumbers.get(page, {}).get("")
    return ".".join(map(str, numbers)) + ". " if numbers else ""


def number_figures(_: Sphinx | None, env: BuildEnvironment) -> None:
    """Let the figures and equations of a page without a number begin with 1.

    >>> from types import SimpleNamespace
    >>> found = {"a": {"figure": {"x": (7,), "y": (5,)}}}
    >>> number_figures(None, SimpleNamespace(toc_secnumbers={}, toc_fignumbers=found))
    >>> found
    {'a': {'figure': {'x': (2,), 'y': (1,)}}}
    """
    for page, kinds in env.toc_fignumbers.items():
        if not number_of(env, page):
            for numbers in kinds.values():
                ordered = sorted(numbers, key=numbers.__getitem__)
                numbers.update({name: (place,) for place, name in enumerate(ordered, 1)})


def shorten_references(_: Sphinx | None, env: BuildEnvironment) -> None:
    """Let a reference to a page show its title up to the colon, so that it fits a sentence.

    >>> from types import SimpleNamespace
    >>> standard = SimpleNamespace(labels={"x": ("a", "x", "Nets: how?"), "y": ("a", "y", "1: 2")})
    >>> titles = {"a": nodes.title("", "Nets: how?")}
    >>> shorten_references(None, SimpleNamespace(titles=titles, get_domain=lambda _: standard))
    >>> standard.labels
    {'x': ('a', 'x', 'Nets'), 'y': ('a', 'y', '1: 2')}
    """
    labels = env.get_domain("std").labels  # type: ignore[attr-defined]
    for label, (page, anchor, text) in labels.items():
        if page in env.titles and text == env.titles[page].astext():
            labels[label] = (page, anchor, text.partition(":")[0])


@cache
def parts(env: BuildEnvironment) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each part of _toc.yml with its pages and their short titles."""
    found = []
    for part in env.external_site_map.root.subtrees:  # type: ignore[attr-defined]
        pages = [str(page) for page in part.items if page in env.titles]
        titles = [number_of(env, p) + short_title(env.titles[p].astext()) for p in pages]
        found.append((part.caption or "", list(zip(pages, titles, strict=True))))
    return found


@cache
def promise(env: BuildEnvironment, page: str) -> str:
    """Return the first sentence of a page, "" if it does not begin with a paragraph."""
    section = next(env.get_doctree(page).findall(nodes.section), None)
    if section is None or len(section) < 2 or not isinstance(section[1], nodes.paragraph):
        return ""
    return re.split(r"(?<=[.?!])\s", " ".join(section[1].astext().split()))[0]


def add_context(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Give the templates the parts of the book, and what the next page promises."""
    context["book_parts"] = parts(app.env)
    relations = app.builder.relations  # type: ignore[attr-defined]
    if after := relations.get(pagename, [None])[-1]:
        context["next_promise"] = promise(app.env, after)


def setup(app: Sphinx) -> None:
    """Connect the steps."""
    app.add_transform(KeepPercentSigns)
    for step in (mark_forms, join_hidden_cells, drop_marks):
        app.connect("doctree-read", step)
    app.connect("html-page-context", add_context)
    app.connect("env-check-consistency", number_figures)
    app.connect("env-check-consistency", shorten_references)

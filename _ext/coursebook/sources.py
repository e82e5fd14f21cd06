"""The list of sources names, behind each of them, the pages that cite it."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from .pages import in_reading_order

PAGE = "references"
CITED = re.compile(r"\{footcite:[pt]\}`([^`]+)`")
KINDS = {"chapters": "", "chapters/training": "experiment ", "solutions": "solution "}


def short_name(page: str) -> str:
    """Return how the list calls a page.

    >>> short_name("chapters/17_case_study"), short_name("chapters/training/09_little_data")
    ('17', 'experiment 9')
    >>> short_name("chapters/bug_museum")
    'bug museum'
    """
    folder, _, name = page.rpartition("/")
    number, _, words = name.partition("_")
    if number.isdecimal() and folder in KINDS:
        return f"{KINDS[folder]}{int(number)}"
    return f"{number} {words}".strip().replace("_", " ")


def citing_pages(env: BuildEnvironment) -> dict[str, list[str]]:
    """Return for each key the pages that cite it, in reading order."""
    found = defaultdict(list)
    for page in in_reading_order(env, env.found_docs - {PAGE}):
        text = Path(env.doc2path(page)).read_text(encoding="utf8")
        keys = (key.strip() for match in CITED.findall(text) for key in match.split(","))
        for key in dict.fromkeys(keys):
            found[key].append(page)
    return found


def name_pages(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Add " Cited in 17, experiment 9." with a link to each page, when the list is written."""
    if docname != PAGE or app.builder.format != "html":
        return
    cited = citing_pages(app.env)
    domain: Any = app.env.get_domain("cite")
    for citation in domain.citations:
        entry = domain.bibliographies[citation.bibliography_key].citation_nodes[citation.key]
        for paragraph in entry.findall(nodes.paragraph):
            for number, page in enumerate(cited[citation.key]):
                name = nodes.inline("", short_name(page), classes=["doc"])
                paragraph += nodes.Text(", " if number else " Cited in ")
                paragraph += make_refnode(app.builder, docname, page, None, name)
            paragraph += nodes.Text("." if cited[citation.key] else "")


def setup(app: Sphinx) -> None:
    """Register the step."""
    app.connect("doctree-resolved", name_pages)

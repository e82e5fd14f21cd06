"""The list of sources names, behind each of them, the pages that cite it."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

from .tables import in_reading_order

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


class CitingPages(SphinxPostTransform):
    """Adds the links, once the list has been made and before links are resolved."""

    default_priority = 6

    def run(self, **_: Any) -> None:
        if self.env.docname != PAGE:
            return
        pages = citing_pages(self.env)
        domain: Any = self.env.get_domain("cite")
        for citation in domain.citations:
            entry = domain.bibliographies[citation.bibliography_key].citation_nodes[citation.key]
            for paragraph in entry.findall(nodes.paragraph):
                paragraph += self.links(pages[citation.key])

    def links(self, pages: list[str]) -> list[nodes.Node]:
        """Return " Cited in 17, experiment 9." with a link to each page."""
        parts: list[nodes.Node] = []
        for page in pages:
            parts.append(nodes.Text(", " if parts else " Cited in "))
            link = addnodes.pending_xref(
                "",
                nodes.inline("", short_name(page)),
                refdoc=PAGE,
                refdomain="std",
                reftype="doc",
                reftarget=f"/{page}",
                refexplicit=True,
                refwarn=True,
            )
            parts.append(link)
        return [*parts, nodes.Text(".")] if parts else []


def setup(app: Sphinx) -> None:
    """Register the step."""
    app.add_post_transform(CitingPages)

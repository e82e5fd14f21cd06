"""Links to the glossary, and the role {fr}`mot` for a word in French.

The first mention of a term in each chapter becomes a link that shows the first sentence of the
definition on hover. The notebooks stay plain text: no term needs to be marked. In return, the
glossary links to the section of a page that introduces the term.
"""

import posixpath
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any
from unicodedata import normalize

from docutils import nodes
from docutils.parsers.rst.roles import CustomRole, GenericRole
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

GLOSSARY = "chapters/glossary"
FRENCH = "language-fr"  # docutils writes this class as lang="fr", for screen readers
# Words that mean something else too often.
NOT_LINKED = {"block", "branch", "channel", "class", "confidence", "cost", "depth", "ensemble"}
NOT_LINKED |= {"head", "jump", "label", "layer", "nat", "power", "protocol", "seed", "stage"}
NOT_LINKED |= {"activation", "silhouette", "stem", "step", "width"}
CLOSING = {"check-yourself", "summary", "references"}  # sections that introduce nothing
CLOSED = (  # where no link may be, or none is wanted
    nodes.reference,
    nodes.literal,
    nodes.literal_block,
    nodes.title,
    nodes.caption,
    nodes.raw,
    nodes.math,
    nodes.math_block,
    nodes.footnote,
    nodes.table,
    addnodes.pending_xref,
)


def is_french(node: nodes.Node) -> bool:
    """Return whether a node is a word in French."""
    return isinstance(node, nodes.Element) and FRENCH in node["classes"]


@lru_cache(maxsize=1)
def definitions(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Return for each term its anchor and the first sentence of its definition."""
    found = {}
    for entry in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        for term in entry.findall(nodes.term):
            found[term.astext()] = (term["ids"][0], meaning(entry))
    return found


def meaning(entry: nodes.definition_list_item) -> str:
    """Return the first sentence of a definition, without the French word before it."""
    paragraph = next(entry.findall(nodes.paragraph))
    text = "".join(c.astext() for c in paragraph.children if not is_french(c))
    return re.split(r"(?<=\.)\s", " ".join(text.split()).lstrip("., "))[0]


def link_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the links into one page, when it is written."""
    if not docname.startswith("chapters/") or docname == GLOSSARY:
        return
    if GLOSSARY not in app.env.found_docs or app.builder.format != "html":
        return
    terms = definitions(app.env)
    left = {name: entry for name, entry in terms.items() if name not in NOT_LINKED}
    address = app.builder.get_relative_uri(docname, GLOSSARY)
    for text in list(doctree.findall(nodes.Text)):
        if is_open(text):
            text.parent.replace(text, with_links(str(text), terms, left, address))


def is_open(node: nodes.Node | None) -> bool:
    """Return whether a text is in a paragraph, and in nothing that must not hold links."""
    in_paragraph = False
    while node is not None:
        if isinstance(node, CLOSED):
            return False
        in_paragraph = in_paragraph or isinstance(node, nodes.paragraph)
        node = node.parent
    return in_paragraph


@lru_cache(maxsize=1)
def any_of(names: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern that finds each of these names, the longest first, and the names by lower case."""
    found = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w-])({found})(?:s|es)?(?![\w-])", re.I)
    return pattern, {name.lower(): name for name in names}


def with_links(text: str, names: Any, left: dict[str, Any], address: str) -> list[nodes.Node]:
    """Split a text at the terms in `left`, the ones still to be linked, and take them out of it.

    All `names` are searched, longest first, so that "batch" is not found in "batch normalisation",
    whether that is linked or not. A name with capitals must match exactly: a Mac is no MAC.
    """
    pattern, lower = any_of(tuple(names))
    parts: list[nodes.Node] = []
    end = 0
    for match in pattern.finditer(text):
        name = lower[match[1].lower()]
        if name not in left or (name != name.lower() and name not in match[1]):
            continue  # linked before, or another word
        anchor, title = left.pop(name)
        parts.append(nodes.Text(text[end : match.start()]))
        link = {"refuri": f"{address}#{anchor}", "reftitle": title, "classes": ["term-link"]}
        parts.append(nodes.reference("", match[0], internal=True, **link))
        end = match.end()
    return [*parts, nodes.Text(text[end:])]


def introduced_in(page: nodes.section, names: Iterable[str]) -> str:
    """Return the anchor of the section that introduces one of the names, "" if there is none.

    It sets the name in bold, or has it in its title, or in italics, or is the first to use it.
    The lead of a page does not count.
    """
    name = rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?:s|es)?(?![\w-])"
    sections = [s for s in page.findall(nodes.section) if s is not page]
    sections = [s for s in sections if s["ids"][0] not in CLOSING]
    for kind in (nodes.strong, nodes.title, nodes.emphasis, nodes.paragraph):
        whole = kind in (nodes.strong, nodes.emphasis)
        find = re.compile(name, re.I).fullmatch if whole else re.compile(name, re.I).search
        for section in sections:
            if any(find(node.astext()) for node in section.findall(kind)):
                return str(section["ids"][0])
    return ""


def link_sections(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Let each entry of the glossary lead to the section that introduces its term."""
    if docname != GLOSSARY or app.builder.format != "html":
        return
    tree_of = cache(app.env.get_doctree)
    for entry in doctree.findall(nodes.definition_list_item):
        names = [term.astext() for term in entry.findall(nodes.term)]
        for link in entry.findall(nodes.reference):
            address, _, anchor = link.get("refuri", "").partition("#")
            name = posixpath.join(posixpath.dirname(GLOSSARY), address)
            page = posixpath.normpath(name).removesuffix(".html")
            if address and page in app.env.found_docs:
                top = next(tree_of(page).findall(nodes.section))
                if anchor in top["ids"] and (found := introduced_in(top, names)):
                    link["refuri"] = f"{address}#{found}"


def list_french(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Fill the box `french-terms` of the glossary: French terms link to their entries."""
    if docname != GLOSSARY:
        return
    found = [
        (word.astext(), next(entry.findall(nodes.term))["ids"][0])
        for entry in doctree.findall(nodes.definition_list_item)
        for word in filter(is_french, entry.findall(nodes.emphasis))
    ]
    links = nodes.paragraph()
    for word, anchor in sorted(found, key=lambda pair: normalize("NFKD", pair[0]).lower()):
        links += nodes.reference("", word, refid=anchor, internal=True, classes=[FRENCH])
        links += nodes.Text(" · ")
    for box in doctree.findall(nodes.container):
        if "french-terms" in box["classes"]:
            box += nodes.paragraph("", "", *links.children[:-1])


def setup(app: Sphinx) -> None:
    """Register the role and connect the steps."""
    emphasis = GenericRole("fr", nodes.emphasis)
    app.add_role("fr", CustomRole("fr", emphasis, {"classes": [FRENCH]}))
    app.connect("doctree-resolved", link_terms)
    app.connect("doctree-resolved", link_sections)
    app.connect("doctree-resolved", list_french)

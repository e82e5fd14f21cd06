"""Link the first mention of a glossary term in each chapter to its entry.

The notebooks stay plain text: nobody has to mark a term, and on Colab none looks odd. The link
tells the first sentence of the definition when it is pointed at.
"""

import re

from docutils import nodes
from french import French
from sphinx import addnodes

GLOSSARY = "chapters/glossary"
# Words that mean something else too often.
PLAIN = {"block", "branch", "channel", "class", "confidence", "depth", "ensemble", "head", "label"}
PLAIN |= {"jump", "layer", "nat", "protocol", "seed", "stage", "stem"}
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


def definitions(app) -> dict[str, tuple[str, str]]:
    """Return for each term its anchor and the first sentence of its definition."""
    found = {}
    for entry in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        for term in entry.findall(nodes.term):
            if term["ids"]:
                found[term.astext()] = (term["ids"][0], meaning(entry))
    return found


def meaning(entry: nodes.definition_list_item) -> str:
    """Return the first sentence of a definition, without the French word before it."""
    paragraph = entry.next_node(nodes.paragraph)
    text = "".join(c.astext() for c in paragraph.children if not isinstance(c, French))
    return re.split(r"(?<=\.)\s", " ".join(text.split()).lstrip("., "))[0]


def link_terms(app, doctree, docname):
    """Put the links into one page."""
    if not docname.startswith("chapters/") or docname == GLOSSARY:
        return
    if GLOSSARY not in app.env.found_docs or app.builder.format != "html":
        return
    if not hasattr(app.env, "_dlv_terms"):
        app.env._dlv_terms = definitions(app)
    names = app.env._dlv_terms
    left = {name: where for name, where in names.items() if name not in PLAIN}
    address = app.builder.get_relative_uri(docname, GLOSSARY)
    for text in list(doctree.findall(nodes.Text)):
        if left and isinstance(text.parent, nodes.Element) and not _closed(text):
            parts = _with_links(str(text), names, left, address)
            if len(parts) > 1:
                text.parent.replace(text, parts)


def _closed(node) -> bool:
    in_paragraph = False
    while node is not None:
        if isinstance(node, CLOSED):
            return True
        in_paragraph = in_paragraph or isinstance(node, nodes.paragraph)
        node = node.parent
    return not in_paragraph


def _with_links(text: str, names, left: dict, address: str) -> list[nodes.Node]:
    """Split a text at the terms that are still to be linked.

    All names are looked for, longest first, so that no "batch" is found in "batch normalisation",
    whether that is linked or not. A name with capitals stands for itself only: a Mac is no MAC.
    """
    found = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w-])({found})(?:s|es)?(?![\w-])", re.I)
    lower = {name.lower(): name for name in names}
    parts, end = [], 0
    for match in pattern.finditer(text):
        name = lower[match[1].lower()]
        if name not in left or (name != name.lower() and name not in match[1]):
            continue  # linked before, or another word
        anchor, meaning = left.pop(name)
        parts.append(nodes.Text(text[end : match.start()]))
        link = nodes.reference("", match[0], refuri=f"{address}#{anchor}", internal=True)
        link["classes"].append("term-link")
        link["reftitle"] = meaning
        parts.append(link)
        end = match.end()
    return [*parts, nodes.Text(text[end:])]


def setup(app):
    """Connect the step."""
    app.connect("doctree-resolved", link_terms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

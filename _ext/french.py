"""The role {fr}`mot`: a French word, marked as French so that a screen reader says it well."""

from docutils import nodes
from sphinx.util.docutils import SphinxRole


class French(nodes.inline):
    """A word in French."""


class FrenchRole(SphinxRole):
    """Mark a word."""

    def run(self):
        """Return the node and no system message."""
        return [French(self.text, "", nodes.Text(self.text))], []


def visit_html(translator, node):
    """Open the element that says the language."""
    translator.body.append('<i lang="fr">')


def depart_html(translator, node):
    """Close it."""
    translator.body.append("</i>")


def setup(app):
    """Register the role and its node."""
    app.add_node(French, html=(visit_html, depart_html))
    app.add_role("fr", FrenchRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}

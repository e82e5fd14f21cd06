"""The role {claim}`id`: a number of the lecture, taken from claims.yml where it is proved."""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

LOG = logging.getLogger(__name__)
FILE = "claims.yml"


class ClaimNode(nodes.inline):
    """The value of a claim; in HTML its statement shows on hover."""


def read_claims(path: Path) -> dict[str, dict]:
    """Return the claims by id; a file that is not there holds none."""
    if not path.is_file():
        return {}
    return {claim["id"]: claim for claim in yaml.safe_load(path.read_text(encoding="utf8")) or []}


def shown(claim: dict, field: str = "value") -> str:
    """Return a field in the claim's format, and its unit after a no-break space."""
    value, form = claim[field], claim.get("format", "")
    if isinstance(value, str) and field != "value":  # what is right instead may be words
        return value
    text = format(value, form)
    return f"{text}\N{NO-BREAK SPACE}{claim['unit']}" if claim.get("unit") else text


def value_nodes(claim: dict, field: str = "value") -> list[nodes.Node]:
    """Return the text of a field; a claim with ``code: true`` shows its value as code."""
    text = shown(claim, field)
    if claim.get("code") and field == "value":
        return [nodes.literal(text, text)]
    return [nodes.Text(text)]


def classes_of(claim: dict) -> list[str]:
    """Return the classes of a value in HTML: a number stays on one line, words may break."""
    return ["claim", "words"] if isinstance(claim["value"], str) else ["claim"]


def anchor_of(identifier: str) -> str:
    """Return the name of the place where the page of a claim first shows it.

    >>> anchor_of("lenet.params.c1")
    'claim-lenet-params-c1'
    """
    return "claim-" + identifier.replace(".", "-").replace("_", "-")


class ClaimRole(SphinxRole):
    """Show the value behind an id; an id that is unknown or broken is a warning."""

    def run(self):
        """Return the nodes and no system message."""
        path = Path(self.env.srcdir) / FILE
        self.env.note_dependency(str(path))
        claim = read_claims(path).get(self.text)
        try:
            if claim is None:
                raise KeyError(f"is not in {FILE}")
            children = value_nodes(claim)
            node = ClaimNode(self.text, "", *children, statement=str(claim["statement"]))
            node["classes"] += classes_of(claim)
            if claim.get("shown_in") == self.env.docname:
                self.mark(node)
        except (KeyError, TypeError, ValueError) as error:
            reason = error.args[0] if claim is None else f"is broken in {FILE}: {error!r}"
            LOG.warning(
                f"page {self.env.docname}: the claim {self.text!r} {reason}",
                location=self.get_location(),
            )
            node = nodes.literal(self.text, self.text)
        return [node], []

    def mark(self, node: ClaimNode) -> None:
        """Let the page of all claims link to the first place that shows this one."""
        anchor = anchor_of(self.text)
        places = self.env.get_domain("std").anonlabels
        already = self.env.temp_data.setdefault("claims shown", set())
        if anchor not in already:
            already.add(anchor)
            node["ids"].append(anchor)
            places[anchor] = (self.env.docname, anchor)


def visit_html(translator, node):
    """Open the span that holds the value."""
    translator.body.append(translator.starttag(node, "span", "", title=node["statement"]))


def depart_html(translator, node):
    """Close it."""
    translator.body.append("</span>")


def setup(app):
    """Register the role and its node."""
    app.add_node(ClaimNode, html=(visit_html, depart_html))
    app.add_role("claim", ClaimRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The role {claim}`id`: a number of the lecture, taken from claims.yml where it is proved."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from .pages import depend_on

LOG = logging.getLogger(__name__)
FILE = "claims.yml"
Claim = dict[str, Any]


class ClaimNode(nodes.inline):
    """The value of a claim; in HTML its statement shows on hover."""


@cache
def find_claims(root: Path) -> dict[str, Claim]:
    """Return the claims of a book by id; the file, which may be missing, is parsed once."""
    path = root / FILE
    text = path.read_text(encoding="utf8") if path.is_file() else ""
    claims = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {claim["id"]: claim for claim in claims or []}


def read_claims(env: BuildEnvironment) -> dict[str, Claim]:
    """Return the claims of a book by id, and let the current page depend on the file."""
    depend_on(env, [Path(env.srcdir) / FILE])
    return find_claims(Path(env.srcdir))


def format_claim(claim: Claim, field: str = "value") -> str:
    """Return a field in the claim's format, its unit, and of what is right how it was measured.

    >>> format_claim({"value": 83.6, "correct": 81.8, "protocol": "ten crops"}, "correct")
    '81.8 (ten crops)'
    """
    value = claim[field]
    if isinstance(value, str) and field != "value":  # a correction may be words
        return value
    text = format(value, claim.get("format", ""))
    text += f"\N{NO-BREAK SPACE}{claim['unit']}" if claim.get("unit") else ""
    return f"{text} ({claim['protocol']})" if field == "correct" and "protocol" in claim else text


def value_node(claim: Claim) -> nodes.Node:
    """Return the value as text, or as code for a claim with ``code: true``."""
    text = format_claim(claim)
    return nodes.literal(text, text) if claim.get("code") else nodes.Text(text)


def anchor_of(identifier: str, prefix: str = "claim") -> str:
    """Return the anchor of the first mention of a claim on its page."""
    return nodes.make_id(f"{prefix}-{identifier}")


def add_anchor(env: BuildEnvironment, node: nodes.Element, anchor: str) -> None:
    """Let other pages link to a node of the current page."""
    node["ids"].append(anchor)
    env.get_domain("std").anonlabels[anchor] = (env.docname, anchor)  # type: ignore[attr-defined]


class ClaimRole(SphinxRole):
    """Show the value behind an id; an id that is unknown or broken is a warning."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        claim = read_claims(self.env).get(self.text, {})
        try:
            node = ClaimNode(self.text, "", value_node(claim), statement=str(claim["statement"]))
        except (KeyError, TypeError, ValueError) as error:
            reason = f"is broken in {FILE}: {error!r}" if claim else f"is not in {FILE}"
            problem = f"page {self.env.docname}: the claim {self.text!r} {reason}"
            LOG.warning(problem, location=self.get_location())
            return [nodes.literal(self.text, self.text)], []
        # A number stays on one line, words may break.
        node["classes"] += ["claim", "words"] if isinstance(claim["value"], str) else ["claim"]
        marked = self.env.temp_data.setdefault("claims with an anchor", set())
        if claim.get("shown_in") == self.env.docname and self.text not in marked:
            marked.add(self.text)
            add_anchor(self.env, node, anchor_of(self.text))
        return [node], []


def visit_html(translator: Any, node: ClaimNode) -> None:
    """Write the start tag."""
    translator.body.append(translator.starttag(node, "span", "", title=node["statement"]))


def setup(app: Sphinx) -> None:
    """Register the role and its node."""
    app.add_node(
        ClaimNode, html=(visit_html, lambda translator, _: translator.body.append("</span>"))
    )
    app.add_role("claim", ClaimRole())

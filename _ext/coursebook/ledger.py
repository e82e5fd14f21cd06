"""Two directives that list claims.yml: `claims`, every claim, and `corrections`, the mistakes."""

import re
import statistics
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_refnode

from .claims import Claim, add_anchor, anchor_of, format_claim, read_claims, value_node
from .pages import depend_on, in_reading_order, title_of
from .tables import RECORDS, list_table, read_groups

KINDS = {
    "computed": "A test evaluates the expression and compares it with the value, to the last "
    "digit.",
    "cited": "The value is in the source, at the place that is named. No test opens the source.",
    "recorded": "The value is the lecture's. What our recorded runs gave is beside it.",
    "corrected": "What the lecture states, and what is right.",
}
STYLE = "Style, not mistakes"  # the title under which nothing is wrong
PAGE_OF = itemgetter("shown_in")


def plain(text: object) -> str:
    """Return Markdown that shows the text as it is."""
    return re.sub(r"([\\`*_{}\[\]<>$#])", r"\\\1", str(text))


def code(text: str) -> str:
    """Return Markdown that shows the text as code."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


class ShownRole(SphinxRole):
    """{shown}`id`: the value of a claim as a link to where its page first shows it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        claim = read_claims(self.env)[self.text]
        content = value_node(claim)
        link = addnodes.pending_xref(
            "",
            content if isinstance(content, nodes.literal) else nodes.inline("", "", content),
            refdoc=self.env.docname,
            refdomain="",  # so that link_to_page resolves it, and keeps code as code
            reftype="shown",
            reftarget=anchor_of(self.text),
            refexplicit=True,
            refwarn=True,
            page=claim["shown_in"],
        )
        return [link], []


def link_to_page(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Link to where a page shows a claim, or to the top of one that does not by its role."""
    if node.get("page") not in env.found_docs:
        return None
    anchors = env.get_domain("std").anonlabels  # type: ignore[attr-defined]
    _, anchor = anchors.get(node["reftarget"], ("", ""))
    return make_refnode(app.builder, node["refdoc"], node["page"], anchor, content)


class LedgerDirective(SphinxDirective):
    """What both directives share."""

    def claims(self) -> list[Claim]:
        """Return all claims in the reading order of their pages."""
        claims = list(read_claims(self.env).values())
        order = in_reading_order(self.env, map(PAGE_OF, claims))
        return sorted(claims, key=lambda claim: order.index(PAGE_OF(claim)))

    def section(self, page: str, content: list[nodes.Node]) -> nodes.section:
        """Return what belongs to a page, below its title."""
        title = nodes.title("", title_of(Path(self.env.srcdir), page))
        ids = [nodes.make_id(f"{self.name}-{page}")]
        return nodes.section("", title, *content, ids=ids, names=[])


class ClaimsDirective(LedgerDirective):
    """Every claim: a count of each kind, then one table for each page of the book."""

    def run(self) -> list[nodes.Node]:
        claims = self.claims()
        counts = Counter(claim["kind"] for claim in claims)
        rows = [[kind, str(counts[kind]), meaning] for kind, meaning in KINDS.items()]
        rows.append(["all", str(len(claims)), "The numbers and statements that follow."])
        kinds = list_table(["Kind", "Entries", "Where the value comes from"], rows)
        result = self.parse_text_to_nodes(kinds)
        header = ["Value", "Statement and slide", "Where the value comes from"]
        for page, of_page in groupby(claims, PAGE_OF):
            table = list_table(header, map(self.row, of_page), "claims")
            content = self.parse_text_to_nodes(f"Shown in {{doc}}`/{page}`\n\n{table}")
            result.append(self.section(page, content))
        return result

    def row(self, claim: Claim) -> list[str]:
        """Return the cells of one claim: value, statement with slide, origin."""
        statement = f"{claim['statement']}\n\nSlide: {plain(claim['lecture'])}"
        return [f"{{shown}}`{claim['id']}`", statement, self.origin(claim)]

    def origin(self, claim: Claim) -> str:
        """Return where the value of a claim comes from, in words and code."""
        kind, expression = claim["kind"], claim.get("expression")
        if kind == "computed":
            return f"**Computed:** {code(expression)}"
        if kind == "cited":
            key, _, place = claim["source"].partition(",")
            text = f"**Cited:** {{footcite:t}}`{key.strip()}`" + (f",{place}" if place else "")
        elif kind == "corrected":
            anchor = anchor_of(claim["id"], "correction")
            text = f"**Corrected:** {format_claim(claim, 'correct')} {{ref}}`(why) <{anchor}>`"
        else:
            text = f"{self.recorded(claim)}\n\n{code(claim['measure'])}"
        return f"{text}\n\n{code(expression)}" if expression else text

    def recorded(self, claim: Claim) -> str:
        """Return what our runs gave, and whether the lecture's value lies among them."""
        value, form = claim["value"], claim.get("format", "")
        if isinstance(value, str):
            return f"**Recorded** in our runs of `{claim['results']}`."
        paths = sorted((Path(self.env.srcdir) / RECORDS / claim["results"]).glob("*.json"))
        depend_on(self.env, paths)
        runs = [record for group in read_groups(paths) for record in group]
        measured = [eval(claim["measure"], {"record": run}) for run in runs]  # from our own file
        low, mean, high = min(measured), statistics.mean(measured), max(measured)
        text = f"**Recorded:** ours is {mean:{form}} on average over {len(runs)} runs, "
        text += f"{low:{form}} to {high:{form}}."
        if low <= value <= high:
            return text
        side = "below" if value < low else "above"
        return f"{text} **Not reproduced:** the lecture's value lies {side} all of ours."


def group_of(claim: Claim) -> str:
    """Return the title under which a correction is listed, empty for that of its page."""
    return str(claim.get("group", "Smaller ones" if claim.get("minor") else ""))


class CorrectionsDirective(LedgerDirective):
    """Each claim that is corrected: what the slide has, what it should be, and why.

    Those with a `group` share the section of that title, and so do those marked `minor`, which
    are on no page. Those marked `first` are also listed on top. One that `joins` another is part
    of its entry.
    """

    def run(self) -> list[nodes.Node]:
        corrected = [claim for claim in self.claims() if claim["kind"] == "corrected"]
        claims = [claim for claim in corrected if "joins" not in claim]
        first = [self.line(claim) for claim in claims if claim.get("first")]
        lead = "If you change only a few slides, change these:\n\n" if first else ""
        result = self.parse_text_to_nodes(lead + "\n".join(first))
        for page, of_page in groupby([c for c in claims if not group_of(c)], PAGE_OF):
            result.append(self.section(page, self.entries(of_page)))
        groups = sorted(filter(group_of, claims), key=group_of)
        for title, group in groupby(groups, group_of):
            heading = nodes.title("", title)
            ids = [nodes.make_id(title)]
            result.append(nodes.section("", heading, *self.entries(group), ids=ids))
        return result

    def line(self, claim: Claim) -> str:
        """Return a correction in one line, which begins with the slide as a link to it."""
        link = f"{{ref}}`{claim['lecture']} <{anchor_of(claim['id'], 'correction')}>`"
        return f"- {link}: {claim['statement']} Should be: {format_claim(claim, 'correct')}."

    def shown(self, claim: Claim) -> str:
        """Return what the slide has, as a link to its place in the book."""
        role = "claim" if claim.get("minor") else "shown"
        shown = f"{{{role}}}`{claim['id']}`"
        if isinstance(claim["value"], str) and not (claim.get("code") or claim.get("described")):
            return f"\N{LEFT DOUBLE QUOTATION MARK}{shown}\N{RIGHT DOUBLE QUOTATION MARK}"
        return shown

    def entries(self, claims: Iterable[Claim]) -> list[nodes.Node]:
        """Return the corrections as a list."""
        return [nodes.definition_list("", *map(self.entry, claims), classes=["corrections"])]

    def entry(self, claim: Claim) -> nodes.definition_list_item:
        """Return one correction, with those that join it."""
        (statement,) = self.parse_text_to_nodes(claim["statement"])
        term = nodes.term("", "", *statement.children)
        together = [claim, *(c for c in self.claims() if c.get("joins") == claim["id"])]
        for one in together:
            add_anchor(self.env, term, anchor_of(one["id"], "correction"))
        label = "Better" if group_of(claim) == STYLE or claim.get("choice") else "Should be"
        right = dict.fromkeys(format_claim(one, "correct") for one in together)
        slides = dict.fromkeys(f"*{plain(one['lecture'])}*" for one in together)
        lines = [
            f"**The slide has:** {', '.join(map(self.shown, together))} ({', '.join(slides)})",
            f"**{label}:** {', '.join(right)}",
            f"**Why:** {claim['why']}",
        ]
        body = nodes.definition("", *self.parse_text_to_nodes("\n\n".join(lines)))
        return nodes.definition_list_item("", term, body)


def setup(app: Sphinx) -> None:
    """Register the directives and the role."""
    app.add_directive("claims", ClaimsDirective)
    app.add_directive("corrections", CorrectionsDirective)
    app.add_role("shown", ShownRole())
    app.connect("missing-reference", link_to_page)

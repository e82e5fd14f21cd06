"""Two directives that show claims.yml: `claims`, every claim, and `corrections`, the slips."""

from collections import Counter
from pathlib import Path

import claims as role
from docutils import nodes
from page_parts import in_reading_order, link, section, table, title_of, words
from sphinx.util.docutils import SphinxDirective

KINDS = {
    "computed": "An expression gives the value again, to the last digit. A value one unit off "
    "fails a test.",
    "cited": "The value stands in the source that is named, at the place that is named.",
    "recorded": "The value is the lecture's. The mean of our recorded runs must lie in a band.",
    "corrected": "The lecture says one thing, and another is right.",
}


def number(value: float) -> str:
    """Return a bound of a band as it was written."""
    return f"{value:g}"


class LedgerDirective(SphinxDirective):
    """What both directives share."""

    def claims(self) -> dict[str, dict]:
        """Read the claims; the page is made again when they change."""
        path = Path(self.env.srcdir) / role.FILE
        self.env.note_dependency(str(path))
        return role.read_claims(path)

    def parsed(self, text: str) -> list[nodes.Node]:
        """Return Markdown as blocks."""
        return self.parse_text_to_nodes(text)

    def led_by(self, label: str, blocks: list[nodes.Node]) -> list[nodes.Node]:
        """Put a bold label before the first block."""
        blocks[0].insert(0, nodes.Text(" "))
        blocks[0].insert(0, nodes.strong(label, label))
        return blocks

    def place(self, claim: dict, *content: nodes.Node) -> nodes.Node:
        """Return a link to where the page of a claim shows it."""
        return link(self.env, claim["shown_in"], *content, anchor=role.anchor_of(claim["id"]))

    def by_page(self, claims: list[dict], prefix: str) -> list[tuple[nodes.section, list[dict]]]:
        """Return one section for each page, in reading order, and the claims of the page."""
        pages = in_reading_order(claim["shown_in"] for claim in claims)
        found = []
        for page in pages:
            identifier = f"{prefix}-{page.replace('/', '-').replace('_', '-')}"
            part = section(nodes.Text(title_of(Path(self.env.srcdir), page)), identifier)
            found.append((part, [claim for claim in claims if claim["shown_in"] == page]))
        return found


class ClaimsDirective(LedgerDirective):
    """Every claim: a count of each kind, then one table for each page of the book."""

    def run(self):
        """Return the tables."""
        claims = list(self.claims().values())
        counts = Counter(claim["kind"] for claim in claims)
        rows = [[kind, str(counts[kind]), meaning] for kind, meaning in KINDS.items()]
        rows.append(["all", str(len(claims)), "Every one is shown by a page of the book."])
        kinds = [[[words(cell)] for cell in row] for row in rows]
        result = [table(["Kind", "Claims", "What keeps it true"], kinds)]
        for part, of_page in self.by_page(claims, "claims"):
            part += nodes.paragraph("", "", nodes.Text("Shown in "), self.page(of_page[0]))
            header = ["Value", "What the lecture says", "What keeps it true"]
            part += table(header, [self.row(claim) for claim in of_page], "claims")
            result.append(part)
        return result

    def page(self, claim: dict) -> nodes.Node:
        """Return a link to the page that shows a claim."""
        return link(self.env, claim["shown_in"])

    def row(self, claim: dict) -> list[list[nodes.Node]]:
        """Return the cells of one claim."""
        slide = nodes.paragraph("", "", nodes.Text("Slide: "), classes=["claim-slide"])
        slide += nodes.Text(str(claim["lecture"]))
        value = self.place(claim, *role.value_nodes(claim))
        return [
            [nodes.paragraph("", "", value)],
            [*self.parsed(claim["statement"]), slide],
            self.proof(claim),
        ]

    def proof(self, claim: dict) -> list[nodes.Node]:
        """Say in words and code what keeps a claim true."""
        kind = claim["kind"]
        if kind == "cited":
            key, _, place = claim["source"].partition(",")
            source = f"{{footcite:t}}`{key.strip()}`" + (f",{place}" if place else "")
            blocks = self.led_by("Cited:", self.parsed(source))
        elif kind == "corrected":
            blocks = self.led_by("Corrected:", self.parsed(role.shown(claim, "correct")))
            blocks[-1] += [nodes.Text(" "), self.reason(claim)]
        elif kind == "recorded":
            low, high = map(number, claim["band"])
            said = f"the mean over the runs in {claim['results']} lies between {low} and {high}."
            blocks = [*self.led_by("Recorded:", [words(said)]), self.code(claim["measure"])]
        else:
            blocks = self.led_by("Computed:", [nodes.paragraph()])
        if "expression" in claim:
            expression = claim["expression"]
            if kind == "computed":
                blocks[0] += nodes.literal(expression, expression, classes=["claim-code"])
            else:
                blocks.append(self.code(expression))
        return blocks

    def reason(self, claim: dict) -> nodes.Node:
        """Return a link to why a value is corrected."""
        anchor = role.anchor_of(claim["id"]).replace("claim-", "correction-", 1)
        name = nodes.Text("(why)")
        return link(self.env, "chapters/corrections", name, anchor=anchor)

    def code(self, text: str) -> nodes.paragraph:
        """Return an expression."""
        return nodes.paragraph("", "", nodes.literal(text, text, classes=["claim-code"]))


class CorrectionsDirective(LedgerDirective):
    """Each claim that is corrected: what the lecture says, what is right, why, and where."""

    def run(self):
        """Return one section for each page of the book."""
        claims = [claim for claim in self.claims().values() if claim["kind"] == "corrected"]
        result = []
        for part, of_page in self.by_page(claims, "corrections"):
            entries = nodes.definition_list(classes=["corrections"])
            for claim in of_page:
                entries += self.entry(claim)
            part += entries
            result.append(part)
        return result

    def entry(self, claim: dict) -> nodes.definition_list_item:
        """Return one correction."""
        quoted = nodes.inline("", "", *role.value_nodes(claim), classes=role.classes_of(claim))
        says = nodes.paragraph("", "", quoted, nodes.Text(" (slide "))
        says += [nodes.emphasis("", str(claim["lecture"])), nodes.Text(")")]
        shown = nodes.paragraph("", "", self.place(claim, nodes.Text("In the book")))
        blocks = [
            *self.led_by("The lecture has:", [says]),
            *self.led_by("Right is:", self.parsed(role.shown(claim, "correct"))),
            *self.led_by("Why:", self.parsed(claim["why"])),
            shown,
        ]
        (statement,) = self.parsed(claim["statement"])
        term = nodes.term("", "", *statement.children)
        anchor = role.anchor_of(claim["id"]).replace("claim-", "correction-", 1)
        self.env.get_domain("std").anonlabels[anchor] = (self.env.docname, anchor)
        term["ids"].append(anchor)
        return nodes.definition_list_item("", term, nodes.definition("", *blocks))


def link_to_page(app, env, node, content):
    """Lead to the top of its page where the place of a claim is not marked."""
    if node.get("page") is None or node["reftype"] != "ref":
        return None
    uri = app.builder.get_relative_uri(node["refdoc"], node["page"])
    return nodes.reference("", "", content, internal=True, refuri=uri)


def setup(app):
    """Register the directives."""
    app.add_directive("claims", ClaimsDirective)
    app.add_directive("corrections", CorrectionsDirective)
    app.connect("missing-reference", link_to_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

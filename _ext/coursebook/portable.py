"""Every page that is a notebook, also as one that any Jupyter shows, in _build/notebooks.

Jupyter knows no roles and no directives. So claims become their values, references and citations
become links to the published book, boxes become quotations, and captions become text. Code and
stored outputs stay as they are. The download button of a page gives this notebook too.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.nodes import split_explicit_title

from .claims import find_claims, format_claim

LOG = logging.getLogger(__name__)
BRANCH = "notebooks"  # where they are published, and Colab finds them
ROLE = re.compile(r"\{([a-z:]+)\}`([^`]+)`")
LABEL = re.compile(r"^\([\w-]+\)=\n", re.MULTILINE)
EQUATION = re.compile(r"\s*\$\$ \((eq-[\w-]+)\)")
DIRECTIVE = re.compile(r"\{([\w-]+)\} *(.*)")
MARKDOWN = MarkdownIt().use(colon_fence_plugin)
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}


class Page:
    """Resolves the Markdown of one page."""

    def __init__(self, app: Sphinx) -> None:
        self.app, self.cited = app, dict[str, str]()
        self.standard: Any = app.env.get_domain("std")
        self.math: Any = app.env.get_domain("math")
        self.claims = find_claims(Path(app.srcdir))
        self.roles: dict[str, Callable[[str], str]] = {
            "claim": self.claim,
            "eq": self.equation,
            "footcite:p": lambda keys: f"({self.citations(keys, ', ')})",
            "footcite:t": lambda keys: self.citations(keys, " "),
            "fr": lambda word: f"*{word}*",
            "numref": self.number,
            "ref": self.reference,
            "term": self.term,
        }

    def link(self, text: str, page: str, anchor: str) -> str:
        return f"[{text}]({self.app.config.html_baseurl}{page}.html#{anchor})"

    def claim(self, identifier: str) -> str:
        claim = self.claims[identifier]
        return f"`{claim['value']}`" if claim.get("code") else format_claim(claim)

    def reference(self, target: str) -> str:
        explicit, text, label = split_explicit_title(target)
        page, anchor, title = self.standard.labels[label]
        return self.link(text if explicit else title, page, anchor)

    def number(self, target: str) -> str:
        explicit, text, label = split_explicit_title(target)
        page, anchor = self.standard.anonlabels[label]
        kinds = self.app.env.toc_fignumbers[page]
        kind = next(kind for kind in ("figure", "table") if anchor in kinds.get(kind, {}))
        form = text if explicit else self.app.config.numfig_format[kind]
        return self.link(form % ".".join(map(str, kinds[kind][anchor])), page, anchor)

    def find_equation(self, label: str) -> tuple[str, str, str]:
        """Return number, page and anchor of an equation."""
        page, anchor = self.math.equations[label][0], nodes.make_id(f"equation-{label}")
        numbers = self.app.env.toc_fignumbers[page]["displaymath"][anchor]
        return ".".join(map(str, numbers)), page, anchor

    def equation(self, label: str) -> str:
        number, *place = self.find_equation(label)
        return self.link(f"({number})", *place)

    def term(self, target: str) -> str:
        _, text, term = split_explicit_title(target)
        return self.link(text, *self.standard.objects["term", term])

    def citations(self, keys: str, before_year: str) -> str:
        entries = self.app.env.get_domain("cite").bibdata.data.entries  # type: ignore[attr-defined]
        found = []
        for key in map(str.strip, keys.split(",")):
            fields, authors = entries[key].fields, entries[key].persons["author"]
            names = [" ".join(person.prelast_names + person.last_names) for person in authors]
            who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
            who = re.sub(r"[{}\\\"']", "", who)
            year = f" ({fields['year']})" if before_year == " " else f", {fields['year']}"
            doi = f"https://doi.org/{fields['doi']}" if "doi" in fields else ""
            preprint = f"https://arxiv.org/abs/{fields['eprint']}" if "eprint" in fields else ""
            url = fields.get("url") or doi or preprint
            found.append(f"[{who}{year}]({url})" if url else f"{who}{year}")
            title = re.sub(r"[{}]", "", fields["title"])
            title += "" if title.endswith("?") else "."
            self.cited[key] = f"- {who} ({fields['year']}). {title} {url}".rstrip()
        return "; ".join(found)

    def resolve(self, text: str) -> str:
        """Return a text with every role and directive resolved."""
        text = LABEL.sub("", text)
        text = EQUATION.sub(lambda m: f" \\tag{{{self.find_equation(m[1])[0]}}}\n$$", text)
        lines, out, done = text.split("\n"), list[str](), 0
        fences = [token for token in MARKDOWN.parse(text) if token.type.endswith("fence")]
        for token in fences:
            start, end = token.map or (0, 0)
            out += self.prose(lines[done:start])
            if found := DIRECTIVE.fullmatch(token.info.strip()):
                body = token.content.removesuffix("\n").split("\n")
                out += self.directive(found[1], found[2], body)
            else:  # a block of code
                out += lines[start:end]
            done = end
        return "\n".join(out + self.prose(lines[done:]))

    def prose(self, lines: list[str]) -> list[str]:
        return [ROLE.sub(self.role, "\n".join(lines))] if lines else []

    def role(self, match: re.Match[str]) -> str:
        try:
            return self.roles[match[1]](match[2])
        except (KeyError, StopIteration) as error:
            raise ValueError(f"cannot resolve {match[0]}: {error!r}") from error

    def directive(self, name: str, title: str, body: list[str]) -> list[str]:
        options = dict[str, str]()
        while body and (option := re.fullmatch(r":([\w-]+):\s*(.*)", body[0])):
            options[option[1]] = option[2]
            body = body[1:]
        text = self.resolve("\n".join(body)).strip("\n").split("\n")
        if name == "admonition":
            return ["", *(f"> {line}".rstrip() for line in [f"**{title}**", "", *text]), ""]
        if name == "dropdown":
            return [f"<details><summary>{title}</summary>", "", *text, "", "</details>"]
        if name == "footbibliography":
            return list(self.cited.values())
        if name == "figure":
            image = f"{self.app.config.html_baseurl}_images/{Path(title).name}"
            return [f"![{options.get('alt', '')}]({image})", "", *self.caption(options, text)]
        raise ValueError(f"cannot resolve the directive {name}")

    def caption(self, options: dict[str, str], text: list[str]) -> list[str]:
        number = self.number(options["name"]) if "name" in options else ""
        return [f"**{number}.** {text[0]}" if number else text[0], *text[1:]]

    def notebook(self, path: Path) -> nbformat.NotebookNode:
        """Return the notebook in which every text cell is resolved and each figure has a caption.

        Raises:
            ValueError: if a role or a directive is unknown, or its target is.
        """
        notebook = nbformat.read(path, as_version=4)
        cells = list[nbformat.NotebookNode]()
        for cell in notebook.cells:
            cells.append(cell)
            if cell.cell_type == "markdown":
                cell.source = self.resolve(cell.source)
                continue
            if FOLDED & set(cell.metadata.get("tags", [])):
                cell.metadata["jupyter"] = {"source_hidden": True}
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            if "caption" in figure:
                source = "\n".join(self.caption(figure, [self.resolve(figure["caption"].strip())]))
                caption = nbformat.v4.new_markdown_cell(source, id=f"caption-{cell.id}"[:64])
                cells.append(caption)
        notebook.cells = cells
        return notebook


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the notebooks after a build, and put them behind the download buttons."""
    if error or app.builder.format != "html":
        return
    target, sources = Path(app.outdir).parent / "notebooks", Path(app.outdir) / "_sources"
    shutil.rmtree(target, ignore_errors=True)
    for name in sorted(app.env.found_docs):
        path = Path(app.srcdir) / f"{name}.ipynb"
        if not path.is_file():
            continue
        try:
            notebook = Page(app).notebook(path)
        except ValueError as problem:
            LOG.warning(f"page {name}, as a notebook for Jupyter: {problem}")
            continue
        copy = target / f"{name}.ipynb"
        copy.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, copy)
        if (button := sources / f"{name}.ipynb").is_file():
            shutil.copy(copy, button)


def lead_to_branch(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Let the buttons for Colab open the published notebook, not its source."""
    branch = app.config.html_theme_options.get("repository_branch") or "master"
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if "colab" in button.get("url", ""):
                button["url"] = button["url"].replace(f"/blob/{branch}/", f"/blob/{BRANCH}/")


def setup(app: Sphinx) -> None:
    """Connect the steps; the theme has made its buttons by then."""
    app.connect("build-finished", write)
    app.connect("html-page-context", lead_to_branch, priority=900)

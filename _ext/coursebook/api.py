"""The reference of a package, made from its docstrings, and the links to it.

Elsewhere a name in code, such as `metrics.top_k_accuracy`, becomes a link to its entry, and a page
ends with links to what its cells use.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode


def public_modules(name: str) -> Iterator[str]:
    """Yield a module and those below it, private ones left out.

    Below an ``__all__`` there is nothing more: it names what is public of a whole package.
    """
    module = importlib.import_module(name)
    yield name
    if not hasattr(module, "__all__"):
        for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
            if not found.name.startswith("_"):
                yield from public_modules(f"{name}.{found.name}")


class ApiDirective(SphinxDirective):
    """One section for each public module of the packages that the content names."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        text = ""
        for module in (name for package in self.content for name in public_modules(package)):
            self.env.note_dependency(importlib.import_module(module).__file__ or "")
            text += (
                f"## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n\n"
            )
        return self.parse_text_to_nodes(text, allow_section_headings=True)


@cache
def place_of(env: BuildEnvironment, name: str) -> tuple[str, str] | None:
    """Return page and anchor of the entry of a dotted name; None if none or several end so."""
    domain = env.get_domain("py")
    found = domain.find_obj(env, "", "", name, None, searchmode=1)  # type: ignore[attr-defined]
    if "." not in name or len(found) != 1:
        return None
    ((_, entry),) = found
    return entry.docname, entry.node_id


def used_names(code: str) -> set[str]:
    """Return the dotted names in code, and what it imports from a module.

    A name that is all of a string is the name of something else.

    >>> sorted(used_names("from dlvlib.models.lenet import LeNet5\\nnet = data.load(LeNet5())"))
    ['data.load', 'dlvlib.models.lenet', 'dlvlib.models.lenet.LeNet5']
    >>> sorted(used_names("from torch import (\\n    nn,\\n)"))
    ['torch.nn']
    >>> used_names('print(hint("metrics.cross_entropy"))')
    set()
    """
    code = re.sub(r'"[\w.]+"', '""', code)
    names = set(re.findall(r"\b[A-Za-z]\w*(?:\.\w+)+", code))
    imports = re.findall(r"^from (\S+) import (\([^)]*\)|.+)$", code, re.MULTILINE)
    for module, imported in imports:
        found = (name.split() for name in imported.strip("()").split(","))
        names |= {f"{module}.{words[0]}" for words in found if words}  # none after a last comma
    return names


def link_names(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link names in code to their entries, when a page is written."""
    if app.builder.format != "html":
        return

    def link(place: tuple[str, str], literal: nodes.literal) -> nodes.reference:
        return make_refnode(app.builder, docname, *place, literal)

    for literal in list(doctree.findall(nodes.literal)):
        place = place_of(app.env, literal.astext().removesuffix("()"))
        if place and place[0] != docname and not isinstance(literal.parent, nodes.reference):
            literal.parent.replace(literal, link(place, literal.deepcopy()))
    blocks = doctree.findall(nodes.literal_block)
    code = "\n".join(b.astext() for b in blocks if "python" in b.get("language", ""))
    places = ((place_of(app.env, name), name) for name in sorted(used_names(code)))
    used = {place: name for place, name in places if place and place[0] != docname}
    if used and (section := next(doctree.findall(nodes.section), None)) is not None:
        line = nodes.paragraph("", "From the library: ", classes=["uses"])
        for number, (place, name) in enumerate(used.items()):
            line += [nodes.Text(", " if number else ""), link(place, nodes.literal(name, name))]
        section += line


def setup(app: Sphinx) -> None:
    """Register the directive, what reads docstrings, and the links."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.add_directive("api", ApiDirective)
    app.connect("doctree-resolved", link_names)

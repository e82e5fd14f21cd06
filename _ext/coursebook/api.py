"""The reference of a package, made from its docstrings, and the links to it.

Elsewhere a name in code, such as `metrics.top_k_accuracy`, becomes a link to its entry, and a page
ends with links to what its cells use.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective


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


def as_rst(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Let `x` in a docstring be code, and a bar be a bar."""
    for number, line in enumerate(lines):
        parts = re.split(r"(``.+?``|:\w+:`[^`]+`|`[^`]+`)", line)
        parts[0::2] = [part.replace("|", r"\|") for part in parts[0::2]]
        parts[1::2] = [re.sub(r"^`([^`]+)`$", r"``\1``", part) for part in parts[1::2]]
        lines[number] = "".join(parts)


def endings(name: str) -> list[str]:
    """Return the ways to write a name in short.

    >>> endings("dlvlib.metrics.top_k")
    ['dlvlib.metrics.top_k', 'metrics.top_k']
    """
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts) - 1)]


@lru_cache(maxsize=1)
def entries(env: BuildEnvironment) -> dict[str, tuple[str, str] | None]:
    """Return page and anchor of each name of the reference, None for one with two meanings."""
    found: dict[str, tuple[str, str] | None] = {}
    for name, entry in env.get_domain("py").objects.items():  # type: ignore[attr-defined]
        for short in endings(name):
            found[short] = None if short in found else (entry.docname, entry.node_id)
    return found


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
    known = entries(app.env)

    def link_to(place: tuple[str, str], content: nodes.literal) -> nodes.reference:
        address = f"{app.builder.get_relative_uri(docname, place[0])}#{place[1]}"
        return nodes.reference("", "", content, refuri=address, internal=True)

    for literal in list(doctree.findall(nodes.literal)):
        place = known.get(literal.astext().removesuffix("()"))
        if place and place[0] != docname and not isinstance(literal.parent, nodes.reference):
            literal.parent.replace(literal, link_to(place, literal.deepcopy()))
    blocks = doctree.findall(nodes.literal_block)
    code = "\n".join(b.astext() for b in blocks if "python" in b.get("language", ""))
    used = {name: place for name in sorted(used_names(code)) if (place := known.get(name))}
    short = {place: name for name, place in used.items() if place[0] != docname}
    if short and (section := next(doctree.findall(nodes.section), None)) is not None:
        line = nodes.paragraph("", "From the library: ", classes=["uses"])
        for number, (place, name) in enumerate(short.items()):
            line += [nodes.Text(", " if number else ""), link_to(place, nodes.literal(name, name))]
        section += line


def configure(app: Sphinx, config: Config) -> None:
    """Read the sections of our docstrings; what other libraries define gets no link."""
    config.napoleon_custom_sections = [("Shape", "params_style")]
    config.autodoc_typehints_format = "short"
    config.html_domain_indices = False  # the page has all
    config.nitpick_ignore_regex = [("py:.*", ".*")]


def setup(app: Sphinx) -> None:
    """Register the directive, what reads docstrings, and the links."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.add_directive("api", ApiDirective)
    app.connect("config-inited", configure)
    app.connect("autodoc-process-docstring", as_rst, priority=900)
    app.connect("doctree-resolved", link_names)

"""A page without code cells shows a live figure by the directive `live`.

Its argument names a module of coursekit.live whose ``figure()`` returns the figure.
"""

from importlib import import_module

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from coursekit import live


class LiveDirective(SphinxDirective):
    """Show a live figure; one that is unknown stops the build."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        known = sorted(path.stem for path in live.FOLDER.glob("[!_]*.py"))
        if name not in known:
            raise self.error(f"live must be one of {', '.join(known)}, got {name!r}")
        figure = import_module(f"coursekit.live.{name}").figure()
        return [nodes.raw("", figure.html, format="html")]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("live", LiveDirective)

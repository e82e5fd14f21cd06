"""Live figures and quizzes of coursekit on a page.

A page without code cells names them in the directives `live` (a module of coursekit.live whose
``figure()`` returns the figure) and `quiz`. A notebook calls ``quiz.show``; its output is made
again here, so that a changed quiz needs no new execution.
"""

import re
from importlib import import_module

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from coursekit import live, quiz

from .pages import depend_on

NAME = re.compile(r'data-live="quiz".*?"quiz": "(\w+)"', re.DOTALL)


def render_live(env: BuildEnvironment, name: str) -> str:
    """Return the HTML of a live figure.

    Raises:
        ValueError: if no figure has this name.
    """
    known = sorted(path.stem for path in live.FOLDER.glob("[!_]*.py"))
    if name not in known:
        raise ValueError(f"live must be one of {', '.join(known)}, got {name!r}")
    return str(import_module(f"coursekit.live.{name}").figure().html)


def render_quiz(env: BuildEnvironment, name: str) -> str:
    """Return the HTML of a quiz, on which the current page now depends; errors of `quiz.show`."""
    depend_on(env, [quiz.FOLDER / f"{name}.yml", *live.FOLDER.glob("*.*")])
    return quiz.show(name).html


RENDER = {"live": render_live, "quiz": render_quiz}


class ShowDirective(SphinxDirective):
    """Show a live figure or a quiz; one that is unknown or broken stops the build."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        try:
            html = RENDER[self.name](self.env, self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from None
        return [nodes.raw("", html, format="html")]


def renew_quizzes(app: Sphinx, doctree: nodes.document) -> None:
    """Replace the quizzes in the outputs of a notebook."""
    for node in doctree.findall(nodes.raw):
        if found := NAME.search(node.astext()):
            node.children = [nodes.Text(render_quiz(app.env, found[1]))]


def setup(app: Sphinx) -> None:
    """Register the directives and the step."""
    for name in RENDER:
        app.add_directive(name, ShowDirective)
    app.connect("doctree-read", renew_quizzes)

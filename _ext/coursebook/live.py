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
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from coursekit import live, quiz

NAME = re.compile(r'data-live="quiz".*?"quiz": "(\w+)"', re.DOTALL)


def render_quiz(env: BuildEnvironment, name: str) -> str:
    """Return the HTML of a quiz, on which the current page now depends; errors of `quiz.show`."""
    for path in (quiz.FOLDER / f"{name}.yml", *live.FOLDER.glob("*.*")):
        env.note_dependency(str(path))
    return quiz.show(name).html


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


class QuizDirective(SphinxDirective):
    """Show a quiz; one that is unknown or broken stops the build."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        try:
            return [nodes.raw("", render_quiz(self.env, self.arguments[0]), format="html")]
        except ValueError as error:
            raise self.error(str(error)) from None


class RenewQuizzes(SphinxTransform):
    """Replace the quizzes in the outputs of a notebook."""

    default_priority = 500

    def apply(self) -> None:
        for node in self.document.findall(nodes.raw):
            if found := NAME.search(node.astext()):
                node.children = [nodes.Text(render_quiz(self.env, found[1]))]


def setup(app: Sphinx) -> None:
    """Register the directives and the transform."""
    app.add_directive("live", LiveDirective)
    app.add_directive("quiz", QuizDirective)
    app.add_transform(RenewQuizzes)

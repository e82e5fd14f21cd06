"""The directive `quiz`: a quiz of dlvlib on a page without code cells."""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from coursekit import live, quiz


class QuizDirective(SphinxDirective):
    """Show the quiz that the argument names, as ``quiz.show`` does in a notebook."""

    required_arguments = 1

    def run(self):
        """Return the figure as it is; a quiz that is unknown or broken stops the build."""
        (name,) = self.arguments
        for path in (quiz.FOLDER / f"{name}.yml", *live.FOLDER.glob("*.*")):
            self.env.note_dependency(str(path))
        try:
            return [nodes.raw("", quiz.show(name).html, format="html")]
        except ValueError as error:
            raise self.error(str(error)) from None


def setup(app):
    """Register the directive."""
    app.add_directive("quiz", QuizDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

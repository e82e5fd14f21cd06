"""The directive `lecture-map`: which page teaches which slide of the lecture, and back."""

from pathlib import Path

import yaml
from docutils import nodes
from page_parts import in_reading_order, link, table, words
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

FILE = "teaching/lecture_map.yml"


def read_map(path: Path) -> list[dict]:
    """Return the slides in the lecture's order, each with its pages.

    Raises:
        ExtensionError: if an entry has other keys than slide and pages, has no page, or a slide
            stands twice.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf8"))
    for entry in entries:
        if set(entry) != {"slide", "pages"} or not entry["pages"]:
            raise ExtensionError(f"{path.name}: each entry must have slide and pages, got {entry}")
    slides = [entry["slide"] for entry in entries]
    if len(slides) != len(set(slides)):
        raise ExtensionError(f"{path.name}: a slide must stand once, got {slides}")
    return entries


class LectureMapDirective(SphinxDirective):
    """Two tables: slide to pages, and page to slides."""

    def run(self):
        """Return the tables."""
        path = Path(self.env.srcdir) / FILE
        self.env.note_dependency(str(path))
        entries = read_map(path)
        pages = in_reading_order(page for entry in entries for page in entry["pages"])
        forward = [[[words(entry["slide"])], [self.links(entry["pages"])]] for entry in entries]
        back = [
            [[self.links([page])], [words("; ".join(self.slides(entries, page)))]]
            for page in pages
        ]
        return [
            table(["Slide of the lecture", "Pages of the book"], forward),
            table(["Page of the book", "Slides of the lecture"], back),
        ]

    def slides(self, entries: list[dict], page: str) -> list[str]:
        """Return the slides that a page teaches."""
        return [entry["slide"] for entry in entries if page in entry["pages"]]

    def links(self, pages: list[str]) -> nodes.paragraph:
        """Return links to pages, with semicolons between them."""
        paragraph = nodes.paragraph()
        for number, page in enumerate(pages):
            paragraph += [nodes.Text("; ")] * bool(number) + [link(self.env, page)]
        return paragraph


def setup(app):
    """Register the directive."""
    app.add_directive("lecture-map", LectureMapDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

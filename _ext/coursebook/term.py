"""The directive `term-plan`: the pages of a course, week by week, with the times they state."""

import re
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from .layout import short_title
from .ledger import title_of
from .tables import list_table

HEADER = ["Week", "Pages", "Minutes", "Exercise", "Experiment", "May be left out"]


def source_of(root: Path, page: str) -> Path | None:
    """Return the file of a page, None if this book lacks the page."""
    paths = (root / f"{page}{suffix}" for suffix in (".ipynb", ".md"))
    return next(filter(Path.is_file, paths), None)


def minutes_in(text: str) -> int:
    """Return the minutes that a page states as its time.

    >>> minutes_in("**Time:** 40 minutes to read, 25 for the quiz; the code runs in 2 minutes.")
    65
    >>> minutes_in("**Time:** about an hour; the training takes ten seconds.")
    60
    """
    stated = re.search(r"\*\*Time:\*\* ([^;.]*)", text)
    times = re.findall(r"(\d+)(?: minutes| for )|(an hour)", stated[1] if stated else "")
    if not times:
        raise ExtensionError("term-plan: a page must state its time, got none")
    return sum(60 if hour else int(number) for number, hour in times)


def link(root: Path, page: str, with_title: bool) -> str:
    """Return a link to a page: its number, if it has one, and its title."""
    title = short_title(title_of(root, page))
    number = re.match(r"0*(\d*)", Path(page).name)[1]  # type: ignore[index]
    text = f"{number}\N{NO-BREAK SPACE}{title}" if with_title else number or title
    return f"{{doc}}`{text} </{page}>`"


def term_rows(root: Path, lines: Iterable[str]) -> list[list[str]]:
    """Return the rows of a table whose lines are "pages | section that may be left out".

    Pages that this book lacks are left out, and so is a week without any.

    Raises:
        ExtensionError: if a page states no time, or no page of a whole week has the section.
    """
    rows: list[list[str]] = []
    for line in lines:
        listed, _, section = (part.strip() for part in line.partition("|"))
        pages = [page for page in listed.split() if source_of(root, page)]
        texts = {page: source_of(root, page).read_text("utf8") for page in pages}
        chapters = [page for page in pages if re.match(r"chapters/\d", page)]
        experiments = [page for page in pages if page.startswith("chapters/training/")]
        others = [page for page in pages if page not in [*chapters, *experiments]]
        heading = re.compile(rf'## {re.escape(section)}(?:["\\\n]|\Z)')  # also in a notebook
        known = any(heading.search(texts[page]) for page in chapters)
        if not known and pages == listed.split():
            raise ExtensionError(f"term-plan: must be a section of {listed}, got {section!r}")
        if chapters:
            reading = sum(minutes_in(texts[page]) for page in chapters)
            more = sum(minutes_in(texts[page]) for page in [*others, *experiments])
            rows.append(
                [
                    str(len(rows) + 1),
                    ", ".join(link(root, page, with_title=True) for page in chapters),
                    f"{reading} + {more} = {reading + more}" if more else str(reading),
                    ", ".join(link(root, page, with_title=False) for page in others) or "–",
                    ", ".join(link(root, page, with_title=False) for page in experiments) or "–",
                    f"*{section.partition(':')[0]}*" if known else "–",
                ]
            )
    return rows


class TermPlanDirective(SphinxDirective):
    """One row for each week: pages, minutes, exercise, experiment, what may be left out."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for path in (source_of(root, word) for line in self.content for word in line.split()):
            if path:
                self.env.note_dependency(str(path))
        return self.parse_text_to_nodes(list_table(HEADER, term_rows(root, self.content)))


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("term-plan", TermPlanDirective)

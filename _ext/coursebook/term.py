"""Two directives for teachers: `term-plan`, the pages week by week, and `lecture-map`."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from .claims import Claim, anchor_of, read_claims
from .pages import depend_on, in_reading_order, short_title, source_of, title_of
from .tables import list_table

MAP = "teaching/lecture_map.yml"
CORRECTIONS = "chapters/corrections"
CHAPTER = re.compile(r"chapters/\d")

HEADER = ["Week", "Pages", "Minutes", "Exercise", "Experiment", "May be left out"]


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
        sources = {page: path for page in listed.split() if (path := source_of(root, page))}
        texts = {page: path.read_text(encoding="utf8") for page, path in sources.items()}
        chapters = [page for page in texts if CHAPTER.match(page)]
        experiments = [page for page in texts if page.startswith("chapters/training/")]
        others = [page for page in texts if page not in [*chapters, *experiments]]
        heading = re.compile(rf'## {re.escape(section)}(?:["\\\n]|\Z)')  # also in a notebook
        known = any(heading.search(texts[page]) for page in chapters)
        if not known and list(texts) == listed.split():
            raise ExtensionError(f"term-plan: must be a section of {listed}, got {section!r}")
        if chapters:
            reading = sum(minutes_in(texts[page]) for page in chapters)
            more = sum(minutes_in(texts[page]) for page in [*others, *experiments])
            sums = f"{reading} + {more} = {reading + more}".replace(" ", "\N{NO-BREAK SPACE}")
            minutes = sums if more else str(reading)
            links = [
                ", ".join(link(root, page, with_title=some is chapters) for page in some) or "–"
                for some in (chapters, others, experiments)
            ]
            left_out = f"*{section.partition(':')[0]}*" if known else "–"
            rows.append([str(len(rows) + 1), links[0], minutes, *links[1:], left_out])
    return rows


class TermPlanDirective(SphinxDirective):
    """One row for each week: pages, minutes, exercise, experiment, what may be left out."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        words = (word for line in self.content for word in line.split())
        depend_on(self.env, filter(None, (source_of(root, word) for word in words)))
        return self.parse_text_to_nodes(list_table(HEADER, term_rows(root, self.content)))


def read_map(path: Path) -> list[dict[str, Any]]:
    """Return the slides in the lecture's order, each with its pages.

    Raises:
        ExtensionError: if an entry has other keys than slide and pages, has no page, or repeats a
            slide.
    """
    entries: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf8"))
    for entry in entries:
        if set(entry) != {"slide", "pages"} or not entry["pages"]:
            raise ExtensionError(f"{path.name}: each entry must have slide and pages, got {entry}")
    slides = [entry["slide"] for entry in entries]
    if len(slides) != len(set(slides)):
        raise ExtensionError(f"{path.name}: each slide must be listed once, got {slides}")
    return entries


def slide_of(claim: Claim, slides: Iterable[str]) -> str | None:
    """Return the slide of a claim, which names it more precisely or more briefly.

    >>> slide_of({"lecture": "ResNet (2016)"}, ["ResNet", "ResNet: CIFAR-10"])
    'ResNet'
    """
    named = claim["lecture"].lower()
    titles = {slide: slide.partition(" (")[0].lower() for slide in slides}
    found = [s for s, t in titles.items() if named.startswith(t) or t.startswith(named)]
    return max(found, key=len, default=None)


class LectureMapDirective(SphinxDirective):
    """Two tables: slide to pages and corrections, and, folded, page to slides."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        depend_on(self.env, [root / MAP])
        pages_of = {entry["slide"]: entry["pages"] for entry in read_map(root / MAP)}
        slides: dict[str, list[str]] = defaultdict(list)
        links: dict[str, list[str]] = defaultdict(list)
        for claim in read_claims(self.env).values():
            slide = slide_of(claim, pages_of)
            if claim["kind"] == "corrected" and slide and CORRECTIONS in self.env.found_docs:
                anchor = anchor_of(claim["id"], "correction")
                name = claim["id"].partition(".")[2].replace("_", " ")
                links[slide].append(f"{{ref}}`{name} <{anchor}>`")
        there = []
        for slide, pages in pages_of.items():
            lines = "\\\n".join(self.link(page) for page in pages)
            there.append([slide, lines, ", ".join(links[slide]) or "–"])
            for page in pages:
                slides[page].append(slide)
        order = in_reading_order(self.env, slides)
        back = [[self.link(page), "\\\n".join(slides[page])] for page in order]
        header = ["Slide of the lecture", "Pages of the book", "Corrections"]
        and_back = list_table(["Page of the book", "Slides of the lecture"], back)
        folded = f"::::::{{dropdown}} From a page back to the slides\n{and_back}\n::::::"
        return self.parse_text_to_nodes(f"{list_table(header, there, 'cards')}\n\n{folded}")

    def link(self, page: str) -> str:
        """Return a link to a page, a chapter with its number."""
        chapter = CHAPTER.match(page)
        return link(Path(self.env.srcdir), page, True) if chapter else f"{{doc}}`/{page}`"


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("term-plan", TermPlanDirective)
    app.add_directive("lecture-map", LectureMapDirective)

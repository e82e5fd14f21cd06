"""Print the whole book as one PDF with contents, bookmarks, page numbers and working links.

    python tools/pdf.py [--html _build/html] [--out _build/dlv-course.pdf]

Chromium prints each page of the built book, with everything unfolded but the code that a page
folds away itself; tools/join_pdf.py joins them in the order of _toc.yml.
"""

import io
import sys
from collections.abc import Iterable
from functools import partial
from html import escape
from pathlib import Path

from browsing import UNFOLD
from join_pdf import Chapter, join
from pack import run
from pypdf import PdfReader
from screenshots import FLAGS, READY, SET_SCHEME, find_chromium
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
SCALE = 0.8  # of the size on the screen: lines of code fit on the paper
STYLE = """
@page {{
    size: A4; margin: 16mm 18mm 20mm;
    @bottom-center {{ content: counter(page, {numerals}); font: 9pt sans-serif; color: #4b5563; }}
}}
html {{ counter-set: page {before}; }}
"""
# The theme prints a page alone: with contents of its own instead of the numbered heading.
BOOK_STYLE = """
:is(#jb-print-docs-body, .cite, details.above-input, .toggle-button) { display: none !important; }
.bd-main .bd-content .bd-article h1:first-of-type { display: block !important; }
figure :is(img, svg) { max-height: 280mm; object-fit: contain; }
:is(summary, dt) { break-after: avoid; }
"""
CONTENTS_STYLE = """
body { font: 11pt/1.5 sans-serif; color: #1f2933; }
h1 { font-size: 21pt; } h2 { font-size: 13pt; margin: 1.2em 0 0.2em; break-after: avoid; }
a { display: flex; gap: 1em; color: inherit; text-decoration: none; }
a span { margin-left: auto; }
"""
CONTENTS_NOTE = (
    "Each line is a link. Code that only imports or draws is left out here; "
    "it is in the notebook of the page."
)
# Chromium writes the place of an anchor only where a link of the same page leads to it.
LINK_ANCHORS = """() => {
    for (const element of document.querySelectorAll("main [id]")) {
        const link = document.createElement("a");
        link.href = "#" + encodeURIComponent(element.id);
        document.body.append(link);
    }
}"""
# Below the title, since at the end it might be alone on a sheet.
MOVE_LAST_RUN = """() => {
    const line = document.querySelector(".last-run");
    if (line) document.querySelector("main h1").after(line);
}"""
HEADINGS = """() => [...document.querySelectorAll("main section > :is(h1, h2)")].map((heading) => {
    const copy = heading.cloneNode(true);
    for (const link of copy.querySelectorAll(".headerlink")) link.remove();
    const text = copy.textContent.trim().replace(/\\s+/g, " ");
    return [Number(heading.tagName[1]), text, heading.parentElement.id];
})"""


def pages_by_part(toc: Path) -> list[tuple[str, str]]:
    """Return (part, page) in the order of _toc.yml; the part of the landing page is empty."""
    pages = parse_toc_yaml(toc)
    captions = {page: tree.caption or "" for tree in pages.root.subtrees for page in tree.items}
    found, part = [], ""
    for page in pages:
        part = captions.get(page, part)  # a section belongs to the part of the page above it
        found.append((part, page))
    return found


def refuse_unbuilt(pages: Iterable[str], html: Path) -> None:
    """Raise a FileNotFoundError for the first page of _toc.yml that is not in the built book."""
    for page in pages:
        if not (html / f"{page}.html").is_file():
            raise FileNotFoundError(f"{page} of _toc.yml is not in {html}: run `make book`")


class Printer:
    """Prints files of the folder `html` with `page`, an open page of Playwright."""

    def __init__(self, page, html: Path):
        self.page, self.html = page, html

    def chapter(self, part: str, name: str, before: int, numerals: str = "decimal") -> Chapter:
        """Print a page of the book; its first sheet has the number `before` + 1."""
        path = self.html / f"{name}.html"
        self.page.goto(path.as_uri())
        self.page.evaluate(UNFOLD)
        self.page.evaluate(READY)
        self.page.evaluate(LINK_ANCHORS)
        self.page.evaluate(MOVE_LAST_RUN)
        headings = self.page.evaluate(HEADINGS)
        return Chapter(part, path.as_uri(), headings, self._print(before, numerals, BOOK_STYLE))

    def contents(self, chapters: list[Chapter], before: int) -> Chapter:
        """Print the contents: parts, titles and the numbers of the sheets, from 1."""
        lines, part, number = [], "", 1
        for chapter in chapters:
            if chapter.part != part:
                part = chapter.part
                lines.append(f"<h2>{escape(part)}</h2>")
            lines.append(
                f'<a href="{chapter.uri}">{escape(chapter.title)}<span>{number}</span></a>'
            )
            number += len(chapter.sheets)
        self.page.goto("about:blank")
        self.page.set_content(f"<h1>Contents</h1>{''.join(lines)}<p>{CONTENTS_NOTE}</p>")
        sheets = self._print(before, "lower-roman", CONTENTS_STYLE)
        return Chapter("", "", [[1, "Contents", ""]], sheets)

    def _print(self, before: int, numerals: str, style: str) -> PdfReader:
        style = STYLE.format(before=before, numerals=numerals) + style
        self.page.add_style_tag(content=style)
        content = self.page.pdf(prefer_css_page_size=True, print_background=True, scale=SCALE)
        return PdfReader(io.BytesIO(content))


def print_book(toc: Path, html: Path, title: str, out: Path, report=print) -> str:
    """Write the PDF of the pages that a _toc.yml names; return how many sheets it has.

    The file appears when it is complete; `report` is called with one line for each page.

    Raises:
        FileNotFoundError: if there is no browser, or a page was not built.
    """
    (landing, *pages), chapters, number = pages_by_part(toc), [], 0
    refuse_unbuilt((page for _, page in [landing, *pages]), html)
    chromium = find_chromium()
    if chromium is None:
        raise FileNotFoundError("no browser found: install Chromium or Chrome")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(color_scheme="light", reduced_motion="reduce")
        context.add_init_script(SET_SCHEME.format(scheme="light"))
        printer = Printer(context.new_page(), html.resolve())
        first = printer.chapter(*landing, 0, "lower-roman")
        for entry in pages:
            chapters.append(printer.chapter(*entry, number))
            report(f"{number + 1:5}  {chapters[-1].title}")
            number += len(chapters[-1].sheets)
        contents = printer.contents(chapters, len(first.sheets))
        browser.close()
    join([first, contents], chapters, title, out)
    return f"{number} sheets after the contents"


if __name__ == "__main__":
    sys.exit(run(__doc__, "dlv-course.pdf", partial(print_book, ROOT / "_toc.yml")))

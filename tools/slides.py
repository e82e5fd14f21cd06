"""Make one deck of slides for each chapter from the built book: title, questions, predictions,
equations, tables and figures, without code and without long prose.

    python tools/slides.py [--html _build/html] [--out _build/slides]

A deck is an HTML file that needs no network. The arrow keys lead through it: what follows a
prediction appears after it. Printed, each slide is a page.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag
from pack import run
from pdf import pages_by_part, refuse_unbuilt

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tools" / "slides.js"  # and its style sheet beside it
CHAPTER = re.compile(r"chapters/\d\d_\w+")
LEFT_OUT = {"Check yourself", "References"}  # sections
SHARED = ("_static/fonts", "vendor")  # what decks take from the site, beside its style sheet
MEDIA = re.compile(r"^@media (print|screen).*?^}", re.MULTILINE | re.DOTALL)  # for a page
IMAGE = re.compile(r"\.\./(_images/[\w.-]+)")
WORDS = 25  # a paragraph is cut after the sentence that reaches them
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
PAGE = """<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'self' data: blob: 'unsafe-inline'">
<link rel="stylesheet" href="_static/course.css"><link rel="stylesheet" href="slides.css">
{head}</head>
<body><main class="bd-article tex2jax_ignore">
{slides}
</main></body></html>
"""


@dataclass
class Slide:
    """One slide; `kind` is title, question (the first of a section) or "" (a later one)."""

    kind: str
    parts: list[str] = field(default_factory=list)
    is_full: bool = False  # something large is on it: the next large thing takes another slide
    is_drawn: bool = False  # by a figure or a table, which needs the room


class Deck:
    """The slides of one page of the book, made block by block."""

    def __init__(self, book: str):
        self.book, self.slides, self.heading = book, list[Slide](), ""
        self.is_asked = self.is_answered = False
        self.intro: Tag | None = None  # the paragraph before a block, unless a slide shows it

    def add(self, block: Tag, after: bool = False) -> None:
        if after and len(self.slides[-1].parts) > 1:
            block["class"] = [*block.get("class", []), "after"]
        self.slides[-1].parts.append(str(block))

    def add_large(self, block: Tag) -> None:
        if self.slides[-1].is_full:
            self.next_slide()
        self.slides[-1].is_full = True
        self.add(block)

    def next_slide(self) -> None:
        self.slides.append(Slide("", [self.heading]))

    def take(self, block: Tag) -> None:
        """Put a block on this slide, on a new one, or nowhere."""
        kinds, intro, self.intro = set(block.get("class", [])), self.intro, None
        if block.name == "h1":
            parts = [str(block), f"<p>{escape(self.book)}</p>"]
            self.slides.append(Slide("title", parts, is_full=True))
        elif block.name in ("h2", "h3"):
            self.heading = str(block).replace("h3>", "h2>")
            self.slides.append(Slide("question", [self.heading]))
            self.is_asked = False
        elif "glance" in kinds:
            self.slides.append(Slide("", [str(block)], is_full=True))
        elif "predict" in kinds:
            self.add_large(block)
            self.is_asked, self.is_answered = True, False
        elif block.name == "figure" or kinds & {"dlv-live", "pst-scrollable-table-container"}:
            self.add_large(block)
            self.is_answered = self.slides[-1].is_drawn = True
        elif "math" in kinds and self.is_asked:
            self.add(block, after=True)
        elif "math" in kinds:
            if intro and leads_on(intro):
                self.add_large(shortened(intro, from_end=True))
                self.add(block)
            else:
                self.add_large(block)
        elif block.name == "pre" and self.is_asked:
            if self.slides[-1].is_drawn:
                self.next_slide()
            self.add(block, after=True)
            self.is_answered = True
        elif block.name == "details" and (title := block.summary.get_text().strip()).endswith("?"):
            self.slides[-1].parts.append(f"<p>{escape(title)}</p>")
        elif block.name == "p":
            if self.is_asked and self.is_answered and not leads_on(block):
                self.add(shortened(block), after=True)
                self.is_asked = False
            elif len(self.slides[-1].parts) == 1 + (self.slides[-1].kind == "title"):
                self.add(shortened(block))
            else:
                self.intro = block

    def html(self, title: str, head: str) -> str:
        filled = [slide for slide in self.slides if len(slide.parts) > 1 or slide.is_full]
        slides = [
            f'<section><div class="fit {slide.kind}">{"".join(slide.parts)}</div>'
            f'<div class="number">{number} / {len(filled)}</div></section>'
            for number, slide in enumerate(filled, 1)
        ]
        return PAGE.format(title=escape(title), head=head, slides="\n".join(slides))


def leads_on(paragraph: Tag) -> bool:
    """Whether a paragraph ends with a colon."""
    return paragraph.get_text().rstrip().endswith(":")


def shortened(paragraph: Tag, from_end: bool = False) -> Tag:
    """Cut a paragraph to its first sentences, `WORDS` words or a little more, or to its last."""
    sentences: list[list[Tag | NavigableString]] = [[]]
    for child in paragraph.contents:
        is_text = type(child) is NavigableString
        first, *others = map(NavigableString, SENTENCE_END.split(child)) if is_text else [child]
        sentences[-1].append(first)
        sentences += [[other] for other in others]
    sentences = [parts for parts in sentences if any(part.get_text().strip() for part in parts)]
    paragraph.clear()
    for sentence in sentences[-1:] if from_end else sentences:
        paragraph.extend([*sentence, " "])
        if len(paragraph.get_text().split()) >= WORDS:
            break
    return paragraph


def blocks(section: Tag) -> Iterator[Tag]:
    """Yield what a section and the sections in it hold, and of a cell what it shows."""
    for child in section.find_all(recursive=False):
        heading = child.find(["h2", "h3"]) if child.name == "section" else None
        if heading and heading.get_text().strip() in LEFT_OUT:
            continue
        if child.name == "section":
            yield from blocks(child)
        elif "cell" in child.get("class", []):
            yield from child.select(".cell_output :is(pre, figure, .dlv-live)")
        else:
            yield child


def make_deck(page: str, book: str) -> tuple[str, str]:
    """Return the title and the deck of a page of the built book."""
    soup = BeautifulSoup(page, "html.parser")
    article = soup.select_one("article.bd-article > section")
    for unwanted in article.select(".narrow, .headerlink, .footnote-reference, .cell_input"):
        unwanted.decompose()
    for link in article.select("a, pre span"):
        link.unwrap()
    deck = Deck(book)
    for block in blocks(article):
        deck.take(block)
    scripts = soup.find_all("script", string=re.compile("window.MathJax"))
    scripts += soup.find_all("script", src=re.compile("mathjax"))
    head = re.sub(r'src="[^"]*vendor/', 'src="vendor/', "\n".join(map(str, scripts)))
    head += '<script defer src="slides.js"></script>'
    title = article.h1.get_text().strip()
    return title, IMAGE.sub(r"\1", deck.html(title, head))


def make_decks(toc: Path, html: Path, book: str, out: Path) -> list[str]:
    """Write a deck for each chapter of a _toc.yml, and index.html; return their names.

    Raises:
        FileNotFoundError: if a page was not built.
        FileExistsError: if there is a folder that holds no earlier decks: it is left alone.
    """
    if out.exists() and any(out.iterdir()) and not (out / SCRIPT.name).is_file():
        raise FileExistsError(f"--out must be a new folder or earlier slides, got {out}")
    decks = dict[str, tuple[str, str]]()
    chapters = [page for _, page in pages_by_part(toc) if CHAPTER.fullmatch(page)]
    refuse_unbuilt(chapters, html)
    for page in chapters:
        path = html / f"{page}.html"
        decks[path.name] = make_deck(path.read_text(encoding="utf8"), book)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for path in (SCRIPT, SCRIPT.with_suffix(".css")):  # first: it marks the folder as ours
        shutil.copy(path, out)
    images = {name for _, deck in decks.values() for name in re.findall(r"_images/[\w.-]+", deck)}
    for name in (*SHARED, *sorted(images)):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        copy_file = shutil.copytree if (html / name).is_dir() else shutil.copyfile
        copy_file(html / name, out / name)
    style = (html / "_static" / "course.css").read_text(encoding="utf8")
    (out / "_static" / "course.css").write_text(MEDIA.sub("", style), encoding="utf8")
    links = [f'<p><a href="{name}">{escape(title)}</a></p>' for name, (title, _) in decks.items()]
    slides = f'<section><div class="fit"><h2>{escape(book)}</h2>{"".join(links)}</div></section>'
    contents = PAGE.format(title=escape(book), head="", slides=slides)
    for name, text in [("index.html", contents), *((n, deck) for n, (_, deck) in decks.items())]:
        (out / name).write_text(text, encoding="utf8")
    return list(decks)


def main(html: Path, book: str, out: Path) -> str:
    """Make the decks of this book; return how many, and what to open."""
    names = make_decks(ROOT / "_toc.yml", html, book, out)
    return f"{len(names)} decks; open {out / 'index.html'}"


if __name__ == "__main__":
    sys.exit(run(__doc__, "slides", main))

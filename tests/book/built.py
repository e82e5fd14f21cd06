"""The built book in _build/html: its pages, and each of them parsed once."""

import re
from functools import cache
from html import unescape
from pathlib import Path

import screenshots
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
PAGES = [f"{page}.html" for page in screenshots.find_pages(HTML)]
ANCHOR = re.compile(r'<(?:\w[^>]*\sid|a\s[^>]*\bname)="([^"]*)"')
PRE = re.compile(r"<pre>.*?</pre>", re.DOTALL)
COLOUR = re.compile(r'</?span(?: class="[^"]*")?>')
WITHOUT_TEXT = {"404.html", "genindex.html", "search.html"}  # of ours: Sphinx makes them


@cache
def parse(path: Path) -> BeautifulSoup:
    """Parse a page, without the colours of its code, which are half of its elements."""
    html = PRE.sub(lambda pre: COLOUR.sub("", pre[0]), path.read_text(encoding="utf8"))
    return BeautifulSoup(html, "html.parser")


@cache
def anchors(path: Path) -> set[str]:
    """Return the ids and names of a page, which needs no parser."""
    return set(map(unescape, ANCHOR.findall(path.read_text(encoding="utf8"))))


def holding(text: str) -> list[str]:
    """The pages whose HTML holds a text."""
    return [page for page in PAGES if text in (HTML / page).read_text(encoding="utf8")]


def chapters() -> list[str]:
    return [page for page in PAGES if re.match(r"chapters/\d\d_", page)]

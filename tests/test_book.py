"""What is built in _build/html: every link resolves, nothing is fetched elsewhere, no raw text.

Each checker returns the problems that it finds in a page; broken pages at the end prove it can.
DLV_HTML names another built book.
"""

import json
import os
import re
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
HTML = Path(os.environ.get("DLV_HTML", ROOT / "_build" / "html")).resolve()
SOURCE = next((d for d in HTML.parents if (d / "_toc.yml").is_file()), ROOT)
PAGES = [path.relative_to(HTML).as_posix() for path in sorted(HTML.rglob("*.html"))]
PAGES = [page for page in PAGES if not page.startswith("_static/")]  # templates of the theme

LINKS_THAT_LOAD_NOTHING = {"alternate", "author", "canonical", "copyright", "help", "index"}
LINKS_THAT_LOAD_NOTHING |= {"license", "next", "prev", "search", "top", "up"}
NO_ALT = re.compile(
    r"^\W*$|_images/|\.(png|svg|jpe?g|gif|webp)$|Figure size|^<?(matplotlib|Axes)\b"
    r"|^(image|figure|plot|chart|picture)\W*$|^No description",
    re.IGNORECASE,
)
RAW = re.compile(
    r"\{[A-Za-z][\w:.+-]*\}`"  # a role
    r"|```|~~~|:::"  # a fence
    r"|^\s*:(?:class|name|alt|width|align|label|tags|open)(?:\s|:)"  # an option
    r"|^\s*\([\w-]+\)=|\]\((?:#|\.{0,2}/|https?:|[\w/.-]+\.(?:md|ipynb|html)\b)"  # label, link
    r"|\$\$|\\[A-Za-z]+\{",  # mathematics
    re.MULTILINE,
)
CSS_URL = re.compile(
    r"url\(\s*(?:\"([^\"]*)\"|'([^']*)'|([^)'\"]*))\s*\)|@import\s+[\"']([^\"']+)", re.IGNORECASE
)
IMPORT = re.compile(r"\b(?:import|from)\s*\(?\s*[\"'`]([^\"'`]+)")


def need_book():
    """Without a built book: skip at home, fail in CI."""
    if not PAGES:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"no built book in {HTML}: run `make book`")


@cache
def parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")


@cache
def anchors(path: Path) -> frozenset[str]:
    soup = parse(path)
    return frozenset([tag["id"] for tag in soup("", id=True)] + [a["name"] for a in soup("a", attrs={"name": True})])


def name(tag) -> str:
    """Write the opening tag, shortened."""
    return str(tag).split(">", 1)[0][:160] + ">"

"""The reference of the library, and what the site offers to those who cite it or find it."""

import importlib

import pytest
import yaml
from built import HTML, ROOT, parse
from coursebook import api
from test_book import ADDRESS

pytestmark = pytest.mark.book


def test_the_public_modules_are_those_without_an_underscore_or_above_an_all():
    names = list(api.public_modules("dlvlib"))
    assert {"dlvlib", "dlvlib.metrics", "dlvlib.models", "dlvlib.training"} <= set(names)
    assert "dlvlib.training.loop" not in names and not [n for n in names if "._" in n]
    assert list(api.public_modules("coursekit.checks")) == ["coursekit.checks"]


def test_docstrings_in_markdown_become_restructured_text():
    lines = ["mean |x| of `a|b`, ``c|d`` and :meth:`e`"]
    api.as_rst(None, "function", "", None, None, lines)
    assert lines == [r"mean \|x\| of ``a|b``, ``c|d`` and :meth:`e`"]


def test_the_reference_has_every_public_name_and_pages_lead_to_it(book):
    anchors = {tag["id"] for tag in parse(HTML / "api.html")(id=True)}
    for package in ("dlvlib.training", "dlvlib.data", "coursekit.checks"):
        module = importlib.import_module(package)
        public = [name for name in module.__all__ if getattr(module, name).__doc__]
        functions = [name for name in public if callable(getattr(module, name))]
        assert functions and {f"{package}.{name}" for name in functions} <= anchors
    links = {
        (page, a["href"].partition("#")[2])
        for page in book.chapters()
        for a in parse(HTML / page)("a", href=True)
        if a["href"].startswith("../api.html#")
    }
    assert len({page for page, _ in links}) > len(book.chapters()) / 2
    assert {anchor for _, anchor in links} <= anchors


def test_each_page_of_a_chapter_shows_how_to_cite_it(book):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    for page in book.chapters():
        (text,) = [tag.get_text() for tag in parse(HTML / page)(class_="cite")]
        title = parse(HTML / page).h1.get_text().rstrip("#")
        for part in (f"{ADDRESS}{page}", f"version {citation['version']}", f"title = {{{title}}}"):
            assert part in text, page

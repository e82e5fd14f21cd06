"""Decks of slides, from a small page and a chapter of the built book; lessons; the map."""

import io
import re
import shutil
from pathlib import Path

import notebooks
import pytest
import slides
from bs4 import BeautifulSoup
from coursebook import term
from files import write_files
from pypdf import PdfReader

ROOT = Path(__file__).parents[2]
STEPS = ["ask", "expect", "live", "exercise"]  # of a lesson
TOC = "format: jb-book\nroot: index\nchapters:\n- file: chapters/01_one\n- file: chapters/more\n"
PAGE = r"""<html><head><script>window.MathJax = {"options": {}}</script>
<script src="../_static/../vendor/mathjax/tex-chtml.js?v=1"></script></head><body>
<article class="bd-article"><section><h1>1. One<a class="headerlink" href="#x">#</a></h1>
<p>A promise.</p><div class="tip glance admonition"><p>You will learn.</p></div>
<section><h2>Which one?</h2><p>A lead <a href="two.html">elsewhere</a>.</p>
<p class="predict"><strong>Predict.</strong> How many?</p><p>Prose before the answer.</p>
<div class="cell"><div class="cell_input"><pre>secret_code()</pre></div>
<div class="cell_output"><div class="output stream"><pre><span>42</span></pre></div></div></div>
<p>It is 42. LONG. Rest.</p><p>More prose.</p><p>So the square is:</p>
<div class="math">\[x^2\]</div><div class="cell"><details><div class="cell_input"><pre>draw()</pre>
</div></details><div class="cell_output"><figure><img class="wide" src="../_images/a.svg" alt="A">
<img class="narrow" src="../_images/b.svg"><figcaption>Caption.</figcaption></figure></div></div>
<div class="cell"><div class="cell_output"><pre>not asked for</pre></div></div>
<section><h3>Only a heading</h3></section>
<section><h3>Deeper</h3><details><summary>Why?</summary>Because.</details>
<ul><li>long list</li></ul></section></section>
<section><h2>Check yourself</h2><p>A quiz.</p></section></section></article></body></html>"""


@pytest.fixture
def site(tmp_path):
    names = ["_static/course.css", "_static/fonts/a.woff2", "vendor/mathjax/tex-chtml.js"]
    names += ["_images/a.svg", "_images/b.svg"]
    page = PAGE.replace("LONG", "word " * slides.WORDS)
    write_files(tmp_path / "html", {"chapters/01_one.html": page, **dict.fromkeys(names, "")})
    write_files(tmp_path, {"_toc.yml": TOC})
    return tmp_path


def test_a_deck_asks_shows_and_answers_without_code_and_prose(site):
    names = slides.make_decks(site / "_toc.yml", site / "html", "The <book>", site / "out")
    assert names == ["01_one.html"]
    soup = BeautifulSoup((site / "out" / names[0]).read_text(), "html.parser")
    texts = [" ".join(slide.get_text(" ").split()) for slide in soup.select("section .fit")]
    word = " ".join(["word"] * slides.WORDS)
    assert texts == [
        "1. One The <book> A promise.",
        "You will learn.",
        f"Which one? A lead elsewhere. Predict. How many? 42 It is 42. {word} .",
        r"Which one? So the square is: \[x^2\]",
        "Which one? Caption.",
        "Deeper Why?",
    ]
    assert [" ".join(part.get_text().split()[:3]) for part in soup.select(".after")] == [
        "42",
        "It is 42.",
    ]
    assert [image["src"] for image in soup("img")] == ["_images/a.svg"]
    assert not soup("a")
    used = {tag.get("src") or tag.get("href") for tag in soup(["img", "script", "link"])} - {None}
    missing = [name for name in used if not (site / "out" / name.split("?")[0]).is_file()]
    assert not missing
    assert not (site / "out" / "_images" / "b.svg").exists()
    assert "01_one.html" in (site / "out" / "index.html").read_text()


def test_a_folder_with_something_else_is_not_replaced(site):
    with pytest.raises(
        FileExistsError, match="must be a new folder or earlier slides, got .*html"
    ):
        slides.make_decks(site / "_toc.yml", site / "html", "", site / "html")
    assert (site / "html/chapters/01_one.html").is_file()
    for _ in range(2):
        slides.make_decks(site / "_toc.yml", site / "html", "", site / "out")


def test_a_chapter_that_was_not_built_is_named(site):
    shutil.rmtree(site / "html" / "chapters")
    with pytest.raises(FileNotFoundError, match=r"chapters/01_one .*: run `make book`"):
        slides.make_decks(site / "_toc.yml", site / "html", "", site / "out")
    assert not (site / "out").exists()


@pytest.mark.book
def test_every_chapter_has_its_lesson():
    chapters = [page for page in notebooks.reading_order() if slides.CHAPTER.fullmatch(page)]
    sources = [notebooks.source(notebooks.source_file(ROOT, page)) for page in chapters]
    titles = [re.search(r"^# (.+)$", source, re.MULTILINE)[1] for source in sources]
    _, *texts = (ROOT / "teaching" / "lessons.md").read_text(encoding="utf8").split("\n## ")
    lessons = dict(text.split("\n", 1) for text in texts)
    assert [title for title in lessons if title in titles] == titles
    for lesson in lessons.values():
        assert re.findall(r"^- \*\*\d+–\d+, (\w+):\*\*", lesson, re.MULTILINE) == STEPS


@pytest.mark.book
def test_the_map_has_each_slide_that_a_page_names():
    pages: dict[str, set[str]] = {}  # by the name of a slide, or by what is before its colon
    for entry in term.read_map(ROOT / term.MAP):
        for name in {entry["slide"].rstrip("."), entry["slide"].partition(":")[0]}:
            pages.setdefault(name, set()).update(entry["pages"])
    for page in notebooks.reading_order():
        source = notebooks.source(notebooks.source_file(ROOT, page))
        mapped = page.replace("solutions/", "exercises/")
        for line in re.findall(r"^\*\*Lecture:\*\*([^{\n]+)", source, re.MULTILINE):
            for name in sorted(pages, key=len, reverse=True):
                flags = re.IGNORECASE if " " in name else 0
                line, count = re.subn(rf"\b{re.escape(name)}(?!\w)", "", line, flags=flags)
                assert not count or mapped in pages[name], (page, name)
            assert not re.search(r"\b[A-Z]", line), f"{page}: no slide of the map is {line}"


@pytest.mark.browser
@pytest.mark.book
def test_the_deck_of_a_chapter_runs_from_the_disk_and_prints(book, browser, tmp_path):
    (tmp_path / "_toc.yml").write_text(TOC.replace("01_one", "02_softmax"))
    (name,) = slides.make_decks(tmp_path / "_toc.yml", book.HTML, "Book", tmp_path / "out")
    page, requests, errors = browser.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "out" / name).as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    assert not errors
    assert not [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]
    page.evaluate("document.querySelectorAll('script, style').forEach((e) => e.remove())")
    text = page.evaluate("document.querySelector('main').textContent")
    assert not re.search(r"\{\w+(:\w+)?\}`|```|\$\$|\\begin|import torch", text)
    assert page.locator(".math").count() == page.locator("mjx-container").count() > 5
    assert page.locator("mjx-merror").count() == 0
    assert page.locator(".predict").count() == len(
        book.parse(book.HTML / "chapters" / name).select(".predict")
    )

    boxes = page.locator("main > section > .fit").evaluate_all(
        "(all) => all.filter((box) => box.scrollHeight > box.clientHeight + 1).length"
    )
    assert boxes == 0  # slides whose text runs out at the bottom

    def shown() -> int:
        return page.evaluate("slides.findIndex((s) => s.matches('.shown')) + 1")

    first = page.evaluate("slides.findIndex((s) => s.querySelector('.after')) + 1")
    for _ in range(first - 1):
        page.keyboard.press("ArrowRight")
    answer = page.locator(".shown .after").first
    assert (shown(), answer.is_visible()) == (first, False)
    page.keyboard.press("ArrowRight")
    assert (shown(), answer.is_visible()) == (first, True)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert shown() == first - 1
    page.keyboard.press("End")
    last = shown()
    assert last == page.evaluate("slides.length") > first
    content = page.pdf(prefer_css_page_size=True, print_background=True)
    page.close()
    sheets = PdfReader(io.BytesIO(content)).pages
    assert len(sheets) == last
    assert "3.669" in "".join(sheet.extract_text() for sheet in sheets)  # an answer

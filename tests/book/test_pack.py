"""The whole book as one PDF and as a zip file, tried on a site of two pages."""

import zipfile

import pack
import pdf
import pytest
import screenshots
from pypdf import PdfReader

TOC = """format: jb-book
root: index
parts:
- caption: First part
  chapters:
  - file: chapters/one
"""
INDEX = """<html><head><link rel="stylesheet" href="_static/style.css"></head><body><main>
<section id="start"><h1>The book</h1><p><a href="chapters/one.html#deep">jump</a>
<a href="chapters/one.html">page</a> <a href="chapters/one.html#gone">gone</a>
<a href="#end">below</a> <a href="https://a.invalid/x#y">out</a> <a href="_sources/one.txt">no</a>
<section id="end"><h2>The end</h2></section></section></main></body></html>"""
ONE = """<html><body><main><section id="start"><h1>1. One<a class="headerlink" href="#start">#</a>
</h1><details><summary>Solution</summary><p>Folded words.</p></details>
<details class="above-input"><summary>Hide</summary><pre>import folded</pre></details>
<p style="height: 40cm"></p><section id="deep"><h2>Deep &amp; far</h2>
<p><a href="../index.html#end">back</a></p></section></section></main></body></html>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for name, text in {
        "index.html": INDEX,
        "chapters/one.html": ONE,
        "_static/style.css": "h1 { color: rgb(1, 2, 3) }",
        "_sources/one.txt": "one",
        "reports/chapters/one.err.log": "failed",
        ".buildinfo": "x",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def printed(browser_path, site, tmp_path_factory):
    out = tmp_path_factory.mktemp("pdf") / "book.pdf"
    toc = tmp_path_factory.mktemp("toc") / "_toc.yml"
    toc.write_text(TOC)
    lines = []
    pdf.print_book(toc, site, "Two pages", out, lines.append)
    assert lines == ["    1  1. One"]
    assert list(out.parent.iterdir()) == [out]
    return PdfReader(out)


def place(printed, destination) -> tuple[int, float]:
    """Return the sheet and the height to which an explicit destination leads."""
    page, kind, _left, top, _zoom = destination
    assert kind == "/XYZ"
    return printed.get_page_number(page.get_object()), float(top)


def links(printed, sheet: int) -> list:
    return [reference.get_object() for reference in printed.pages[sheet]["/Annots"]]


@pytest.mark.browser
def test_the_pages_are_in_reading_order_after_the_contents(printed):
    texts = [" ".join(sheet.extract_text().split()) for sheet in printed.pages]
    assert len(texts) == 4
    assert texts[0].startswith("i The book")
    assert texts[1].startswith("ii Contents First part 1. One 1")
    assert texts[2].startswith("1 1. One")
    assert texts[3].startswith("2 Deep & far")
    assert printed.page_labels == ["i", "ii", "1", "2"]
    assert (printed.metadata.title, printed.root_object["/Lang"]) == ("Two pages", "en")


@pytest.mark.browser
def test_what_is_folded_is_printed_but_not_the_code_behind_a_figure(printed):
    text = "".join(sheet.extract_text() for sheet in printed.pages)
    assert "Folded words." in text
    assert "import folded" not in text


@pytest.mark.browser
def test_the_bookmarks_name_parts_titles_and_sections(printed):
    def titles(entries):
        return [titles(e) if isinstance(e, list) else e.title for e in entries]

    assert titles(printed.outline) == [
        "The book",
        ["The end"],
        "Contents",
        "First part",
        ["1. One", ["Deep & far"]],
    ]
    deep = printed.outline[-1][1][0]
    assert printed.get_destination_page_number(deep) == 3


@pytest.mark.browser
def test_links_between_pages_jump_inside_the_file(printed):
    jump, page, gone, below, out = links(printed, 0)
    height = float(printed.pages[2].mediabox.top)
    sheet, top = place(printed, jump["/Dest"])
    assert (sheet, 0 < top < height) == (3, True)
    assert place(printed, page["/Dest"]) == (2, height)
    assert place(printed, gone["/Dest"]) == (2, height)
    assert place(printed, below["/Dest"])[0] == 0
    assert out["/A"]["/URI"] == "https://a.invalid/x#y"
    (entry,) = links(printed, 1)
    assert place(printed, entry["/Dest"]) == (2, height)
    back = links(printed, 3)[0]
    assert place(printed, back["/Dest"]) == place(printed, below["/Dest"])


@pytest.mark.browser
def test_no_address_of_this_machine_is_in_the_file(printed):
    everything = [str(link) for n in range(len(printed.pages)) for link in links(printed, n)]
    assert not [text for text in everything if "file:" in text]


@pytest.mark.browser
def test_a_page_that_was_not_built_is_named(browser_path, site, tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text("format: jb-book\nroot: index\nchapters:\n- file: two\n")
    with pytest.raises(FileNotFoundError, match=r"two of _toc.yml is not in .*: run `make book`"):
        pdf.print_book(toc, site, "", tmp_path / "out" / "x.pdf")
    assert list(tmp_path.iterdir()) == [toc]


def test_the_reading_order_is_that_of_the_contents(tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text(TOC + "    sections:\n    - file: b\n- chapters:\n  - file: c\n")
    assert pdf.pages_by_part(toc) == [
        ("", "index"),
        ("First part", "chapters/one"),
        ("First part", "b"),
        ("", "c"),
    ]


def test_the_zip_is_the_same_at_every_run_and_holds_the_site(site, tmp_path):
    for name in ("a.zip", "b.zip"):
        assert pack.pack(site, "Two pages", tmp_path / name) == 5
        (site / "index.html").touch()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    inside = ["README.txt", "_sources/one.txt", "_static/style.css", "chapters/one.html"]
    assert names == [f"dlv-course/{name}" for name in [*inside, "index.html"]]


@pytest.mark.browser
def test_the_unpacked_site_opens_from_the_disk(browser_path, site, tmp_path):
    pack.pack(site, "Two pages", tmp_path / "site.zip")
    with zipfile.ZipFile(tmp_path / "site.zip") as archive:
        archive.extractall(tmp_path / "away")
    folder = tmp_path / "away" / "dlv-course"
    assert "open index.html" in (folder / "README.txt").read_text()
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=screenshots.FLAGS)
        page = browser.new_page()
        page.goto((folder / "index.html").as_uri())
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == (
            "rgb(1, 2, 3)"
        )
        page.click("text=page")
        assert page.url == (folder / "chapters/one.html").as_uri()
        browser.close()


def test_there_is_nothing_to_pack_before_the_book_is_built(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `make book`"):
        pack.pack(tmp_path, "", tmp_path / "x.zip")

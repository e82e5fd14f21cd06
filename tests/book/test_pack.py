"""The whole book as one PDF and as a zip file, tried on a site of two pages."""

import zipfile
from concurrent.futures import ThreadPoolExecutor

import pack
import pdf
import pytest
from files import write_files
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
    files = {
        "index.html": INDEX,
        "chapters/one.html": ONE,
        "_static/style.css": "h1 { color: rgb(1, 2, 3) }",
        "_sources/one.txt": "one",
        "reports/chapters/one.err.log": "failed",
        ".buildinfo": "x",
    }
    write_files(folder, files)
    return folder


@pytest.fixture(scope="module")
def printed(browser_path, site, tmp_path_factory):
    out = tmp_path_factory.mktemp("pdf") / "book.pdf"
    toc = tmp_path_factory.mktemp("toc") / "_toc.yml"
    toc.write_text(TOC)
    lines = []
    with ThreadPoolExecutor() as pool:  # Playwright may be in use in this thread
        arguments = (toc, site, "Two pages", out, lines.append)
        assert pool.submit(pdf.print_book, *arguments).result().startswith("2 sheets")
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
    """What is folded is printed, but not the code behind a figure."""
    texts = [" ".join(sheet.extract_text().split()) for sheet in printed.pages]
    starts = ["i The book", "ii Contents First part 1. One 1", "1 1. One", "2 Deep & far"]
    for text, start in zip(texts, starts, strict=True):
        assert text.startswith(start)
    assert "Folded words." in texts[2] and "import folded" not in "".join(texts)
    assert printed.page_labels == ["i", "ii", "1", "2"]
    assert (printed.metadata.title, printed.root_object["/Lang"]) == ("Two pages", "en")


@pytest.mark.browser
def test_bookmarks_and_links_jump_inside_the_file(printed):
    def titles(entries):
        return [titles(e) if isinstance(e, list) else e.title for e in entries]

    one = ["1. One", ["Deep & far"]]
    assert titles(printed.outline) == ["The book", ["The end"], "Contents", "First part", one]
    assert printed.get_destination_page_number(printed.outline[-1][1][0]) == 3

    jump, page, gone, below, out = links(printed, 0)
    height = float(printed.pages[2].mediabox.top)
    sheet, top = place(printed, jump["/Dest"])
    assert sheet == 3 and 0 < top < height
    (entry,) = links(printed, 1)
    for link in (page, gone, entry):
        assert place(printed, link["/Dest"]) == (2, height)
    back = links(printed, 3)[0]
    assert place(printed, back["/Dest"]) == place(printed, below["/Dest"])
    assert place(printed, below["/Dest"])[0] == 0
    assert out["/A"]["/URI"] == "https://a.invalid/x#y"
    everything = [str(link) for n in range(len(printed.pages)) for link in links(printed, n)]
    assert not [text for text in everything if "file:" in text]  # an address of this machine


def test_the_pages_of_the_contents_in_their_order_must_be_built(tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text(TOC + "    sections:\n    - file: b\n- chapters:\n  - file: c\n")
    assert pdf.pages_by_part(toc) == [
        ("", "index"),
        ("First part", "chapters/one"),
        ("First part", "b"),
        ("", "c"),
    ]
    with pytest.raises(
        FileNotFoundError, match=r"index of _toc.yml is not in .*: run `make book`"
    ):
        pdf.print_book(toc, tmp_path, "", tmp_path / "out" / "x.pdf")
    assert list(tmp_path.iterdir()) == [toc]


def test_the_zip_is_the_same_at_every_run_and_holds_the_site(site, tmp_path):
    for name in ("a.zip", "b.zip"):
        assert pack.pack(site, "Two pages", tmp_path / name).startswith("5 files, 0.0 MB")
        (site / "index.html").touch()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = [name.removeprefix("dlv-course/") for name in archive.namelist()]
        first, *others = map(archive.read, archive.namelist())
    assert names == [
        "README.txt",
        "_sources/one.txt",
        "_static/style.css",
        "chapters/one.html",
        "index.html",
    ]
    assert b"open index.html" in first
    assert others == [(site / name).read_bytes() for name in names[1:]]
    with pytest.raises(FileNotFoundError, match="run `make book`"):
        pack.pack(tmp_path, "", tmp_path / "x.zip")

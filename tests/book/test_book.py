"""What is built in _build/html: every link resolves, nothing is fetched elsewhere, no raw text.

Each checker returns the problems that it finds; the broken pages at the end prove that it can.
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

ROOT = Path(__file__).resolve().parents[2]
HTML = Path(os.environ.get("DLV_HTML", ROOT / "_build" / "html")).resolve()
SOURCE = next((folder for folder in HTML.parents if (folder / "_toc.yml").is_file()), ROOT)
PAGES = [path.relative_to(HTML).as_posix() for path in sorted(HTML.rglob("*.html"))]
PAGES = [page for page in PAGES if not page.startswith("_static/")]  # templates of the theme

LOADS_NOTHING = {"alternate", "author", "canonical", "help", "index", "license", "next", "prev"}
LOADS_NOTHING |= {"search", "copyright"}
NO_ALT = re.compile(
    r"^\W*$|_images/|\.(png|svg|jpe?g|gif|webp)$|^<?(Figure size|matplotlib\.|Axes)"
    r"|^(image|figure|plot|chart|picture)\W*\d*$|^No description",
    re.IGNORECASE,
)
RAW = re.compile(
    r"\{[A-Za-z][\w:.+-]*\}`"  # a role
    r"|```|~~~|:::"  # a fence
    r"|^\s*:(?:class|name|alt|width|align|label|tags|open):"  # an option of a directive
    r"|^\s*\([\w-]+\)=\s*$"  # a label
    r"|\]\((?:#|\.{0,2}/|https?:|[\w/.-]+\.(?:md|ipynb|html)\b)"  # a link
    r"|\$\$|\\[A-Za-z]+\{",  # mathematics
    re.MULTILINE,
)
CSS_URL = re.compile(
    r"(?:url\(|@import)\s*(?:\"([^\"]*)\"|'([^']*)'|([^)'\"\s;]+))", re.IGNORECASE
)
IMPORT = re.compile(r"\b(?:import|from)\s*\(?\s*[\"'`]((?:\w+:/)?\.{0,2}/[^\"'`]+)")
SOURCE_MATH = re.compile(r"(?<!\\)\$[^$`]+\$|\{math\}|\\begin\{(?:align|equation|gather)")


def need_book():
    """Without a built book: skip at home, fail in CI."""
    if not PAGES:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"no built book in {HTML}: run `make book`")


@cache
def parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")


@cache
def anchors(path: Path) -> set[str]:
    soup = parse(path)
    return {tag["id"] for tag in soup(id=True)} | {a["name"] for a in soup("a", {"name": True})}


def tag_text(tag) -> str:
    """Write the opening tag, shortened."""
    return str(tag).split(">", 1)[0][:160] + ">"


def loads(soup) -> list[tuple[str, str]]:
    """List what a browser fetches to show the page: the place, and the address as written."""
    found = []
    for tag in soup(True):
        addresses = [tag[key] for key in ("src", "poster", "data") if key in tag.attrs]
        rel = {word.lower() for word in tag.get("rel", [])}
        if tag.name not in ("a", "area") and not rel & LOADS_NOTHING:
            addresses += [tag[key] for key in ("href", "xlink:href") if key in tag.attrs]
        addresses += [part.split()[0] for part in re.split(r",\s+", tag.get("srcset", "")) if part]
        addresses += css_loads(tag.get("style", ""))
        if tag.name == "style":
            addresses += css_loads(tag.get_text())
        elif tag.name == "script" and tag.get("type") == "importmap":
            addresses += json.loads(tag.get_text()).get("imports", {}).values()
        elif tag.name == "script":
            addresses += IMPORT.findall(tag.get_text())
        found += [(tag_text(tag), address.strip()) for address in addresses]
    return found


def css_loads(css: str) -> list[str]:
    return [next(filter(None, groups), "") for groups in CSS_URL.findall(css)]


def is_third_party(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data", "blob", "about")


def third_party(soup) -> list[str]:
    return [
        f"{where} loads {address}" for where, address in loads(soup) if is_third_party(address)
    ]


def broken_links(soup, path: Path, root: Path) -> list[str]:
    """Follow each address that stays inside the site: the file must be there, and its anchor."""
    problems = []
    links = [(tag_text(a), a["href"]) for a in soup("a", href=True)]
    for where, address in links + loads(soup):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
        anchor = unquote(parts.fragment)
        if parts.path.startswith("/") or not target.is_relative_to(root):
            problems.append(f"{where} leads out of the book: {address}")
        elif not target.is_file():
            problems.append(f"{where} leads to no file: {target.relative_to(root)}")
        elif anchor and target.suffix == ".html" and anchor not in anchors(target) | {"top"}:
            problems.append(f"{where} leads to no anchor: #{anchor}")
    return problems


def duplicate_ids(soup) -> list[str]:
    counts = Counter(tag["id"] for tag in soup(id=True))
    return [f'id="{key}" occurs {count} times' for key, count in counts.items() if count > 1]


def missing_alt(soup) -> list[str]:
    return [
        f"{tag_text(img)} has no alt text"
        for img in soup("img")
        if img.get("role") not in ("presentation", "none")
        and NO_ALT.search(img.get("alt", "").strip())
    ]


def raw_markup(soup) -> list[str]:
    """Search what a reader sees; the content of code and mathematics may look like markup."""
    soup = BeautifulSoup(str(soup), "html.parser")
    alts = [img.get("alt", "") for img in soup("img")]
    for tag in soup.select("pre, script, style, template, textarea, .math, head > :not(title)"):
        tag.decompose()
    for tag in soup("code"):
        tag.replace_with("`")  # so that {ref} before it is still seen
    text = "\n".join([soup.get_text(), *alts])
    lines = [text[max(0, m.start() - 30) : m.end() + 30].split() for m in RAW.finditer(text)]
    return [f"raw markup in the text: ... {' '.join(words)} ..." for words in lines]


def failures(soup) -> list[str]:
    tags = soup.select(".output.stderr, .output.traceback, .system-message, .problematic")
    texts = soup.find_all(string=re.compile(r"Traceback \(most recent call last\)"))
    return [f"{tag_text(tag)} {tag.get_text()[-200:].strip()}" for tag in tags] + [
        f"{tag_text(text.parent)} shows a traceback" for text in texts
    ]


def headings(soup) -> list[str]:
    """Check the outline on the screen; the theme's heading for print is not part of it."""
    tags = [h for h in soup(re.compile(r"^h[1-6]$")) if not h.find_parent(class_="onlyprint")]
    count = sum(tag.name == "h1" for tag in tags)
    problems = [] if count == 1 else [f"there must be one h1, there are {count}"]
    previous = 0
    for tag in tags:
        level, text = int(tag.name[1]), tag.get_text().strip()
        if level > previous + 1:
            problems.append(f"<{tag.name}> {text!r} follows a heading of level {previous}")
        if not text.strip("#. 0123456789"):
            problems.append(f"<{tag.name}> has no text")
        previous = level
    return problems


def missing_math(soup, source: str) -> list[str]:
    """Compare with the source, code left out: where that has mathematics, so must the page."""
    source = re.sub(
        r"^(`{3,})(?!`|\{).*?^\1|`[^`\n]+`", "", source, flags=re.DOTALL | re.MULTILINE
    )
    if SOURCE_MATH.search(source) and not soup.select(".math"):
        return ["the source has mathematics, the page has no math element"]
    if soup.select(".math") and not soup("script", src=re.compile("mathjax", re.IGNORECASE)):
        return ["there is mathematics, but no script that draws it"]
    return []


def read_source(page: str) -> str:
    """Read the Markdown of a page; pages that Sphinx makes itself have none."""
    path = SOURCE / page
    if (markdown := path.with_suffix(".md")).is_file():
        return markdown.read_text(encoding="utf8")
    if (notebook := path.with_suffix(".ipynb")).is_file():
        cells = json.loads(notebook.read_text(encoding="utf8"))["cells"]
        return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return ""


def toc_pages(node) -> list[str]:
    """List the pages that a table of contents names, at any depth."""
    if isinstance(node, list):
        return [page for child in node for page in toc_pages(child)]
    pages = [node[key] for key in ("root", "file") if key in node]
    for key in ("parts", "chapters", "sections"):
        pages += toc_pages(node.get(key, []))
    return pages


def missing_pages(toc: dict, pages: list[str]) -> list[str]:
    stems = [re.sub(r"\.(md|ipynb|rst)$", "", page) for page in toc_pages(toc)]
    return [f"{stem} of _toc.yml was not built" for stem in stems if f"{stem}.html" not in pages]


# The built book


def test_every_page_of_the_contents_is_there():
    need_book()
    assert not missing_pages(yaml.safe_load((SOURCE / "_toc.yml").read_text()), PAGES)


def test_no_style_sheet_loads_from_elsewhere():
    need_book()
    problems = [
        f"{path.relative_to(HTML)} loads {address}"
        for path in sorted(HTML.rglob("*.css"))
        for address in css_loads(path.read_text(encoding="utf8"))
        if is_third_party(address)
    ]
    assert not problems, "\n".join(problems)


CHECKS = {
    "links": lambda soup, page: broken_links(soup, HTML / page, HTML),
    "ids": lambda soup, page: duplicate_ids(soup),
    "alt": lambda soup, page: missing_alt(soup),
    "third-party": lambda soup, page: third_party(soup),
    "raw": lambda soup, page: raw_markup(soup),
    "failures": lambda soup, page: failures(soup),
    "headings": lambda soup, page: headings(soup),
    "math": lambda soup, page: missing_math(soup, read_source(page)),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("page", PAGES or ["no-page"])
def test_page(page, check):
    need_book()
    problems = CHECKS[check](parse(HTML / page), page)
    assert not problems, f"\n{page}: " + f"\n{page}: ".join(problems)


# Each checker finds what is broken, and lets pass what is not

BROKEN = [
    (duplicate_ids, '<p id="a"></p><i id="a"></i>', 'id="a" occurs 2 times'),
    (missing_alt, "<img src=x>", "no alt"),
    (missing_alt, '<img src=x alt="">', "no alt"),
    (missing_alt, '<img src=x alt="../_images/0f3c.png">', "no alt"),
    (missing_alt, '<img src=x alt="&lt;Figure size 640x480 with 1 Axes&gt;">', "no alt"),
    (third_party, '<script src="https://cdn.invalid/a.js"></script>', "cdn.invalid"),
    (third_party, '<script src="//cdn.invalid/a.js"></script>', "cdn.invalid"),
    (third_party, '<link rel="stylesheet" href="https://a.invalid/s.css">', "a.invalid"),
    (third_party, '<link rel="preload" href="https://a.invalid/f.woff2">', "a.invalid"),
    (third_party, '<link rel="shortcut icon" href="https://a.invalid/i.png">', "a.invalid"),
    (third_party, '<iframe src="https://a.invalid/"></iframe>', "a.invalid"),
    (third_party, '<img srcset="a.png 1x, https://a.invalid/b.png 2x">', "a.invalid/b.png"),
    (third_party, "<video><source src='http://a.invalid/v.mp4'></video>", "a.invalid"),
    (third_party, "<svg><image href='https://a.invalid/i.svg'/></svg>", "a.invalid"),
    (third_party, "<style>@import 'https://a.invalid/a.css';</style>", "a.invalid"),
    (third_party, "<style>p { background: url( https://a.invalid/a.png ) }</style>", "a.png"),
    (third_party, '<p style="background: url(//a.invalid/b.png)"></p>', "b.png"),
    (third_party, '<script type=module>import x from "https://a.invalid/x.js"</script>', "x.js"),
    (third_party, "<script>await import('https://a.invalid/y.js')</script>", "y.js"),
    (third_party, '<script type=importmap>{"imports": {"d": "https://d.invalid"}}</script>', "d."),
    (raw_markup, "<p>see {ref}`sec-a`</p>", "{ref}`"),
    (raw_markup, "<p>has {claim}<code>lenet.params</code> weights</p>", "{claim}`"),
    (raw_markup, "<p>```{note}</p>", "```{note}"),
    (raw_markup, "<p>:::{tip}</p>", ":::{tip}"),
    (raw_markup, "<div>\n:class: dropdown\n</div>", ":class:"),
    (raw_markup, "<p>(sec-a)=</p>", "(sec-a)="),
    (raw_markup, "<p>see [there](#sec-a)</p>", "](#"),
    (raw_markup, "<p>$$ a</p>", "$$"),
    (raw_markup, r"<p>\frac{1}{2}</p>", r"\frac{"),
    (raw_markup, '<img alt="see {numref}`fig-a`">', "{numref}`"),
    (failures, '<div class="output stderr"><pre>UserWarning: x</pre></div>', "UserWarning"),
    (failures, '<div class="output traceback"><pre>KeyError: 1</pre></div>', "KeyError"),
    (failures, "<pre>Traceback (most recent call last)</pre>", "traceback"),
    (headings, "<p>text</p>", "there are 0"),
    (headings, "<h1>A</h1><h1>B</h1>", "there are 2"),
    (headings, "<h1>A</h1><h3>B</h3>", "follows a heading of level 1"),
    (headings, "<h1>A</h1><h2>1.2. <a>#</a></h2>", "no text"),
]
GOOD = r"""<html><head><link rel="next" href="https://a.invalid/next"></head><body>
<div class="onlyprint"><h1>A</h1><h2>Contents</h2></div>
<h1 id="a">A</h1><h2 id="b">B</h2><h3>C</h3><h2>D</h2><a href="https://a.invalid/">out</a>
<img src="x.png" alt="A line that rises"><img src="y.png" alt="" role="presentation">
<script>const text = "read from https://a.invalid"; import("./own.js")</script>
<style>p { background: url("data:image/svg+xml,<svg xmlns='http://a.invalid/svg'/>") }</style>
<pre>```{note} {ref}`x`</pre><code>{ref}`x`</code> the role <code>{ref}</code>, a set {a}, $3
<span class="math">\(\frac{1}{2}\)</span><script src="vendor/mathjax/m.js"></script></body>"""


@pytest.mark.parametrize(("check", "html", "said"), BROKEN)
def test_a_broken_page_is_found(check, html, said):
    problems = check(BeautifulSoup(html, "html.parser"))
    assert len(problems) == 1
    assert said in problems[0]


@pytest.mark.parametrize("check", sorted({check for check, _, _ in BROKEN}, key=str))
def test_a_good_page_is_let_alone(check):
    assert check(BeautifulSoup(GOOD, "html.parser")) == []


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<a href="gone.html">', "no file: one/gone.html"),
        ('<a href="../two.html#gone">', "no anchor: #gone"),
        ('<a href="#gone">', "no anchor: #gone"),
        ('<img src="gone.png">', "no file: one/gone.png"),
        ('<a href="../../out.html">', "out of the book"),
        ('<a href="/two.html">', "out of the book"),
        ('<a href="../two.html#h%C3%A9">', None),
        ('<a href="#here" id="here"><a href="#"><a href="mailto:a@a.invalid">', None),
        ('<a href="https://a.invalid/x#y"><script>import("../two.html")</script>', None),
    ],
)
def test_links_are_followed(tmp_path, html, said):
    page = tmp_path / "one" / "page.html"
    page.parent.mkdir()
    page.write_text(html, encoding="utf8")
    (tmp_path / "two.html").write_text('<p id="hé"></p>', encoding="utf8")
    problems = broken_links(parse(page), page, tmp_path)
    assert len(problems) == (said is not None)
    assert said is None or said in problems[0]


def test_mathematics_that_got_lost_is_found():
    pages = ("<p class=math>x</p><script src=mathjax.js></script>", "<p>x", "<p class=math>x")
    with_math, without, undrawn = (BeautifulSoup(page, "html.parser") for page in pages)
    for source in ("area $x^2$", "$$\nx\n$$", "```{math}\nx\n```", r"\begin{align} x \end{align}"):
        assert missing_math(without, source)
        assert not missing_math(with_math, source)
    assert not missing_math(without, "`$x$` and\n```bash\necho $A $B\n```\n costs \\$1 or \\$2")
    assert missing_math(without, "````{note}\n```bash\nls\n```\n$x$\n````")
    assert missing_math(undrawn, "")


def test_a_page_left_out_is_found():
    toc = {"root": "index", "parts": [{"chapters": [{"file": "a", "sections": [{"file": "b"}]}]}]}
    assert missing_pages(toc, ["index.html", "a.html", "b.html"]) == []
    assert missing_pages(toc, ["index.html", "a.html"]) == ["b of _toc.yml was not built"]
    assert missing_pages({"root": "i", "chapters": [{"file": "c.md"}]}, ["i.html", "c.html"]) == []

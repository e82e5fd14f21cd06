"""The built book: every link resolves, every picture has a text, no raw markup is left.

The checks are in page_checks.py; broken pages prove that each finds its fault. What a page
loads from elsewhere, and its headings, are checked in a browser.
"""

import xml.etree.ElementTree as ET
from itertools import takewhile

import built
import notebooks
import pytest
import shorter
from bs4 import BeautifulSoup
from built import HTML, ROOT, parse
from page_checks import (
    ADDRESS,
    CHECKS,
    SITE_MB,
    broken_links,
    duplicate_ids,
    failures,
    loose_percent_signs,
    missing_alt,
    raw_markup,
)

pytestmark = pytest.mark.book


def test_every_page_passes(book):
    problems = [
        f"{page}, {name}: {problem}"
        for page in book.PAGES
        for name, check in CHECKS.items()
        for problem in check(parse(HTML / page), page)
    ]
    assert not problems, "\n".join(problems)


def test_every_page_of_the_contents_is_built_and_in_the_sitemap(book):
    pages = {f"{page}.html" for page in notebooks.reading_order()}
    assert pages == set(book.PAGES) - built.WITHOUT_TEXT
    tree = ET.parse(HTML / "sitemap.xml")
    found = [element.text for element in tree.iter() if element.tag.endswith("loc")]
    assert sorted(found) == sorted(ADDRESS + page for page in pages)
    assert f"Sitemap: {ADDRESS}sitemap.xml" in (HTML / "robots.txt").read_text(encoding="utf8")


def test_an_old_address_leads_to_its_page(book):
    redirects = sorted((ROOT / "_redirects").rglob("*.html"))
    assert redirects
    for path in redirects:
        copied = HTML / path.relative_to(ROOT / "_redirects")
        (target,) = {a["href"] for a in parse(copied).find_all("a")}
        assert f"0; url={target}" in copied.read_text(encoding="utf8")
        assert (copied.parent / target).relative_to(HTML).as_posix() in book.PAGES


def test_the_site_is_small_and_its_index_lists_the_glossary(book):
    assert sum(path.stat().st_size for path in HTML.rglob("*") if path.is_file()) < SITE_MB * 1e6
    text = parse(HTML / "genindex.html").get_text()
    assert {"receptive field", "weight decay", "residual block"} <= set(text.splitlines())


def test_every_term_of_the_glossary_occurs_on_the_page_that_it_names(book):
    page = HTML / "chapters/glossary.html"
    missing = []
    for entry in parse(page).select("dl.glossary > dd"):
        names = takewhile(lambda before: before.name == "dt", entry.find_previous_siblings())
        terms = [name.find(string=True).strip() for name in names]
        stems = {max(term.split(), key=len)[:6].lower() for term in terms}  # "occlus", of a map
        for link in entry.select("a.reference.internal:not([href^='#'])"):
            path = page.parent / link["href"].partition("#")[0]
            text = parse(path).find("article").get_text().lower()
            if not any(stem in text for stem in stems):
                missing.append(f"{terms}: {path.name}")
    assert not missing


@pytest.mark.skipif(bool(shorter.REMOVED), reason="a removed page may be the one that cites")
def test_every_source_names_a_page_that_cites_it(book):
    page = HTML / "references.html"
    sources = parse(page).select("article li")
    assert len(sources) > 50
    for source in sources:
        _, _, cited = source.get_text().partition(" Cited in ")
        link = source.find("a", string=cited.rstrip(".").split(", ")[0])
        family = source.get_text().split(",")[0].split(".")[0].split()[-1]
        article = parse(page.parent / link["href"]).find("article").get_text()
        assert family in article, source


# Each check finds what is broken, and accepts what is not

BROKEN = [
    (duplicate_ids, '<p id="a"></p><i id="a"></i>', 'id="a" occurs 2 times'),
    (missing_alt, "<img src=x>", "no alt"),
    (missing_alt, '<img src=x alt="">', "no alt"),
    (missing_alt, '<svg class="drawing" role="img"></svg>', "no alt"),
    (missing_alt, '<img src=x alt="../_images/0f3c.png">', "no alt"),
    (missing_alt, '<img src=x alt="&lt;Figure size 640x480 with 1 Axes&gt;">', "no alt"),
    (raw_markup, "<p>see {ref}`sec-a`</p>", "{ref}`"),
    (raw_markup, "<p>has {claim}<code>lenet.params</code> weights</p>", "{claim}`"),
    (raw_markup, "<p>```{note}</p>", "```{note}"),
    (raw_markup, "<div>\n:class: dropdown\n</div>", ":class:"),
    (raw_markup, "<p>(sec-a)=</p>", "(sec-a)="),
    (raw_markup, "<p>see [there](#sec-a)</p>", "](#"),
    (raw_markup, "<p>a note[^one]</p>", "[^one]"),
    (raw_markup, r"<p>\frac{1}{2}</p>", r"\frac{"),
    (raw_markup, "<p>the area $x^2$</p>", "$x^2$"),
    (raw_markup, '<img alt="see {numref}`fig-a`">', "{numref}`"),
    (loose_percent_signs, "<p>about 5\n%</p>", "begin with %"),
    (failures, '<div class="output stderr"><pre>UserWarning: x</pre></div>', "UserWarning"),
    (failures, "<pre>Traceback (most recent call last)</pre>", "traceback"),
]
GOOD = r"""<html><head><link rel="next" href="https://a.invalid/next"></head><body>
<h1 id="a">A</h1><h2 id="b">B</h2><a href="https://a.invalid/">out</a>
<img src="x.png" alt="A line that rises"><img src="y.png" alt="" role="presentation">
<pre>```{note} {ref}`x`</pre><code>{ref}`x`</code> the role <code>{ref}</code>, a set {a}, $3 or $4
<span class="math">\(\frac{1}{2}\)</span></body>"""


def test_a_broken_page_is_found_and_a_good_one_passes():
    for check, html, message in BROKEN:
        (problem,) = check(BeautifulSoup(html, "html.parser"))
        assert message in problem
    good = BeautifulSoup(GOOD, "html.parser")
    assert not [problem for check in {case[0] for case in BROKEN} for problem in check(good)]


LINKS = [  # on the page one/page.html beside two.html; what is wrong with it
    ('<a href="gone.html">', "no file: one/gone.html"),
    ('<a href="../two.html#gone">', "no anchor: #gone"),
    ('<a href="#gone">', "no anchor: #gone"),
    ('<img src="gone.png">', "no file: one/gone.png"),
    ("<svg><image href='gone.svg'/></svg>", "no file: one/gone.svg"),
    ('<link rel="stylesheet" href="gone.css">', "no file: one/gone.css"),
    ('<a href="../../out.html">', "out of the book"),
    ('<a href="/two.html">', "out of the book"),
    ('<a href="../two.html#h%C3%A9">', None),
    ('<a href="#here" id="here"><a href="#"><a href="mailto:a@a.invalid">', None),
    ('<a href="https://a.invalid/x#y"><script src="data:,"></script>', None),
]


def test_links_are_followed(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two.html").write_text('<p id="hé"></p>', encoding="utf8")
    for number, (html, message) in enumerate(LINKS):
        page = tmp_path / "one" / f"{number}.html"
        page.write_text(html, encoding="utf8")
        problems = broken_links(parse(page), page, tmp_path)
        assert len(problems) == (message is not None), html
        assert message is None or message in problems[0]

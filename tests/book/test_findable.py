"""What makes a page findable: sitemap, addresses, cards, last run, links to the glossary."""

import re
import xml.etree.ElementTree as ET

import findable
import pytest
import terms
import test_book
import yaml
from docutils import nodes
from sphinx.errors import ExtensionError

each_page = pytest.mark.parametrize("page", test_book.PAGES or ["no-page"])
SPECIAL = {"genindex.html", "search.html"}  # made by Sphinx, without text of ours
REPOSITORY = yaml.safe_load((test_book.ROOT / "_config.yml").read_text())["repository"]["url"]
ADDRESS = findable.site_address(REPOSITORY)


def meta(soup) -> dict[str, str]:
    tags = soup.head("meta", content=True)
    return {tag.get("property") or tag.get("name"): tag["content"] for tag in tags}


def test_the_site_stands_where_pages_publishes_the_repository():
    assert (
        findable.site_address("https://github.com/Ada/vision") == "https://ada.github.io/vision/"
    )


@pytest.mark.parametrize(
    "address", ["http://github.com/a/b", "https://github.com/a", "https://gitlab.com/a/b", ""]
)
def test_another_address_is_refused(address):
    with pytest.raises(ExtensionError, match="must be https://github.com/OWNER/NAME, got"):
        findable.site_address(address)


def test_the_sitemap_lists_every_page_once():
    test_book.need_book()
    tree = ET.parse(test_book.HTML / "sitemap.xml")
    found = [element.text for element in tree.iter() if element.tag.endswith("loc")]
    expected = [ADDRESS + page for page in test_book.PAGES if page not in SPECIAL]
    assert sorted(found) == sorted(expected)


@each_page
def test_a_page_has_a_description_a_card_and_its_address(page):
    test_book.need_book()
    soup = test_book.parse(test_book.HTML / page)
    if page in SPECIAL:
        return
    tags = meta(soup)
    assert len(tags["description"]) > 20
    assert tags["og:title"]
    assert tags["og:url"] == ADDRESS + page
    assert soup.find("link", rel="canonical")["href"] == ADDRESS + page
    card = test_book.HTML / tags["og:image"].removeprefix(ADDRESS)
    assert card.is_file()
    assert card.stat().st_size < 150_000


@each_page
def test_a_notebook_says_when_it_ran_and_no_other_page_does(page):
    test_book.need_book()
    lines = test_book.parse(test_book.HTML / page)(class_="last-run")
    is_notebook = (test_book.ROOT / page).with_suffix(".ipynb").is_file()
    assert len(lines) == is_notebook
    for line in lines:
        text = r"Last run on \d+ \w+ 20\d\d in under \d+ s, with torch [\d.]+\S*, on a CPU\."
        assert re.fullmatch(text, line.get_text())


def test_the_chapters_link_to_the_glossary():
    test_book.need_book()
    pages = [page for page in test_book.PAGES if re.match(r"chapters/\d\d_", page)]
    for page in pages:
        links = test_book.parse(test_book.HTML / page)(class_="term-link")
        assert len(links) >= 5, page
        targets = [link["href"] for link in links]
        assert len(targets) == len(set(targets)), f"{page} links a term twice"
        assert all(len(link["title"]) > 20 for link in links), page


def linked(text: str, *names: str) -> list[tuple[str, str]]:
    """What `_with_links` makes of a text: (text, target) with "" where there is no link."""
    left = {name: (f"term-{name}", "") for name in names}
    parts = terms._with_links(text, names, left, "glossary.html")
    return [
        (part.astext(), part.get("refuri", ""))
        for part in parts
        if isinstance(part, nodes.reference)
    ]


def test_the_longest_term_wins_and_each_is_linked_once():
    found = linked("A dense layer, Layers, two dense layers; overlayer.", "layer", "dense layer")
    assert found == [
        ("dense layer", "glossary.html#term-dense layer"),
        ("Layers", "glossary.html#term-layer"),
    ]


def test_a_term_in_a_longer_term_is_not_linked():
    names = ("batch", "batch normalisation")
    parts = terms._with_links("Batch normalisation.", names, {"batch": ("term-batch", "")}, "")
    assert not any(isinstance(part, nodes.reference) for part in parts)


def test_an_abbreviation_keeps_its_capitals():
    assert linked("On a Mac.", "MAC") == []
    assert linked("Two MACs.", "MAC") == [("MACs", "glossary.html#term-MAC")]


@pytest.mark.parametrize("outer", [nodes.paragraph, nodes.table, nodes.footnote])
def test_tables_and_footnotes_hold_no_links(outer):
    text = nodes.Text("a layer")
    outer("", nodes.entry("", nodes.paragraph("", "", text)))
    assert terms._closed(text) == (outer is not nodes.paragraph)


def test_a_part_of_a_word_is_no_term():
    assert linked("batch-size, minibatch and batching", "batch") == []


def test_the_index_lists_the_terms_of_the_glossary():
    test_book.need_book()
    text = test_book.parse(test_book.HTML / "genindex.html").get_text()
    for term in ("receptive field", "weight decay", "residual block"):
        assert term in text


def test_the_changelog_is_a_page():
    test_book.need_book()
    assert "CHANGELOG.html" in test_book.PAGES

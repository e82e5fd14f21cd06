"""What the built book offers beside its pages: Colab, and live figures that survive printing."""

import notebooks
import test_book
import yaml

HTML = test_book.HTML
CONFIG = yaml.safe_load((test_book.ROOT / "_config.yml").read_text(encoding="utf8"))
COLAB = CONFIG["launch_buttons"]["colab_url"]
UNSEEN = """() => [...document.querySelectorAll(".dlv-live-fallback")]
    .filter((fallback) => !fallback.checkVisibility() || !fallback.textContent.trim()).length"""
SEEN_STAGES = """() => [...document.querySelectorAll(".dlv-live-stage")]
    .filter((stage) => stage.checkVisibility()).length"""


def badges(page: str) -> list[str]:
    """List the links to Colab of a page."""
    links = [a["href"] for a in test_book.parse(HTML / page)("a", href=True)]
    return sorted({link for link in links if link.startswith(COLAB)})


def test_a_page_that_is_a_notebook_opens_itself_on_colab_and_no_other_page_does():
    test_book.need_book()
    host, path = CONFIG["repository"]["url"].rsplit(".com/", 1)
    assert host.endswith("github")
    where = f"{COLAB}/github/{path}/blob/{CONFIG['repository']['branch']}"
    names = [p.relative_to(test_book.ROOT).as_posix() for p in notebooks.book_notebooks()]
    expected = {name.replace(".ipynb", ".html"): [f"{where}/{name}"] for name in names}
    found = {page: links for page in test_book.PAGES if (links := badges(page))}
    assert found == {page: expected[page] for page in expected if page in test_book.PAGES} != {}


def test_a_live_figure_gives_way_to_its_table_on_paper(browser):
    test_book.need_book()
    pages = [p for p in test_book.PAGES if "dlv-live-fallback" in (HTML / p).read_text("utf8")]
    assert pages
    tab = browser.new_page()
    for page in pages:
        tab.emulate_media(media="screen")
        tab.goto((HTML / page).as_uri())
        tab.wait_for_function("document.querySelector('.dlv-live[data-mounted]')")
        assert tab.evaluate(SEEN_STAGES), page
        tab.emulate_media(media="print")
        assert (tab.evaluate(UNSEEN), tab.evaluate(SEEN_STAGES)) == (0, 0), page

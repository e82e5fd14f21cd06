"""What the theme and the live figures offer works on the built book, under the pages' policy."""

import browsing
import pytest
import test_book

WATCH_PRINT = "window.print = () => { document.documentElement.dataset.printed = 'yes'; }"
MODE = "document.documentElement.dataset.mode"


@pytest.fixture(params=["disk", "server"])
def address(request):
    """The book's address, from the disk and from a server."""
    test_book.need_book()
    if request.param == "disk":
        return test_book.HTML.as_uri()
    return request.getfixturevalue("server").address


@pytest.fixture
def quiet(browser, address):
    """Opens a page that holds a text, or a named one; at the end nothing may have gone wrong."""
    tabs = []

    def opened(text: str = "", *, page: str = ""):
        page = page or next(
            page for page in test_book.PAGES if text in (test_book.HTML / page).read_text("utf8")
        )
        tabs.append(browsing.opened(browser, f"{address}/{page}"))
        tab, problems = tabs[-1].__enter__()
        opened.problems = problems
        return tab

    yield opened
    for tab in tabs:
        tab.__exit__(None, None, None)
    assert opened.problems == []


def test_the_search_box_leads_to_pages_that_hold_the_word(quiet):
    tab = quiet(page="index.html")
    tab.locator(".search-button-field").first.click()
    tab.locator("#pst-search-dialog input").fill("softmax")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/search.html?q=softmax")
    found = tab.locator("#search-results li a").first
    found.wait_for()
    tab.wait_for_load_state("networkidle")
    found.click()
    tab.wait_for_load_state()
    assert "softmax" in tab.locator("main").inner_text().lower()


def test_results_from_a_server_show_the_words_around(browser, server):
    with browsing.opened(browser, f"{server.address}/search.html?q=softmax") as (tab, problems):
        summary = tab.locator("#search-results li .context").first
        summary.wait_for()
        assert "softmax" in summary.inner_text().lower()
    assert problems == []


def test_the_theme_switch_goes_through_its_modes_and_is_remembered(quiet):
    tab = quiet(page="index.html")
    seen = [tab.evaluate(MODE)]
    for _ in range(3):
        tab.locator(".theme-switch-button").first.click()
        seen.append(tab.evaluate(MODE))
    assert sorted(seen[:3]) == ["auto", "dark", "light"] and seen[3] == seen[0]
    assert tab.evaluate("localStorage.getItem('mode')") == seen[3]


def test_a_folded_box_unfolds(quiet):
    tab = quiet("dropdown admonition")
    box, button = tab.locator(".admonition.toggle").first, tab.locator(".toggle-button").first
    assert button.get_attribute("aria-expanded") == "false"
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert box.locator("p, div").last.is_visible()


def test_code_is_copied(quiet):
    tab = quiet('class="highlight')
    tab.evaluate(browsing.UNFOLD)
    tab.evaluate("document.addEventListener('copy', (e) => { window.copied = true; })")
    button = tab.locator(".copybtn").first
    button.press("Enter")
    tab.locator(".copybtn.success").wait_for(state="attached")
    assert button.get_attribute("data-tooltip") == "Copied!"
    assert tab.evaluate("window.copied")


def test_the_buttons_for_print_and_for_the_full_screen_work(quiet):
    tab = quiet('data-does="print"')
    tab.evaluate(WATCH_PRINT)
    tab.locator(".dropdown-download-buttons > button").first.click()
    tab.locator("[data-does='print']").first.click()
    assert tab.evaluate("document.documentElement.dataset.printed") == "yes"
    tab.locator("[data-does='full-screen']").first.click()
    tab.locator("html:fullscreen").wait_for(state="attached")


def test_a_live_figure_answers_the_keyboard(quiet):
    tab = quiet('data-live="softmax"')
    figure = tab.locator("[data-live='softmax']").first
    slider = figure.locator("input[type='range']")
    before = figure.locator("output").inner_text()
    slider.press("ArrowRight")
    assert figure.locator("output").inner_text() != before
    assert not figure.locator(".dlv-live-fallback").is_visible()


def test_every_live_figure_is_drawn(quiet):
    """Where a script failed or was refused, the reader would see the fallback only."""
    pages = [p for p in test_book.PAGES if "data-live=" in (test_book.HTML / p).read_text("utf8")]
    for page in pages:
        tab = quiet(page=page)
        assert tab.locator("[data-live]:not([data-mounted])").count() == 0
        assert quiet.problems == []
    assert pages

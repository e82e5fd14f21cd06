"""What the theme and the live figures offer works on the built book, from the disk."""

import io

import browsing
import numpy as np
import pytest
import shorter
from PIL import Image

pytestmark = [pytest.mark.book, pytest.mark.browser, pytest.mark.slow]

WATCH_PRINT = "window.print = () => { document.documentElement.dataset.printed = 'yes'; }"
MODE = "document.documentElement.dataset.mode"
DENY_STORAGE = """for (const name of ["localStorage", "sessionStorage"])
    Object.defineProperty(window, name, { configurable: true,
        get() { throw new DOMException("denied", "SecurityError"); } });"""
NARROW = """async () => {
    await MathJax.startup.promise;
    const box = document.querySelector("mjx-container[display='true']");
    box.style.maxWidth = "60px";
    window.dispatchEvent(new Event("resize"));
    return [getComputedStyle(box).backgroundImage, box.tabIndex];
}"""

# Lightness of a text in a figure, from 0 to 1.
LIGHTNESS = """(text) => {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = getComputedStyle(text).fill;
    probe.fillRect(0, 0, 1, 1);
    return probe.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, part) => sum + part) / 765;
}"""
ICONS = """() => [...document.querySelectorAll(".bd-header-article :is(button, a.btn)")]
    .filter((e) => e.checkVisibility() && !e.closest(".dropdown-menu")).length"""


@pytest.fixture
def address(book):
    return book.HTML.as_uri()


@pytest.fixture
def quiet(browser, address, book):
    """Opens a page that holds a text, or a named one; at the end nothing may have gone wrong."""
    with browsing.watched(browser) as (tab, problems):

        def opened(text: str = "", *, page: str = ""):
            tab.goto(f"{address}/{page or book.holding(text)[0]}")
            return tab

        yield opened
        assert problems == []


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


@pytest.mark.parametrize("storage", ["allowed", "denied"])
def test_the_theme_switch_goes_through_its_modes(browser, address, storage):
    with browsing.watched(browser) as (tab, problems):
        if storage == "denied":
            tab.add_init_script(f"try {{ localStorage.clear() }} catch {{}}; {DENY_STORAGE}")
        tab.goto(f"{address}/index.html")
        seen = [tab.evaluate(MODE)]
        for _ in range(3):
            tab.locator(".theme-switch-button").first.click()
            seen.append(tab.evaluate(MODE))
        assert sorted(seen[:3]) == ["auto", "dark", "light"] and seen[3] == seen[0]
        assert tab.evaluate("localStorage.getItem('mode')") == seen[3]
    assert problems == []


def test_a_page_unfolds_answers_scrolls_prints_and_copies(quiet):
    shorter.page("chapters/02_softmax")
    tab = quiet(page="chapters/02_softmax.html")
    box = tab.locator("details.sd-dropdown").first
    assert not box.locator(".sd-summary-content").is_visible()
    box.locator("summary").press("Enter")
    assert box.locator(".sd-summary-content").is_visible()

    figure = tab.locator("[data-live='softmax']").first
    before = figure.locator("output").inner_text()
    figure.locator("input[type='range']").press("ArrowRight")
    figure.locator("output").filter(has_not_text=before).wait_for()
    assert not figure.locator(".dlv-live-fallback").is_visible()

    image, tab_index = tab.evaluate(NARROW)
    assert "gradient" in image and tab_index == 0

    tab.evaluate(WATCH_PRINT)
    tab.locator(".dropdown-download-buttons > button").first.click()
    tab.locator("[onclick='window.print()']").first.click()
    assert tab.evaluate("document.documentElement.dataset.printed") == "yes"
    tab.locator("[onclick='toggleFullScreen()']").first.click()
    tab.locator("html:fullscreen").wait_for(state="attached")

    tab.evaluate(browsing.UNFOLD)
    tab.evaluate("document.addEventListener('copy', (e) => { window.copied = true; })")
    tab.evaluate("() => { window.setTimeout = () => 0; }")  # what says so stays
    button = tab.locator(".copybtn").first
    button.press("Enter")
    tab.locator(".copybtn.success").wait_for(state="attached")
    assert button.get_attribute("data-tooltip") == "Copied!"
    assert tab.evaluate("window.copied")


def test_the_side_bar_is_open_where_the_reader_is_and_a_phone_shows_few_icons(quiet, book):
    for page in ("index.html", book.chapters()[0], book.chapters()[-1]):
        tab = quiet(page=page)
        tab.set_viewport_size({"width": 1280, "height": 640})
        tab.reload()
        assert tab.locator(".parts details[open]").count() == 1
        current = tab.locator(".parts [aria-current]")
        place = current.bounding_box()
        assert place["y"] >= 0 and place["y"] + place["height"] <= 640
        assert page in current.evaluate("link => link.href")
        tab.set_viewport_size({"width": 390, "height": 844})
        assert tab.evaluate(ICONS) <= 4


def test_figures_follow_the_theme_and_not_the_system(quiet):
    shorter.page("chapters/01_task")
    text = quiet('class="drawing').locator(".drawing text").first
    tab = text.page
    for system in ("light", "dark"):
        tab.emulate_media(color_scheme=system)
        for theme, is_light in (("light", False), ("dark", True)):
            browsing.set_scheme(tab, theme)
            assert (text.evaluate(LIGHTNESS) > 0.5) is is_light
    diagram = quiet("01_pipeline.svg").locator("img[src$='01_pipeline.svg']")
    for system in ("light", "dark"):
        tab.emulate_media(color_scheme=system)
        shown = []
        for theme in ("light", "dark"):
            browsing.set_scheme(tab, theme)
            picture = Image.open(io.BytesIO(diagram.screenshot())).convert("L")
            shown.append(np.asarray(picture).mean())
        assert shown[0] > 200 and shown[1] < 80


def test_the_browser_refuses_what_would_come_from_another_host(browser, address):
    with (
        browsing.opened(browser, f"{address}/index.html") as (tab, problems),
        tab.expect_console_message(lambda message: "a.invalid" in message.text),
    ):
        tab.evaluate("() => { new Image().src = 'https://a.invalid/x.png'; }")
    assert any("Content Security Policy" in problem for problem in problems), problems

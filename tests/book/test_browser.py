"""Every page in a real browser, from the disk and from a server: quiet, drawn, for every reader.

Each page is opened once, on a phone in the dark, and then becomes a desktop in the light.
"""

import re
from pathlib import Path

import accessibility
import browsing
import pytest
import screenshots

pytestmark = [pytest.mark.book, pytest.mark.browser, pytest.mark.slow]

PHONE, DESKTOP = 390, 1280
IN_THE_DARK: set[str] = set()  # the looks whose colours have been checked
IN_THE_LIGHT: set[str] = set()
PARTS = 4  # so that processes share the pages
# The names of scripts and style sheets in the HTML of a page, which holds its live figures
LOADED = re.compile(r'[\w.-]+\.(?:js|css)(?=[?"])|data-live')
# A phone hides them, and they are the same on every page.
SIDEBARS = [".bd-sidebar-primary", ".bd-sidebar-secondary"]
DRAW = """async () => {
    (UNFOLD)();
    await (READY)();
    const unformed = [...document.querySelectorAll(".math")].filter(
        (math) => !math.querySelector("mjx-container") || math.querySelector("mjx-merror"));
    const empty = [...document.images].filter((image) => !image.naturalWidth);
    const cut = [...document.querySelectorAll("main :is(mjx-math, pre, table)")].filter(
        (e) => {
            const { right } = e.getBoundingClientRect();
            for (let box = e; box.tagName !== "MAIN"; box = box.parentElement) {
                const { overflowX } = getComputedStyle(box);
                if (/auto|scroll/.test(overflowX)) return false;
                const end = box === e ? right - e.scrollWidth + e.clientWidth
                    : box.getBoundingClientRect().right;
                if (overflowX !== "visible" && right > end + 1) return true;
            }
            return false;
        });
    return [unformed.map((math) => math.textContent.trim().slice(0, 80)),
        cut.map((e) => e.outerHTML.slice(0, 160)),
        empty.map((image) => image.outerHTML.slice(0, 160)),
        document.documentElement.scrollWidth];
}""".replace("UNFOLD", browsing.UNFOLD).replace("READY", screenshots.READY)
SHOWN = """() => [...document.querySelectorAll("[data-live]")].map((figure) => {
    const parts = figure.querySelectorAll(".dlv-live-stage, .dlv-live-fallback");
    const shown = [...parts].filter((part) => part.checkVisibility() && part.textContent.trim());
    return "mounted" in figure.dataset ? shown.map((part) => part.className) : ["nothing"];
})"""
# Elements that end right of the screen, but for those in a box that scrolls or cuts them off.
WIDEST = """(limit) => {
    const kept = (element) => {
        const box = element.parentElement;
        if (!box || box === document.body) return false;
        return getComputedStyle(box).overflowX !== "visible" || kept(box);
    };
    const right = (element) => element.getBoundingClientRect().right + scrollX;
    const wide = [...document.body.querySelectorAll("*")].filter((e) => right(e) > limit + 0.5)
        .filter((e) => getComputedStyle(e).position !== "fixed" && !kept(e))
        .sort((a, b) => right(b) - right(a));
    return wide.slice(0, 3).map((e) => `ends at ${Math.round(right(e))} px: `
        + e.outerHTML.slice(0, 100).replace(/\\s+/g, " "));
}"""


def undrawn(page, width: int) -> list[str]:
    """Unfold and draw an open page; list what is missing or too wide for the screen."""
    unformed, cut, empty, wide = page.evaluate(DRAW)
    problems = [f"equation not drawn: {text}" for text in unformed]
    problems += [f"cut off: {text}" for text in cut]
    problems += [f"image not drawn: {text}" for text in empty]
    if wide > width:
        widest = "; ".join(page.evaluate(WIDEST, width)) or "no single element found"
        problems.append(f"{wide} px wide on a screen of {width} px: {widest}")
    return problems


def look(browser, addresses, check, *, width: int = 1280, scheme: str = "light") -> list[str]:
    """Open the pages one after the other in one tab; returns what went wrong, with the page."""
    found = []
    with browsing.watched(browser, width=width, scheme=scheme) as (tab, problems):
        for address in addresses:
            tab.goto("about:blank")  # which is quick to lay out again
            browsing.set_width(tab, width)
            tab.emulate_media(media="screen")
            problems.clear()
            tab.goto(address)
            for problem in [*undrawn(tab, width), *check(tab), *problems]:
                found.append(f"{address}: {problem}")
    return found


def nothing_more(tab) -> list[str]:
    return []


def live_figures(tab) -> list[str]:
    """Each is drawn, and gives way to its table on paper; a failed script leaves the table."""
    problems = []
    if not tab.evaluate(SHOWN):
        return problems
    for media, expected in (("screen", "dlv-live-stage"), ("print", "dlv-live-fallback")):
        tab.emulate_media(media=media)
        problems += [
            f"a live figure shows {seen} on {media}"
            for seen in tab.evaluate(SHOWN)
            if seen != [expected]
        ]
    return problems


def on_a_phone_and_on_a_desktop(tab) -> list[str]:
    """Check a page opened on a phone in the dark, then on a desktop in the light.

    The phone meets every rule of axe-core; the desktop the colours, and what only it shows.
    """
    problems = accessibility.broken_rules(tab, known=IN_THE_DARK)
    browsing.set_width(tab, DESKTOP)
    browsing.set_scheme(tab, "light")
    problems += undrawn(tab, DESKTOP)
    problems += accessibility.motion(tab)
    problems += accessibility.unseen_focus(tab)
    problems += accessibility.skip_link(tab)
    if tab.url.endswith("/index.html"):
        problems += accessibility.broken_rules(tab)
        browsing.set_scheme(tab, "dark")
        problems += accessibility.broken_rules(tab, rules=browsing.COLOURS, within=SIDEBARS)
    else:
        problems += accessibility.broken_rules(
            tab, rules=browsing.COLOURS, within=["main"], known=IN_THE_LIGHT
        )
    return problems + live_figures(tab)  # the last, as it leaves the page as printed


@pytest.mark.parametrize("part", range(PARTS))
def test_pages_from_the_disk(browser, book, part):
    # 404.html loads its parts from the address where the site is published.
    pages = [page for page in book.PAGES if page != "404.html"][part::PARTS]
    addresses = [(book.HTML / page).as_uri() for page in pages]
    found = look(browser, addresses, on_a_phone_and_on_a_desktop, width=PHONE, scheme="dark")
    assert not found, "\n".join(found)


def test_pages_from_a_server(browser, book, server):
    """Pages enough to load each script and each style sheet once, with a live figure."""
    loads = {
        page: set(LOADED.findall((book.HTML / page).read_text("utf8"))) for page in book.PAGES
    }
    del loads["404.html"]
    chosen, loaded = [], set()
    for page in sorted(loads, key=lambda page: -len(loads[page])):
        if not loads[page] <= loaded:
            chosen.append(page)
            loaded |= loads[page]
    found = look(browser, [f"{server.address}/{page}" for page in chosen], nothing_more)
    assert not found, "\n".join(found)


# Each fault is found in a page that has them all, and none in a page without

FIGURE = "<div data-live='x' data-mounted>"
FAULTS = {
    "asks another host: http://a.invalid/x": "<script>fetch('http://a.invalid/x')</script>",
    "request failed: .*gone.js": "<script src='gone.js'></script>",
    "request failed: .*gone.css": "<link rel='stylesheet' href='gone.css'>",
    "image not drawn: <img src": "<img src='gone.png' alt='gone' loading='lazy'>",
    "console error: oops": "<script>console.error('oops')</script>",
    "page error: oops": "<script>throw new Error('oops')</script>",
    "cut off: <pre": "<main><pre style='overflow: hidden'>" + 90 * "x" + "</pre></main>",
    'cut off: <table id="c"': (
        "<main><div style='overflow: clip'>"
        "<table id='c' style='width: 800px'></table></div></main>"
    ),
    "cut off: <mjx-math": (
        "<main><div style='overflow: hidden'><span class='math'><mjx-container>"
        "<mjx-math style='display: block; width: 700px'>x</mjx-math></mjx-container></span>"
        "</div></main>"
    ),
    "equation not drawn: x": "<span class='math'>x</span>",
    "equation not drawn: y": "<i class=math><mjx-container><mjx-merror>y</mjx-merror></i>",
    '390 px: .*ends at 9.. px: <p id="a"': "<p id='a' style='width: 900px'>x</p>",
    '15.. px wide .* 390 px: ends at 15.. px: <p id="b"': (
        "<main><details><p id='b' style='width: 1500px'>x</p></details></main>"
    ),
    r"a live figure shows \['nothing'\] on screen": "<div data-live='x'></div>",
    r"shows \['dlv-live-fallback'\] on screen": f"{FIGURE}<p class=dlv-live-fallback>1</p></div>",
    r"shows \['dlv-live-stage'\] on print": f"{FIGURE}<p class=dlv-live-stage>1</p></div>",
}
GOOD = f"""<a href="https://a.invalid/">out</a> <img alt="a square" src="square.svg">
<div style="overflow: auto"><p style="width: 900px">scrolls in its box</p></div>
<span class="math"><mjx-container>x</mjx-container></span><script>console.log("fine")</script>
<style>@media print {{ .dlv-live-stage {{ display: none }} }}</style>{FIGURE}
<p class="dlv-live-stage">1</p>
<style>@media screen {{ .dlv-live-fallback {{ display: none }} }}</style>
<p class="dlv-live-fallback">1</p></div>"""


def look_at(browser, folder: Path, body: str) -> list[list[str]]:
    """Open a page with this body, from the disk and from a server; list what goes wrong."""
    head = '<!doctype html><meta charset="utf8"><link rel="icon" href="data:,">'
    square = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    (folder / "square.svg").write_text(square)
    path = folder / "page.html"
    path.write_text(f"{head}<body>{body}", encoding="utf8")
    with browsing.Server(folder) as server:
        addresses = [path.as_uri(), f"{server.address}/{path.name}"]
        return [look(browser, [address], live_figures, width=PHONE) for address in addresses]


def test_each_fault_is_found_from_disk_and_from_a_server(browser, tmp_path):
    for problems in look_at(browser, tmp_path, "".join(FAULTS.values())):
        for fault in FAULTS:
            assert any(re.search(fault, problem) for problem in problems), (fault, problems)


def test_a_page_without_fault_passes(browser, tmp_path):
    assert look_at(browser, tmp_path, GOOD) == [[], []]

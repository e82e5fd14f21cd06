"""Every page in a real browser, from the disk and from a server: quiet, drawn, never too wide."""

import functools
import http.server
import os
import re
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import test_book

sys.path.insert(0, str(test_book.ROOT / "tools"))

import screenshots

PHONE = 390
# What a reader can unfold is unfolded before the page is measured.
UNFOLD = """() => {
    for (const fold of document.querySelectorAll("main details")) fold.open = true;
    for (const fold of document.querySelectorAll(".toggle-hidden"))
        fold.classList.remove("toggle-hidden");
    document.head.insertAdjacentHTML("beforeend",
        "<style>.sd-tab-content { display: block !important }</style>");
}"""
UNDRAWN = """() => [...document.querySelectorAll(".math")]
    .filter((math) => !math.querySelector("mjx-container") || math.querySelector("mjx-merror"))
    .map((math) => math.textContent.trim().slice(0, 80))"""
EMPTY_IMAGES = """() => [...document.images].filter((image) => !image.naturalWidth)
    .map((image) => image.outerHTML.slice(0, 160))"""
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


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Serves one folder on a free port of this machine, until its block is left."""

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        return self

    def __exit__(self, *arguments):
        self.shutdown()
        self.thread.join()
        super().__exit__(*arguments)


@pytest.fixture(scope="module")
def browser():
    """One window for all pages; a test opens its own tab in it."""
    chromium = screenshots.find_chromium()
    if chromium is None:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"no browser found, looked for {', '.join(screenshots.NAMES)}")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=screenshots.FLAGS)
        yield browser.new_context()
        browser.close()


@pytest.fixture(scope="module")
def server():
    with Server(test_book.HTML) as server:
        yield server


def problems_of(browser, address: str, *, width: int = 1280) -> list[str]:
    """Open one page on a screen of that width and list what went wrong."""
    problems = []
    own = urlsplit(address)

    def watch(request):
        parts = urlsplit(request.url)
        inside = (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
        if not inside and parts.scheme not in ("data", "blob"):
            problems.append(f"asks another host: {request.url[:160]}")

    def answered(response):
        if response.status >= 400:
            problems.append(f"request failed: {response.url} ({response.status})")

    def said(message):
        if message.type == "error":
            problems.append(f"console error: {message.text[:300]}")

    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 844})
    page.on("request", watch)
    page.on("response", answered)
    page.on("requestfailed", lambda r: problems.append(f"request failed: {r.url} ({r.failure})"))
    page.on("console", said)
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    try:
        page.goto(address)
        page.evaluate(UNFOLD)
        page.evaluate(screenshots.READY)
        problems += [f"equation not drawn: {text}" for text in page.evaluate(UNDRAWN)]
        problems += [f"image not drawn: {text}" for text in page.evaluate(EMPTY_IMAGES)]
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            widest = "; ".join(page.evaluate(WIDEST, width)) or "no single element found"
            problems.append(f"{wide} px wide on a screen of {width} px: {widest}")
    finally:
        page.close()
    return problems


@pytest.fixture
def browser_and_book(request):
    test_book.need_book()
    return request.getfixturevalue("browser")


each_page = pytest.mark.parametrize("page", test_book.PAGES or ["no-page"])


@each_page
def test_page_from_disk_on_a_phone(browser_and_book, page):
    problems = problems_of(browser_and_book, (test_book.HTML / page).as_uri(), width=PHONE)
    assert not problems, f"\n{page}: " + f"\n{page}: ".join(problems)


@each_page
def test_page_from_a_server_on_a_desktop(browser_and_book, server, page):
    problems = problems_of(browser_and_book, f"{server.address}/{page}")
    assert not problems, f"\n{page}: " + f"\n{page}: ".join(problems)


# Each fault is found in a page that has it, and in no other

FAULTS = {
    "asks another host: http://a.invalid/x": "<script>fetch('http://a.invalid/x')</script>",
    "request failed: .*gone.js": "<script src='gone.js'></script>",
    "request failed: .*gone.css": "<link rel='stylesheet' href='gone.css'>",
    "image not drawn: <img src": "<img src='gone.png' alt='gone' loading='lazy'>",
    "console error: oops": "<script>console.error('oops')</script>",
    "page error: oops": "<script>throw new Error('oops')</script>",
    "equation not drawn: x": "<span class='math'>x</span>",
    "equation not drawn: y": "<i class=math><mjx-container><mjx-merror>y</mjx-merror></i>",
    '9.. px wide .* 390 px: ends at 9.. px: <p id="a"': "<p id='a' style='width: 900px'>x</p>",
    '390 px: ends at 9.. px: <p id="b"': (
        "<main><details><p id='b' style='width: 900px'>x</p></details></main>"
    ),
}
GOOD = """<a href="https://a.invalid/">out</a> <img alt="a square" src="square.svg">
<div style="overflow: auto"><p style="width: 900px">scrolls in its box</p></div>
<span class="math"><mjx-container>x</mjx-container></span><script>console.log("fine")</script>"""


def write_page(folder: Path, body: str):
    head = '<!doctype html><meta charset="utf8"><link rel="icon" href="data:,">'
    (folder / "page.html").write_text(f"{head}<body>{body}", encoding="utf8")
    square = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    (folder / "square.svg").write_text(square)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_from_disk_and_from_a_server(browser, tmp_path, fault):
    write_page(tmp_path, FAULTS[fault])
    with Server(tmp_path) as server:
        for address in ((tmp_path / "page.html").as_uri(), f"{server.address}/page.html"):
            problems = problems_of(browser, address, width=PHONE)
            assert any(re.search(fault, problem) for problem in problems), problems


def test_a_page_without_fault_is_let_alone(browser, tmp_path):
    write_page(tmp_path, GOOD)
    with Server(tmp_path) as server:
        for address in ((tmp_path / "page.html").as_uri(), f"{server.address}/page.html"):
            assert problems_of(browser, address, width=PHONE) == []

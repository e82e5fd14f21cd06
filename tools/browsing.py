"""The built book in headless Chromium: serve it, open a page, unfold it, run axe-core on it."""

import functools
import http.server
import threading
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import screenshots

# What a reader can unfold is unfolded before the page is looked at.
UNFOLD = """() => {
    for (const fold of document.querySelectorAll("main details")) fold.open = true;
    for (const fold of document.querySelectorAll(".toggle-hidden"))
        fold.classList.remove("toggle-hidden");
    document.head.insertAdjacentHTML("beforeend",
        "<style>.sd-tab-content { display: block !important }</style>");
}"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PARTS = ":is(mjx-container, svg.drawing)"  # whose contents no rule is about
COLOURS = ["color-contrast", "link-in-text-block"]
# axe-core takes its time over the contrast of each text, and a page has thousands of them. Of
# those that look alike, on backgrounds that look alike, it gets the first one. Half the elements
# of a page are words of code: of those of one class, the first stays an element. Most others are
# parts of formulas and of drawings, which no rule is about: axe-core does not get them.
MARK_LOOKS = """([where, checked]) => {
    for (const e of document.querySelectorAll("[data-look]")) delete e.dataset.look;
    const known = new Set(checked), grounds = new Map([[null, ""]]);
    const ground = (e) => {
        if (!grounds.has(e)) {
            const { backgroundColor, backgroundImage, opacity, position } = getComputedStyle(e);
            const own = [backgroundColor, backgroundImage, opacity, position].join();
            grounds.set(e, ground(e.parentElement) + (own === TRANSPARENT ? "" : `;${own}`));
        }
        return grounds.get(e);
    };
    const link = (e) => {
        const a = e.closest("a");
        if (!a) return "";
        const { color, textDecorationLine } = getComputedStyle(a);
        const isInText = [...a.parentElement.childNodes].some((n) => n.data?.trim());
        const around = getComputedStyle(a.parentElement).color;
        return [color, textDecorationLine, around, isInText].join();
    };
    const kinds = new Set(), alike = [];
    for (const word of document.querySelectorAll("pre span[class], .sig span[class]")) {
        const { className, parentElement } = word;
        const { color } = getComputedStyle(word);
        const kind = [className, parentElement.className, color, ground(parentElement)].join("|");
        if (word.attributes.length === 1 && kinds.has(kind)) alike.push(word);
        kinds.add(kind);
    }
    for (const word of alike) word.replaceWith(...word.childNodes);
    const parts = ":not(PARTS *)";
    const inside = (where ?? ["body"]).map((selector) => `${selector} *${parts}`).join();
    for (const e of document.querySelectorAll(inside)) {
        const texts = [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE);
        const length = texts.map((n) => n.data.trim()).join("").length;
        if (length < 2 && !e.matches("input, select, textarea")) continue;  // as axe-core does
        const { color, fontSize, fontWeight, textShadow } = getComputedStyle(e);
        const look = [color, fontSize, fontWeight, textShadow, ground(e), link(e)].join();
        const seen = e.checkVisibility({ visibilityProperty: true });
        if (!seen || known.has(look)) continue;
        known.add(look);
        for (const marked of [e, e.closest("a")]) if (marked) marked.dataset.look = known.size;
    }
    axe.configure({ rules: [
        { id: "color-contrast", selector: "[data-look]" },
        { id: "link-in-text-block", selector: "a[href][data-look]" },
    ] });
    return [...known].slice(checked.length);
}""".replace("TRANSPARENT", '"rgba(0, 0, 0, 0),none,1,static"').replace("PARTS", PARTS)
# preload would fetch every style sheet again, for rules that are not asked for.
RUN_AXE = """async ([where, rules]) => {
    const emptied = [...document.querySelectorAll("PARTS")].map((e) => [e, [...e.childNodes]]);
    for (const [e] of emptied) e.replaceChildren();
    const options = { runOnly: rules, resultTypes: ["violations"], preload: false };
    const { violations } = await axe.run(where ?? document, options);
    for (const [e, children] of emptied) e.replaceChildren(...children);
    return violations.map(({ id, help, nodes }) => ({ id, help, count: nodes.length,
        target: nodes[0].target.join(" "), why: nodes[0].failureSummary }));
}""".replace("PARTS", PARTS)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, *arguments):
        """Print nothing."""


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


@contextmanager
def watched(context, *, width: int = 1280, scheme: str = "light"):
    """Open a tab in a context of Playwright; yields it and the list of what goes wrong in it."""
    problems = []
    page = context.new_page()

    def check_host(request):
        own, asked = urlsplit(page.url), urlsplit(request.url)
        inside = (asked.scheme, asked.netloc) == (own.scheme, own.netloc)
        navigates = request.is_navigation_request() and request.frame == page.main_frame
        if not inside and not navigates and asked.scheme not in ("data", "blob"):
            problems.append(f"asks another host: {request.url[:160]}")

    def check_status(response):
        if response.status >= 400:
            problems.append(f"request failed: {response.url} ({response.status})")

    def check_failure(request):
        if request.failure != "net::ERR_ABORTED":  # cut short, as an icon when the page is left
            problems.append(f"request failed: {request.url} ({request.failure})")

    def check_message(message):
        if message.type == "error":
            problems.append(f"console error: {message.text[:300]}")

    set_width(page, width)
    page.add_init_script(screenshots.SET_SCHEME.format(scheme=scheme))
    page.on("request", check_host)
    page.on("response", check_status)
    page.on("requestfailed", check_failure)
    page.on("console", check_message)
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    try:
        yield page, problems
    finally:
        page.close()


@contextmanager
def opened(context, address: str, **choice):
    """Open a page, file:// or http://, in a tab of its own; the rest is as in `watched`."""
    with watched(context, **choice) as (page, problems):
        page.goto(address)
        yield page, problems


@cache
def axe_source() -> str:
    """Return axe-core, from the installed package axe-playwright-python."""
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf8")


def violations(
    page,
    rules: list[str] = RULES,
    *,
    within: list[str] | None = None,
    known: set[str] | None = None,
) -> list[dict]:
    """Run axe-core on an open page, or on the parts of it that CSS selectors name.

    It marks what looks alike in the page: see `MARK_LOOKS`. `known` are the looks that were
    checked on other pages; it grows, and `COLOURS` are asked of the others.

    Returns:
        One dict for each rule that is broken: `id`, `help`, `count` of places, and of the first
        one `target` (its selector) and `why`.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe_source())  # not as an element, which a page's policy may refuse
    known = set() if known is None else known
    looks = page.evaluate(MARK_LOOKS, [within, list(known)])
    known |= set(looks)
    if rules == COLOURS and not looks:
        return []
    return page.evaluate(RUN_AXE, [within, rules])


def set_width(page, width: int) -> None:
    """Change the width of the screen, in CSS pixels."""
    page.set_viewport_size({"width": width, "height": 844})


def set_scheme(page, scheme: str) -> None:
    """Change the colours of an open page, as the theme's switch does."""
    page.evaluate("(scheme) => { document.documentElement.dataset.theme = scheme; }", scheme)

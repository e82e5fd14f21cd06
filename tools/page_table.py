"""Measure each page of the built book in headless Chromium; print a Markdown table.

python tools/page_table.py [chapters/01_task ...] [--rounds 5]

A page is interactive when the load event has fired, MathJax has drawn, every live figure is
mounted, and the main thread has taken one more turn. Each round starts with an empty cache, from
a server on this machine. The weight is what the server sends, uncompressed. On a busy machine
the seconds wait for others; the CPU seconds of the page's main thread do not.
"""

import argparse
import statistics
import sys
from pathlib import Path

import browsing
import screenshots

# Runs before the scripts of the page.
CLOCK = """window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    while (document.querySelector("[data-live]:not([data-mounted])"))
        await new Promise((next) => setTimeout(next, 5));
    await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
    window.interactiveAfter = performance.now();
});"""
MEASURE = """async () => {
    while (!window.interactiveAfter) await new Promise((next) => setTimeout(next, 5));
    const loaded = performance.getEntriesByType("resource");
    const size = (entries) => entries.reduce((sum, entry) => sum + entry.decodedBodySize, 0);
    const own = loaded.filter((entry) => entry.name.includes("/_images/"));
    return { requests: loaded.length + 1, seconds: window.interactiveAfter / 1000,
        page: size(performance.getEntriesByType("navigation")) + size(own),
        shared: size(loaded) - size(own) };
}"""
HEADER = ["page", "page (kB)", "shared (kB)", "requests", "interactive (s)", "CPU (s)", "axe"]


def measured(chromium, address: str) -> dict:
    """Open a page with an empty cache; returns bytes, requests and seconds, see `MEASURE`."""
    context = chromium.new_context(viewport={"width": 1280, "height": 844})
    context.add_init_script(CLOCK)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address)
    found = page.evaluate(MEASURE)
    metrics = session.send("Performance.getMetrics")["metrics"]
    found["cpu"] = next(entry["value"] for entry in metrics if entry["name"] == "TaskDuration")
    context.close()
    return found


def broken_rules(chromium, address: str) -> int:
    """Count the rules of axe-core that a page breaks, in both schemes."""
    context, count = chromium.new_context(reduced_motion="reduce"), 0
    for scheme in ("light", "dark"):
        with browsing.opened(context, address, scheme=scheme) as (page, _):
            page.evaluate(browsing.UNFOLD)
            page.evaluate(screenshots.READY)
            count += len(browsing.violations(page))
    context.close()
    return count


def row(name: str, rounds: list[dict], broken: int | None) -> list[str]:
    """Return the cells of one page: the median of its rounds."""
    middle = {key: statistics.median(found[key] for found in rounds) for key in rounds[0]}
    return [
        name,
        f"{middle['page'] / 1000:.0f}",
        f"{middle['shared'] / 1000:.0f}",
        f"{middle['requests']:.0f}",
        f"{middle['seconds']:.2f}",
        f"{middle['cpu']:.2f}",
        "not run" if broken is None else str(broken),
    ]


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="such as chapters/01_task; all when left out")
    parser.add_argument("--html", type=Path, default=screenshots.ROOT / "_build" / "html")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-axe", action="store_true", help="measure weight and time only")
    arguments = parser.parse_args()
    html = arguments.html.resolve()
    pages = arguments.pages or screenshots.find_pages(html)
    chromium = screenshots.find_chromium()
    if not pages or chromium is None or arguments.rounds < 1:
        parser.error(f"needs a built book in {html}, a Chromium, and at least one round")

    from playwright.sync_api import sync_playwright  # here, so that --help needs no browser

    print("| " + " | ".join(HEADER) + " |")
    print("|---|" + "---:|" * (len(HEADER) - 1))
    with sync_playwright() as playwright, browsing.Server(html) as server:
        browser = playwright.chromium.launch(executable_path=chromium, args=screenshots.FLAGS)
        for name in pages:
            address = f"{server.address}/{name}.html"
            rounds = [measured(browser, address) for _ in range(arguments.rounds)]
            broken = None if arguments.no_axe else broken_rules(browser, address)
            print("| " + " | ".join(row(name, rounds, broken)) + " |", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

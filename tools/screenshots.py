"""Take pictures of the built book: each page whole, light and dark, on a wide and a narrow screen.

python tools/screenshots.py [chapters/01_task ...] [--out _build/screenshots]
"""

import argparse
import itertools
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox, since containers run as root; the rest keeps the browser itself off the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# The theme reads the colour scheme from here before it draws anything.
SET_SCHEME = "localStorage.mode = localStorage.theme = '{scheme}'"
# Beyond this height Chromium repeats the top of the page: taller pages become several pictures.
TALLEST = 16_000
READY = """async () => {
    for (const image of document.images) image.loading = "eager";
    await window.MathJax?.startup?.promise;
    await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
    await document.fonts.ready;
}"""


def find_chromium() -> str | None:
    """Return the path of the system's Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def find_pages(html: Path) -> list[str]:
    """List the pages of a built book, without suffix, templates of the theme and redirects."""
    pages = [
        path.relative_to(html)
        for path in sorted(html.rglob("*.html"))
        if b'http-equiv="refresh"' not in path.read_bytes()
    ]
    return [page.with_suffix("").as_posix() for page in pages if page.parts[0] != "_static"]


def take(page, target: Path) -> list[Path]:
    """Write the whole open page to `target`, or to numbered files where it is too tall for one."""
    width = page.evaluate("document.documentElement.clientWidth")
    height = page.evaluate("document.documentElement.scrollHeight")
    starts = range(0, height, TALLEST)
    written = []
    for number, top in enumerate(starts, start=1):
        path = target if len(starts) == 1 else target.with_suffix(f".{number}.png")
        clip = {"x": 0, "y": top, "width": width, "height": min(TALLEST, height - top)}
        page.screenshot(path=path, full_page=True, clip=clip, animations="disabled")
        written.append(path)
    return written


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="such as chapters/01_task; all when left out")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "screenshots")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument(
        "--scheme", nargs="+", choices=["light", "dark"], default=["light", "dark"]
    )
    parser.add_argument("--width", nargs="+", type=int, default=[1280, 390])
    arguments = parser.parse_args()
    html = arguments.html.resolve()
    built = find_pages(html)
    if not built:
        parser.error(f"no built book in {html}: run `make book`")
    wanted = [page.removesuffix(".html") for page in arguments.pages] or built
    if missing := [page for page in wanted if page not in built]:
        parser.error(f"no such page: {', '.join(missing)}; there are {', '.join(built)}")
    chromium = find_chromium()
    if chromium is None:
        parser.error(f"no browser found, looked for {', '.join(NAMES)}")

    from playwright.sync_api import sync_playwright  # here, so that --help needs no browser

    arguments.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for scheme, width in itertools.product(arguments.scheme, arguments.width):
            size = {"width": width, "height": 900}
            page = browser.new_page(viewport=size, color_scheme=scheme)
            page.add_init_script(SET_SCHEME.format(scheme=scheme))
            for name in wanted:
                page.goto((html / f"{name}.html").as_uri())
                page.evaluate(READY)
                stem = name.replace("/", "-")
                for path in take(page, arguments.out / f"{stem}.{scheme}.{width}.png"):
                    print(path)
            page.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

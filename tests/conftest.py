"""One browser for the tests of a module; each test opens its own tab in it."""

import os

import browsing
import pytest
import screenshots


@pytest.fixture(scope="session")
def browser_path():
    """Where Chromium is; without one: skip at home, fail in CI."""
    path = screenshots.find_chromium()
    if path is None:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"no browser found, looked for {', '.join(screenshots.NAMES)}")
    return path


@pytest.fixture(scope="module")
def chromium(browser_path):
    """Chromium, started."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path, args=screenshots.FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def browser(chromium):
    """A window of a reader who asked for little motion, so that nothing is half faded in."""
    return chromium.new_context(reduced_motion="reduce")


@pytest.fixture(scope="module")
def server():
    """The built book, served."""
    import test_book  # not above: pytest rewrites its assertions when it collects it

    test_book.need_book()
    with browsing.Server(test_book.HTML) as server:
        yield server

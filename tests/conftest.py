"""The built book and a browser; a test that needs neither imports neither."""

import pytest
from shorter import skip_or_fail

collect_ignore_glob = ["*/conftest.py"]  # no doctests in them, and one name for all
PATIENCE = 300_000  # milliseconds: a busy machine may take long, and fails no test


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: "test_browser.py::test_pages" not in item.nodeid)


@pytest.fixture(scope="session")
def book():
    """The module `built`, which finds and parses the pages of the built book."""
    import built

    if not built.PAGES:
        skip_or_fail(f"no built book in {built.HTML}: run `make book`")
    return built


@pytest.fixture(scope="session")
def browser_path():
    """Where Chromium is."""
    import screenshots

    path = screenshots.find_chromium()
    if path is None:
        skip_or_fail(f"no browser found, looked for {', '.join(screenshots.NAMES)}")
    return path


@pytest.fixture(scope="session")
def chromium(browser_path):
    """Chromium, started once."""
    import screenshots

    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path, args=screenshots.FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def browser(chromium):
    """A window of a reader who asked for little motion, so that nothing is half faded in."""
    with chromium.new_context(reduced_motion="reduce") as context:
        context.set_default_timeout(PATIENCE)
        yield context


@pytest.fixture(scope="module")
def server(book):
    """The built book, served."""
    import browsing

    with browsing.Server(book.HTML) as server:
        yield server

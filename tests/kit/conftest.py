"""Patience with a busy machine, and the browser page of the tests of live figures."""

import pytest


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Students' code may take long on a busy machine; a test of the limit sets a short one."""
    monkeypatch.setattr("coursekit.checks.engine.sandbox.TIME_LIMIT_SECONDS", 300.0)
    monkeypatch.setattr("coursekit.checks.engine.sandbox.STOPPING_SECONDS", 300.0)


@pytest.fixture(scope="module")
def window(chromium):
    """The page of all tests of a module."""
    with chromium.new_page() as page:
        page.set_default_timeout(300_000)
        yield page


@pytest.fixture(scope="module")
def plain(chromium):
    """A page of a browser that runs no scripts."""
    with chromium.new_context(java_script_enabled=False) as context:
        yield context.new_page()


@pytest.fixture
def page(window):
    """The window, empty; the test fails if the page throws an error or asks for anything.

    A frame comes at once, so that a figure has changed when a key press returns.
    """
    window.goto("about:blank")
    window.evaluate("() => { window.requestAnimationFrame = (callback) => callback(); }")
    errors, asked = [], []
    notes = {
        "pageerror": lambda error: errors.append(str(error)),
        "request": lambda request: asked.append(request.url),
    }
    for event, note in notes.items():
        window.on(event, note)
    yield window
    for event, note in notes.items():
        window.remove_listener(event, note)
    assert not errors
    assert all(url.startswith(("data:", "blob:")) for url in asked), asked  # made in the page


@pytest.fixture
def reader(page):
    """A reader of live figures, for whom a frame comes at once."""
    from live_helpers import Reader

    return Reader(page)

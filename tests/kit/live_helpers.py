"""What the tests of the live figures share: a browser, a quiet page, calls into a module."""

import base64
import json
import re
from pathlib import Path

import nbformat
import pytest

from coursekit import live

CHAPTERS = Path(__file__).parents[2] / "chapters"


@pytest.fixture(scope="module", name="browser")
def browser_fixture(chromium):
    """The browser itself, in which a test opens windows with settings of their own."""
    return chromium


@pytest.fixture(name="page")
def page_fixture(browser):
    """An empty page; the test fails if the page throws an error or asks for anything.

    A frame comes at once, so that a figure has changed when a key press returns.
    """
    page = browser.new_page()
    page.evaluate("() => { window.requestAnimationFrame = (callback) => callback(); }")
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url))
    yield page
    page.close()
    assert not problems


def call(browser, name, expression, argument):
    """Run the body `expression` with `figure`, the module of figure `name`, and `argument`."""
    url = "data:text/javascript;base64," + base64.b64encode(live.module(name).encode()).decode()
    page = browser.new_page()
    try:
        return page.evaluate(
            f"async ([url, argument]) => {{ const figure = await import(url); {expression} }}",
            [url, argument],
        )
    finally:
        page.close()


def on_page(chapter, name):
    """(data, fallback) of figure `name` as the notebook of a chapter has stored it.

    A chapter may be a pattern, such as "*" for the first page with that figure.
    """
    for path in sorted(CHAPTERS.glob(f"{chapter}.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                html = output.get("data", {}).get("text/html", "")
                if f'data-live="{name}"' in html:
                    data = re.search('<script type="application/json">(.*?)</script>', html, re.S)
                    fallback = re.search('fallback">(.*?)</div>\n<script', html, re.S)
                    return json.loads(data[1]), fallback[1]
    raise AssertionError(f"{chapter} shows no figure {name!r}")


def check_figure(browser, page, figure):
    """A figure must fit a phone, stay small, describe itself, yield to the fallback."""
    assert len(figure.html.encode()) < 25_000
    assert ' id="' not in figure.html
    page.set_viewport_size({"width": 340, "height": 700})
    page.set_content(figure.html)
    assert page.evaluate("document.documentElement.scrollWidth") <= 340
    stage, fallback = page.locator(".dlv-live-stage"), page.locator(".dlv-live-fallback")
    for picture in stage.locator("svg[role]").all():
        assert len(picture.get_attribute("aria-label")) > 20
    for control in stage.locator("input, select").all():
        assert control.evaluate("(node) => node.labels.length === 1")
    for slider in stage.locator("input[type=range]").all():
        assert slider.get_attribute("aria-valuetext")
    assert (fallback.is_visible(), stage.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (fallback.is_visible(), stage.is_visible()) == (True, False)
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.set_content(figure.html)
    assert plain.locator(".dlv-live-fallback").is_visible()
    assert not plain.locator(".dlv-live-stage").is_visible()
    context.close()

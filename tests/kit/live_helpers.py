"""What the tests of the live figures share: calls into a module, stored figures."""

import base64
import json
import re
from functools import cache
from pathlib import Path

import pytest
import shorter

from coursekit import live

CHAPTERS = Path(__file__).parents[2] / "chapters"


def call(page, name, expression, argument):
    """Run the body `expression` with `figure`, the module of figure `name`, and `argument`."""
    url = "data:text/javascript;base64," + base64.b64encode(live.module(name).encode()).decode()
    return page.evaluate(
        f"async ([url, argument]) => {{ const figure = await import(url); {expression} }}",
        [url, argument],
    )


@cache
def shown_figures():
    """(chapter, HTML) of the live figures as the notebooks have stored them."""
    return [
        (path.stem, html)
        for path in sorted(CHAPTERS.glob("*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf8"))["cells"]
        for output in cell.get("outputs", [])
        if "data-live=" in (html := "".join(output.get("data", {}).get("text/html", [])))
    ]


def on_page(name, chapter=""):
    """(data, fallback) of figure `name` on the page of a chapter, else on its first page."""
    if chapter:
        shorter.page(f"chapters/{chapter}")
    for stem, html in shown_figures():
        if f'data-live="{name}"' in html and chapter in ("", stem):
            data = re.search('<script type="application/json">(.*?)</script>', html, re.S)
            fallback = re.search('fallback">(.*?)</div>\n<script', html, re.S)
            return json.loads(data[1]), fallback[1]
    if shorter.REMOVED and not chapter:
        pytest.skip(f"this book shows no figure {name!r}")
    raise AssertionError(f"{chapter} shows no figure {name!r}")


def check_figure(page, plain, figure, most=25_000):
    """What every figure must do: fit a phone, stay small, describe itself, yield to the fallback.

    The browser of the page `plain` runs no scripts.
    """
    assert len(figure.html.encode()) < most
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
    page.emulate_media(media="screen")
    plain.set_content(figure.html)
    assert plain.locator(".dlv-live-fallback").is_visible()
    assert not plain.locator(".dlv-live-stage").is_visible()

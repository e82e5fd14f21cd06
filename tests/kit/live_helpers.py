"""What the tests of the live figures share: a reader, calls into a module, stored figures."""

import base64
import json
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import shorter
import torch

from coursekit import live

CHAPTERS = Path(__file__).parents[2] / "chapters"
FALLBACK = live.table("Numbers", ["quantity", "value"], [["one", "1"]])


def call(page, name, expression, argument=None):
    """Run the body `expression` with `figure`, the module of figure `name`, and `argument`.

    Both ways the numbers travel as JSON text, which is much faster than value by value.
    """
    url = "data:text/javascript;base64," + base64.b64encode(live.module(name).encode()).decode()
    found = page.evaluate(
        f"""async ([url, text]) => {{
            const [figure, argument] = [await import(url), JSON.parse(text)];
            return JSON.stringify(await (async () => {{ {expression} }})());
        }}""",
        [url, json.dumps(argument)],
    )
    return json.loads(found)


def tensor(numbers):
    """Numbers of the page, in double precision as there."""
    return torch.tensor(numbers, dtype=torch.double)


class Reader:
    """Somebody who opens a figure, sets its controls by keyboard, and reads what it says."""

    def __init__(self, page):
        self.page = page
        self.stage = page.locator(".dlv-live-stage")

    def open(self, figure, width=800):
        """Show a figure; return this reader."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.set_content(figure.html)
        return self

    def find(self, role, name):
        return self.stage.get_by_role(role, name=name)

    def slide(self, name, *moves):
        """Press keys ("End"), or set values (3), of a slider; return what it announces."""
        slider = self.find("slider", name)
        for move in moves:
            if isinstance(move, str):
                slider.press(move)
            else:
                slider.fill(str(move))
        return slider.get_attribute("aria-valuetext")

    def choose(self, name, option):
        self.find("combobox", name).select_option(option)

    def press(self, name):
        self.find("button", name).press("Enter")

    def write(self, name, text):
        """Fill a text box and press Enter."""
        box = self.stage.get_by_role("textbox", name=name, exact=True)
        box.fill(text)
        box.press("Enter")
        return box

    def wait(self, words):
        """Wait until the page shows these words; it draws once a frame."""
        body = "(words) => document.body.innerText.includes(words)"
        self.page.wait_for_function(body, arg=words, polling=20)

    def words(self, number=0):
        """The message of that number; the page announces it when it changes."""
        return self.stage.locator("[role=status]").nth(number).inner_text()

    def picture(self, number=0):
        """How the picture of that number describes itself."""
        return self.stage.get_by_role("img").nth(number).get_attribute("aria-label")

    def texts(self, selector):
        return self.stage.locator(selector).all_inner_texts()


@cache
def made(name):
    """The figure `name` that has Python of its own; some train networks for their fallback."""
    return import_module(f"coursekit.live.{name}").figure()


def data_of(figure):
    """What the script of a figure is given."""
    return json.loads(re.search('json">(.*?)</script>', figure.html, re.S)[1])


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
            fallback = re.search('fallback">(.*?)</div>\n<script', html, re.S)
            return data_of(live.LiveFigure(name, html)), fallback[1]
    if shorter.REMOVED and not chapter:
        pytest.skip(f"this book shows no figure {name!r}")
    raise AssertionError(f"{chapter} shows no figure {name!r}")

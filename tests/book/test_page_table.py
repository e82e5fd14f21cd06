"""The table of pages measures what its header names."""

import browsing
import page_table
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>T</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="style.css"></head><body><main>
<h1>T</h1><img src="_images/a.svg" alt="a square"><div data-live="x">%s</div>
<script>setTimeout(() => { document.querySelector("div").dataset.mounted = ""; }, 300)</script>
</main></body></html>"""
SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


@pytest.fixture
def address(tmp_path):
    (tmp_path / "style.css").write_text("body { color: black }")
    (tmp_path / "_images").mkdir()
    (tmp_path / "_images" / "a.svg").write_text(SQUARE)
    (tmp_path / "page.html").write_text(PAGE % "")
    (tmp_path / "pale.html").write_text(PAGE % '<p style="color: #ccc">pale words</p>')
    with browsing.Server(tmp_path) as server:
        yield server.address


def test_a_page_is_interactive_when_its_figures_are_mounted(chromium, address):
    found = page_table.measured(chromium, f"{address}/page.html")
    assert found["seconds"] >= 0.3
    assert found["cpu"] > 0
    assert found["page"] == len(PAGE % "") + len(SQUARE)
    assert found["shared"] == len("body { color: black }")
    assert found["requests"] == 3  # the page, the style sheet, the picture


def test_violations_are_counted_in_both_schemes(chromium, address):
    assert page_table.broken_rules(chromium, f"{address}/page.html") == 0
    assert page_table.broken_rules(chromium, f"{address}/pale.html") == 2


def test_a_row_shows_the_median():
    rounds = [
        {"page": 1000.0 * n, "shared": 0, "requests": 3, "seconds": n, "cpu": 0.1}
        for n in (1, 9, 2)
    ]
    assert page_table.row("a", rounds, 0) == ["a", "2", "0", "3", "2.00", "0.10", "0"]
    assert page_table.row("a", rounds, None)[-1] == "not run"

"""The directive `live`: a page without code cells shows a live figure."""

import io

import pytest
from sphinx.application import Sphinx

from coursekit.live import backprop

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def build(folder, text: str) -> tuple[str, str]:
    """The HTML and the warnings of one page."""
    (folder / "index.rst").write_text(f"A page\n======\n\n{text}\n", encoding="utf8")
    warnings = io.StringIO()
    places = (str(folder), None, str(folder / "html"), str(folder / "trees"))
    options = {"extensions": ["coursebook.live"], "html_theme": "basic"}
    Sphinx(*places, "html", options, status=None, warning=warnings).build()
    return (folder / "html" / "index.html").read_text(encoding="utf8"), warnings.getvalue()


def test_the_figure_is_on_the_page(tmp_path):
    html, warnings = build(tmp_path, ".. live:: backprop")
    assert backprop.figure().html in html
    assert "live must be" not in warnings  # a second Sphinx in one process has others


@pytest.mark.parametrize("name", ["softmax", "common", "os"])
def test_a_name_without_a_figure_is_refused(tmp_path, name):
    html, warnings = build(tmp_path, f".. live:: {name}")
    known = "atlas, backprop, bugs, degradation, laboratory, microscope, pad, shapes"
    assert f"live must be one of {known}, got '{name}'" in warnings
    assert "data-live" not in html

"""The directive `live`: a page without code cells shows a live figure."""

import io

import pytest
from sphinx.application import Sphinx

from coursekit.live import backprop

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_a_figure_is_shown_and_a_name_without_one_is_refused(tmp_path):
    names = ["softmax", "common", "os", "backprop"]
    text = "\n".join(f".. live:: {name}\n" for name in names)
    (tmp_path / "index.rst").write_text(f"A page\n======\n\n{text}", encoding="utf8")
    warnings = io.StringIO()
    places = (str(tmp_path), None, str(tmp_path / "html"), str(tmp_path / "trees"))
    options = {"extensions": ["coursebook.live"], "html_theme": "basic"}
    Sphinx(*places, "html", options, status=None, warning=warnings).build()
    html = (tmp_path / "html" / "index.html").read_text(encoding="utf8")
    figure = backprop.figure().html
    assert figure in html and html.count("data-live") == figure.count("data-live")
    known = "atlas, backprop, bugs, degradation, laboratory, microscope, pad, shapes"
    for name in names[:3]:
        assert f"live must be one of {known}, got '{name}'" in warnings.getvalue()
    assert warnings.getvalue().count("live must be") == 3

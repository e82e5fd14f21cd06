"""The reference of the library."""

import importlib

import pytest
from coursebook import api

pytestmark = pytest.mark.book


def test_the_public_modules_are_those_without_an_underscore_or_above_an_all():
    names = list(api.public_modules("dlvlib"))
    assert {"dlvlib", "dlvlib.metrics", "dlvlib.models", "dlvlib.training"} <= set(names)
    assert "dlvlib.training.loop" not in names and not [n for n in names if "._" in n]
    assert list(api.public_modules("coursekit.checks")) == ["coursekit.checks"]


def test_the_reference_has_every_public_name_and_pages_lead_to_it(book):
    anchors = book.anchors(book.HTML / "api.html")
    assert not book.parse(book.HTML / "api.html").find("article")("cite")  # `x` is code
    for package in ("dlvlib.training", "dlvlib.data", "coursekit.checks"):
        module = importlib.import_module(package)
        public = [name for name in module.__all__ if getattr(module, name).__doc__]
        functions = [name for name in public if callable(getattr(module, name))]
        assert functions and {f"{package}.{name}" for name in functions} <= anchors
    leading = set(book.holding('href="../api.html#')) & set(book.chapters())
    assert len(leading) > len(book.chapters()) / 2

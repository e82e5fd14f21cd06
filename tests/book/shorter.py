"""What may be missing: pages of a shorter book, which `tools/without.py` lists, or a tool."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "without.txt"
REMOVED = set(LIST.read_text(encoding="utf8").splitlines()) if LIST.exists() else set()


def skip_or_fail(reason: str) -> None:
    """Skip a test at home; in CI nothing may be missing."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def page(name: str) -> Path:
    """The notebook of a page; without it in a shorter book, the test or module is skipped."""
    if name in REMOVED:
        pytest.skip(f"this book is without {name}", allow_module_level=True)
    return ROOT / f"{name}.ipynb"

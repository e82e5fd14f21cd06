"""What a shorter book may lack: `tools/without.py` lists the pages that it removed."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "without.txt"
REMOVED = set(LIST.read_text(encoding="utf8").splitlines()) if LIST.exists() else set()


def page(name: str) -> Path:
    """The notebook of a page; without it in a shorter book, the test or module is skipped."""
    if name in REMOVED:
        pytest.skip(f"this book is without {name}", allow_module_level=True)
    return ROOT / f"{name}.ipynb"

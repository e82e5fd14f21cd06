"""The pages of the book as its other parts see them: sources, titles, order."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from sphinx.environment import BuildEnvironment


def source_of(root: Path, page: str) -> Path | None:
    """Return the file of a page, None if this book lacks the page."""
    paths = (root / f"{page}{suffix}" for suffix in (".ipynb", ".md"))
    return next(filter(Path.is_file, paths), None)


def title_of(root: Path, page: str) -> str:
    """Return the first heading of a page, Markdown or notebook; its name if it is missing."""
    path = source_of(root, page)
    text = path.read_text(encoding="utf8") if path else ""
    if path and path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else page


def short_title(title: str) -> str:
    """Return what the side bar shows of a title.

    >>> short_title("LeNet-5: a network that reads digits")
    'LeNet-5'
    >>> short_title("Exercise 3: count LeNet-5")
    '3. Count LeNet-5'
    """
    numbered = re.fullmatch(r"(?:Exercise|Solution|Experiment) (\d+): (.)(.*)", title)
    if numbered:
        return f"{numbered[1]}. {numbered[2].upper()}{numbered[3].partition(':')[0]}"
    return title.partition(":")[0]


def in_reading_order(env: BuildEnvironment, pages: Iterable[str]) -> list[str]:
    """Return the pages in the order of _toc.yml; a page that is not in it comes last."""
    order = list(env.external_site_map)  # type: ignore[attr-defined]
    return sorted(set(pages), key=lambda page: order.index(page) if page in order else len(order))


def depend_on(env: BuildEnvironment, paths: Iterable[Path]) -> None:
    """Let the current page be read again once one of these files has changed."""
    for path in paths:
        env.note_dependency(str(path))

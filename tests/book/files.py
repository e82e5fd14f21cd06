"""Files and notebooks that tests write."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write texts below a folder, each by its name."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf8")


def notebook(*cells: str | NotebookNode, **metadata) -> NotebookNode:
    """Make a notebook of cells, or of the sources of code cells."""
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    return nbformat.v4.new_notebook(cells=made, metadata=metadata)


def write_notebook(path: Path, *cells: str | NotebookNode, **metadata) -> Path:
    """Write such a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(*cells, **metadata), path)
    return path

"""Execute notebooks and store what they print; make the exercises from the solutions.

    python tools/notebooks.py refresh [NOTEBOOK ...]

Without a name it first makes exercises/*.ipynb from solutions/*.ipynb, then refreshes them all.

Stored outputs hold text and HTML only. Figures are drawn when the book is built, so no image of
a data set is ever committed, and a stored output compares equal on any machine.
"""

import argparse
import copy
import json
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from set_repository import current
from sphinx_external_toc.parsing import parse_toc_yaml

from dlvlib._common import write_atomically

ROOT = Path(__file__).resolve().parent.parent
SET_UP = """\
# @title Set-up. Without a network, put a clone called dlv-course beside it
import sys

sys.path += ["..", "../..", "dlv-course"]  # a clone around or beside this
try:
    import dlvlib  # noqa: F401
except ModuleNotFoundError:
    %pip install -q git+URL"""
SET_UP_METADATA = {"cellView": "form", "tags": ["remove-cell"]}  # Colab shows the title only
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MOST_STORED = 100_000  # characters of an output; a longer one, such as a network, is made again
SOLUTION = re.compile(
    r"^(?P<indent> *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION\n?", re.MULTILINE | re.DOTALL
)
RENAMED = {  # what the student's copy calls differently
    "(sec-solution-": "(sec-exercise-",
    "# Solution ": "# Exercise ",
    "The page without the answers is {ref}`sec-exercise-": (
        "The page with the answers is {ref}`sec-solution-"
    ),
}


def reading_order(root: Path = ROOT) -> list[str]:
    """Return the pages of _toc.yml in its order, without suffix, such as "chapters/01_task"."""
    return list(parse_toc_yaml(root / "_toc.yml"))


def book_notebooks(root: Path = ROOT) -> list[Path]:
    """Return the notebooks of _toc.yml, in reading order."""
    return [path for page in reading_order(root) if (path := root / f"{page}.ipynb").is_file()]


def source_file(root: Path, page: str) -> Path:
    """Return the notebook or the Markdown file of a page."""
    notebook = root / f"{page}.ipynb"
    return notebook if notebook.is_file() else root / f"{page}.md"


def source(path: Path, *kinds: str) -> str:
    """Return the cells of a notebook, of these kinds or all of them, or a whole Markdown page."""
    text = path.read_text(encoding="utf8")
    if path.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    kept = [cell for cell in cells if not kinds or cell["cell_type"] in kinds]
    return "\n\n".join("".join(cell["source"]) for cell in kept)


def set_up(notebook: nbformat.NotebookNode, url: str) -> None:
    """Make the common set-up the first code cell, in place of an older one."""
    cells = notebook.cells
    place = next(i for i, cell in enumerate(cells) if cell.cell_type == "code")
    if cells[place].source.startswith("# @title Set-up"):
        del cells[place]
    source = SET_UP.replace("URL", url)
    cell = nbformat.v4.new_code_cell(source, id="set-up", metadata=SET_UP_METADATA)
    cells.insert(place, cell)


def refresh(path: Path) -> None:
    """Execute the notebook and store its text outputs; on failure the file stays as it was.

    Raises:
        RuntimeError: if a cell fails; the message names the notebook, the cell and the error.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict(KERNEL)
    set_up(notebook, current(ROOT))
    folder = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=600, resources=folder, coalesce_streams=True)
    try:
        client.execute()
    except CellExecutionError as error:
        outputs = [cell.get("outputs", []) for cell in notebook.cells]
        cell = next(i for i, o in enumerate(outputs) if "error" in [x.output_type for x in o])
        raise RuntimeError(f"{path.name}, cell {cell}: {error.ename}: {error.evalue}") from None
    notebook.metadata = nbformat.from_dict(KERNEL)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [_text_only(output) for output in cell.outputs]
    _write(notebook, path)


def make_exercise(solution: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the student's copy: marked regions emptied, cells tagged `solution` dropped.

    Raises:
        ValueError: if a solution region is opened and not closed, or closed and not opened.
    """
    exercise = copy.deepcopy(solution)
    exercise.cells = [c for c in exercise.cells if "solution" not in c.metadata.get("tags", [])]
    for cell in exercise.cells:
        cell.source = SOLUTION.sub(_stub, cell.source)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "name" in figure:  # no two figures of the book share a name
            figure["name"] = figure["name"].replace("fig-solution-", "fig-exercise-")
        for old, new in RENAMED.items():
            cell.source = cell.source.replace(old, new)
        if "### BEGIN SOLUTION" in cell.source or "### END SOLUTION" in cell.source:
            raise ValueError(f"a solution region is not closed or not opened in:\n{cell.source}")
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return exercise


def _stub(region: re.Match[str]) -> str:
    """Return three dots for a body; nothing at the margin, where a line before has them."""
    return f"{region['indent']}...  # your code here\n" if region["indent"] else ""


def _text_only(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if "data" in output:
        output.data = {
            kind: content
            for kind, content in output.data.items()
            if not kind.startswith("image/") and len(content) <= MOST_STORED
        }
        output.metadata = {}
    return output


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    write_atomically(path, (nbformat.writes(notebook) + "\n").encode())


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["refresh"])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the book")
    arguments = parser.parse_args()
    # silences ipykernel's warning that it runs over TCP
    os.environ.setdefault("IPYTHONDIR", str(ROOT / "tools" / "ipython"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in a build: the last digits depend on it
    try:
        if not arguments.notebooks:
            for path in (ROOT / "solutions").glob("*.ipynb"):
                exercise = make_exercise(nbformat.read(path, as_version=4))
                _write(exercise, ROOT / "exercises" / path.name)
        for path in arguments.notebooks or book_notebooks():
            refresh(path)
            print(f"refreshed {path}")
    except (RuntimeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Execute notebooks and store what they say; make the exercises from the solutions.

    python tools/notebooks.py refresh [NOTEBOOK ...]

Without a name it first makes exercises/*.ipynb from solutions/*.ipynb, then refreshes them all.

Stored outputs hold text and HTML only. Figures are drawn when the book is built, so no image of
a data set is ever committed, and a stored output compares equal on any machine.
"""

import argparse
import copy
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("chapters", "chapters/training", "solutions", "exercises")
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SOLUTION = re.compile(
    r"^(?P<indent> *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION\n?", re.MULTILINE | re.DOTALL
)
RENAMED = {  # what the student's copy calls differently
    "(sec-solution-": "(sec-exercise-",
    "# Solution ": "# Exercise ",
    "dlv-course/solutions": "dlv-course/exercises",
}


def reading_order(root: Path = ROOT) -> list[str]:
    """Return the pages of _toc.yml in its order, without suffix, such as "chapters/01_task"."""
    return list(parse_toc_yaml(root / "_toc.yml"))


def book_notebooks() -> list[Path]:
    """Every committed notebook, in reading order."""
    return [path for page in reading_order() if (path := ROOT / f"{page}.ipynb").is_file()]


def refresh(path: Path) -> None:
    """Execute the notebook and store its text outputs; on failure the file stays as it was.

    Raises:
        RuntimeError: if a cell fails; the message names the notebook, the cell and the error.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict(KERNEL)
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}
    )
    try:
        client.execute()
    except CellExecutionError as error:
        cell = next(i for i, c in enumerate(notebook.cells) if _has_error(c))
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
        for old, new in RENAMED.items():
            cell.source = cell.source.replace(old, new)
        if "### BEGIN SOLUTION" in cell.source or "### END SOLUTION" in cell.source:
            raise ValueError(f"a solution region is not closed or not opened in:\n{cell.source}")
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return exercise


def make_exercises() -> None:
    """Write exercises/NN_*.ipynb for each solutions/NN_*.ipynb, without outputs."""
    for source in sorted((ROOT / "solutions").glob("*.ipynb")):
        exercise = make_exercise(nbformat.read(source, as_version=4))
        _write(exercise, ROOT / "exercises" / source.name)


def _stub(region: re.Match) -> str:
    """Three dots where a body would be missing; nothing where a line before holds the dots."""
    return f"{region['indent']}...  # your code here\n" if region["indent"] else ""


def _has_error(cell: nbformat.NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def _text_only(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if "data" in output:
        output.data = {k: v for k, v in output.data.items() if not k.startswith("image/")}
        output.metadata = {}
    return output


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        nbformat.write(notebook, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["refresh"])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the book")
    arguments = parser.parse_args()
    # A kernel says on stderr that it runs over TCP; that is no news here.
    os.environ.setdefault("IPYTHONDIR", str(ROOT / "tools" / "ipython"))
    try:
        if not arguments.notebooks:
            make_exercises()
        for path in arguments.notebooks or book_notebooks():
            refresh(path)
            print(f"refreshed {path}")
    except (RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

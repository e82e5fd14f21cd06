"""Turn the solutions into the source of a course for nbgrader.

    python tools/nbgrader_course.py FOLDER [--notebooks _build/notebooks/solutions]

Each solution becomes an assignment of the same name: its answers are what students write, and
each question gets a locked cell of tests that is worth one point. Explanations stay out.
"""

import argparse
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from coursekit.checks import TOPICS
from coursekit.grade.released import Ask, asks

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = {"schema_version": 3, "task": False}  # of nbgrader's metadata
TEST = """\
from coursekit.checks import check

verdict = check("{question}", {answer}{student})
assert verdict.right, verdict.message"""


def last_asks() -> dict[str, list[Ask]]:
    """Return what is asked after each cell, by its id; of a question asked twice the last."""
    asked = (pair for topic in TOPICS for pair in asks(topic).items())
    last = {ask.question: (id, ask) for id, found in asked for ask in found}
    by_cell: dict[str, list[Ask]] = {}
    for id, ask in last.values():
        by_cell.setdefault(id, []).append(ask)
    return by_cell


def assignment(solution: NotebookNode, released: dict[str, list[Ask]]) -> NotebookNode:
    """Return a solution as the source of an assignment."""
    cells, solution.cells = solution.cells, []
    for cell in cells:
        if "solution" in cell.metadata.get("tags", []):
            continue
        if "### BEGIN SOLUTION" in cell.source:
            cell.metadata.nbgrader = _metadata(cell.id, is_test=False)
        solution.cells.append(cell)
        for ask in released.get(cell.id, ()):
            student = f", student={ask.student}" if ask.student else ""
            source = TEST.format(question=ask.question, answer=ask.answer, student=student)
            test = nbformat.v4.new_code_cell(source, id=ask.question.replace(".", "-"))
            test.metadata.nbgrader = _metadata(test.id, is_test=True) | {"points": 1}
            solution.cells.append(test)
    return solution


def _metadata(identifier: str, is_test: bool) -> dict[str, object]:
    kind = {"solution": not is_test, "grade": is_test, "locked": is_test}
    return {**SCHEMA, "grade_id": identifier, **kind}


def main() -> int | str:
    """Run the command line; returns the exit status, or what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the course; its folder source is written")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "_build/notebooks/solutions")
    arguments = parser.parse_args()
    paths = sorted(arguments.notebooks.glob("*.ipynb"))
    if not paths:
        return f"error: no notebook is in {arguments.notebooks}: run `make book`"
    released = last_asks()
    for path in paths:
        target = arguments.folder / "source" / path.stem / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(assignment(nbformat.read(path, as_version=4), released), target)
    print(f"written: {len(paths)} assignments; run nbgrader in {arguments.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

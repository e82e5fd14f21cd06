"""What the exercises ask, cell by cell, and the notebooks that students hand in."""

import ast
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursekit.checks import QUESTIONS

EXERCISES = Path(__file__).parents[2] / "exercises"
MAX_BYTES = 50 * 2**20  # of a notebook; pictures in its outputs count


@dataclass(frozen=True)
class Cell:
    """A code cell: its id, which no editor changes, and its source."""

    id: str
    source: str


@dataclass(frozen=True)
class Ask:
    """A released line `check(question, answer, student=student)`, as expressions."""

    question: str
    answer: str
    student: str | None


@dataclass(frozen=True)
class Submission:
    """A notebook that was handed in; `problem` is why it has no cells."""

    name: str
    cells: tuple[Cell, ...]
    problem: str = ""


def asks(topic: str) -> dict[str, list[Ask]]:
    """The released `check` lines of a topic, by the id of their cell."""
    if not EXERCISES.is_dir():
        raise OSError(f"grading needs the folder {EXERCISES}: run it in a clone of the course")
    found: dict[str, list[Ask]] = {}
    for path in sorted(EXERCISES.glob("*.ipynb")):
        for cell in code_cells(json.loads(path.read_text(encoding="utf8"))):
            lines = [ask for ask in _asked(cell.source) if ask.question.split(".")[0] == topic]
            found |= {cell.id: lines} if lines else {}
    return found


def _asked(source: str) -> Iterator[Ask]:
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a line that only IPython understands
        return
    for statement in statements:
        call = statement.value if isinstance(statement, ast.Expr) else None
        match call:
            case ast.Call(ast.Name("check"), [ast.Constant(str(question)), answer], keywords):
                student = next((ast.unparse(k.value) for k in keywords), None)
                if question in QUESTIONS:
                    yield Ask(question, ast.unparse(answer), student)


def code_cells(notebook: Any) -> tuple[Cell, ...]:
    """The code cells of a notebook read as JSON; Colab keeps the ids in the metadata."""
    try:
        return tuple(
            Cell(
                str(cell.get("id") or (cell.get("metadata") or {}).get("id")),
                "".join(cell["source"]),
            )
            for cell in notebook["cells"]
            if cell["cell_type"] == "code"
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"it must be a notebook of format 4, got {type(error).__name__}"
        ) from None


def read_folder(folder: Path) -> list[Submission]:
    """Read all notebooks in a folder and below, before the first of them runs.

    Browsers add to a name, as in x.ipynb.txt. What Jupyter and macOS put beside is left out.
    """
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if ".ipynb" in path.name.lower()
        and ".ipynb_checkpoints" not in path.parts
        and not path.name.startswith("._")
    ]
    if not paths:
        raise ValueError(f"FOLDER must hold notebooks (*.ipynb), got {str(folder)!r}")
    return [_read(path, as_name(path.relative_to(folder))) for path in paths]


def as_name(path: object) -> str:
    """Return a name of a file as text; macOS and others write an accent in two ways."""
    return unicodedata.normalize("NFC", str(path))


def _read(path: Path, name: str) -> Submission:
    try:
        if not path.is_file():
            raise ValueError("it must be a file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"it must have at most {MAX_BYTES} bytes, got {size}")
        return Submission(name, code_cells(json.loads(path.read_bytes())))
    except (ValueError, OSError, RecursionError) as error:
        return Submission(name, (), f"cannot be read: {error}")


def topic_of(submissions: Sequence[Submission], topics: Iterable[str]) -> str:
    """The one topic of a folder of notebooks, of which each has that of most of its cells."""
    released = {topic: asks(topic) for topic in topics}
    seen = set()
    for submission in submissions:
        cells = {
            topic: sum(c.id in ids or f'check("{topic}.' in c.source for c in submission.cells)
            for topic, ids in released.items()
        }
        if any(cells.values()):
            seen.add(max(cells, key=lambda topic: cells[topic]))
    found = [topic for topic in released if topic in seen]
    if len(found) != 1:
        got = ", ".join(found) or "none"
        raise ValueError(f"the notebooks must be of one topic, or --topic must name it; got {got}")
    return found[0]

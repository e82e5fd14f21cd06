"""What every notebook of the book must be like; `lint_book.py` runs this."""

import copy
import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
import notebooks
import set_repository
from notebooks import book_notebooks

MAX_LINES = 25  # of a code cell
MAX_WIDTH = 76  # of its code and of what it prints; ruff.toml beside the notebooks agrees
LOCAL_PATH = re.compile(r"(?<![\w.])/(?:root|home|tmp|work|Users)/\w")
PROCESS = re.compile(r"^\s*[!%]|subprocess|os\.system", re.MULTILINE)
FOLDERS = ("chapters", "chapters/training", "exercises", "solutions")


@cache
def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook once; do not change what this returns."""
    return nbformat.read(path, as_version=4)


def unreadable(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, problem) of pages that the other checks could not read."""
    for page in notebooks.reading_order(root):
        if not any((root / f"{page}{suffix}").exists() for suffix in (".ipynb", ".md")):
            yield "_toc.yml", f"there is no page {page}"
    for path in {*book_notebooks(root), *_in_folders(root)}:
        try:
            nbformat.validate(read(path))
        except Exception as error:  # of json, nbformat or jsonschema
            problem = f"is not a valid notebook: {str(error).splitlines()[0]}"
            yield path.relative_to(root).as_posix(), problem


def problems(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, problem)."""
    url = set_repository.current(root)
    listed = book_notebooks(root)
    for path in listed:
        notebook = read(path)
        is_experiment = path.parent == root / "chapters" / "training"  # its device is in its plan
        found = [*_form(notebook, url, is_experiment), *_outputs(notebook), *_figures(notebook)]
        if is_experiment or path.parent == root / "chapters":
            found += _glance(notebook)
        if path.parent == root / "chapters" and path.stem != "run_it_yourself":
            found += _parts_of_a_chapter(notebook)
        for problem in found:
            yield path.relative_to(root).as_posix(), problem
    for path in _in_folders(root):
        if path not in listed:
            yield path.relative_to(root).as_posix(), "is not in _toc.yml"
    yield from _exercises(root)


def _in_folders(root: Path) -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((root / folder).glob("*.ipynb"))]


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook: nbformat.NotebookNode) -> str:
    """Return the text of the Markdown cells, without code blocks."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def _form(notebook: nbformat.NotebookNode, url: str, is_experiment: bool) -> Iterator[str]:
    if dict(notebook.metadata) != notebooks.KERNEL:
        yield f"metadata must be {notebooks.KERNEL}, got {dict(notebook.metadata)}"
    setup, *others = code_cells(notebook) or [None]
    expected = copy.deepcopy(notebook)
    if setup is not None:
        notebooks.set_up(expected, url)
        first = code_cells(expected)[0]
    if setup is None or (setup.source, setup.metadata) != (first.source, first.metadata):
        yield "its first code cell must be the set-up; `tools/notebooks.py refresh` writes it"
    for cell in others:
        lines = cell.source.splitlines() or [""]
        where = f"cell {cell.id} (`{lines[0]}`)"
        if len(lines) > MAX_LINES:
            yield f"{where} must have at most {MAX_LINES} lines, got {len(lines)}"
        if (width := max(map(len, lines))) > MAX_WIDTH:
            yield f"{where} must be at most {MAX_WIDTH} characters wide, got {width}"
        if PROCESS.search(cell.source):
            yield f"{where} must not start a process or use a magic"
        if not is_experiment and 'device="cpu"' in cell.source:
            yield f'{where} must take the GPU if there is one, got device="cpu"'
    levels = [len(marks) for marks in re.findall(r"^(#+) ", markdown(notebook), re.MULTILINE)]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"must start with its only title, got headings of levels {levels}"
    if any(after > before + 1 for before, after in itertools.pairwise(levels)):
        yield f"a heading skips a level, got levels {levels}"


def _outputs(notebook: nbformat.NotebookNode) -> Iterator[str]:
    for cell in code_cells(notebook):
        for output in cell.outputs:
            where, data = f"cell {cell.id}", output.get("data", {})
            text = str(output.get("text", "")) + str(data)
            printed = output.get("text") or data.get("text/plain", "")
            width = max(map(len, printed.splitlines()), default=0)
            if width > MAX_WIDTH:
                yield f"{where} must print at most {MAX_WIDTH} characters a line, got {width}"
            if output.output_type == "error":
                yield f"{where} stores the error {output.ename}"
            if output.get("name") == "stderr":
                yield f"{where} stores output on stderr"
            if "base64" in text or any(kind.startswith("image/") for kind in data):
                yield f"{where} stores an image; a data set's images must not be committed"
            if LOCAL_PATH.search(text):
                yield f"{where} stores a path of the machine that ran it"


def _figures(notebook: nbformat.NotebookNode) -> Iterator[str]:
    for cell in code_cells(notebook):
        drawn = [output for output in cell.outputs if "<Figure size" in str(output.get("data"))]
        settings = cell.metadata.get("mystnb", {})
        figure, image = settings.get("figure", {}), settings.get("image", {})
        if len(drawn) > 1:
            yield f"cell {cell.id} must draw one figure, got {len(drawn)}"
        if drawn and not (name := figure.get("name", "")).startswith("fig-"):
            yield f"cell {cell.id}: the figure's name must start with fig-, got {name!r}"
        if drawn and len(figure.get("caption", "")) <= 20:
            yield f"cell {cell.id}: the figure needs a caption"
        if drawn and len(image.get("alt", "")) <= 40:
            yield f"cell {cell.id}: the figure needs a text for those who cannot see it (alt)"


def _glance(notebook: nbformat.NotebookNode) -> Iterator[str]:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    box = text.partition("} At a glance\n")[2].partition("\n\n#")[0]
    if not box:
        yield "must have a box “At a glance”"
    elif "GPU" not in box:
        yield "the box “At a glance” must say whether a GPU helps"


def _parts_of_a_chapter(notebook: nbformat.NotebookNode) -> Iterator[str]:
    text = markdown(notebook)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if headings[-3:] != ["Check yourself", "Summary", "References"]:
        yield f"must end with Check yourself, Summary, References, got {headings[-3:]}"
    if not re.match(r"\(sec-[\w-]+\)=\n# ", text.lstrip()):
        yield "must start with a label, (sec-...)="


def _exercises(root: Path) -> Iterator[tuple[str, str]]:
    folders = [
        {path.name for path in (root / f).glob("*.ipynb")} for f in ("solutions", "exercises")
    ]
    for name in sorted(folders[0] ^ folders[1]):
        yield f"exercises/{name}", "must be there for its solution, and only for one"
    for name in sorted(folders[0] & folders[1]):
        solution, exercise = read(root / "solutions" / name), read(root / "exercises" / name)
        expected = notebooks.make_exercise(solution)
        made, found = (
            [(cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]
            for notebook in (expected, exercise)
        )
        if made != found:
            yield f"exercises/{name}", "differs from its solution; `make refresh` makes it again"
            continue
        asked = [c for c in code_cells(exercise) if "check(" in c.source and "..." in c.source]
        answers = {cell.id: str(cell.outputs) for cell in code_cells(solution)}
        if not asked:
            yield f"exercises/{name}", "asks nothing"
        for cell in asked:
            if "Right. " not in answers.get(cell.id, ""):
                yield f"solutions/{name}", f"cell {cell.id} must be right"
            if "Not yet. " not in str(cell.outputs):
                yield f"exercises/{name}", f"cell {cell.id} must store “Not yet.”"

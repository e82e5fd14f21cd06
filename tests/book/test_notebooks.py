"""Every notebook keeps the rules of the house; `make notebooks` checks that it still runs."""

import itertools
import re
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[2]

import notebooks  # noqa: E402

PATHS = notebooks.book_notebooks()
REPOSITORY = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
SETUP = f"""\
# Where dlvlib is missing (on Colab), fetch the course and install it; torch stays as it is.
import importlib.util
import os
import pathlib
import subprocess
import sys

if importlib.util.find_spec("dlvlib") is None:
    url = "{REPOSITORY}"
    if not pathlib.Path("dlv-course").exists():
        subprocess.check_call(["git", "clone", "--quiet", "--depth=1", url, "dlv-course"])
    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "./dlv-course"])
    importlib.invalidate_caches()
if pathlib.Path("dlv-course").exists():  # also after a restart of the kernel
    os.chdir("dlv-course/FOLDER")
"""

each_notebook = pytest.mark.parametrize(
    "path", PATHS, ids=[str(path.relative_to(ROOT).with_suffix("")) for path in PATHS]
)


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def markdown(path: Path) -> str:
    cells = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    return re.sub(r"```.*?```", "", "\n\n".join(cells), flags=re.DOTALL)


@each_notebook
def test_it_is_a_valid_notebook_on_the_common_kernel(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@each_notebook
def test_its_first_code_cell_is_the_common_set_up(path):
    first = code_cells(path)[0].source
    folder = path.parent.relative_to(ROOT).as_posix()
    assert first.startswith(SETUP.replace("FOLDER", folder))


@each_notebook
def test_nothing_else_of_it_starts_a_process_or_a_shell(path):
    setup, *others = (cell.source for cell in code_cells(path))
    assert setup.count("subprocess") == 3
    for source in others:
        assert not re.search(r"^\s*[!%]|subprocess|os\.system", source, re.MULTILINE), source


@each_notebook
def test_it_stores_no_image_no_error_no_stderr_and_no_path(path):
    for number, cell in enumerate(read(path).cells):
        for output in cell.get("outputs", []):
            where = f"cell {number}"
            assert output.output_type != "error", where
            assert output.get("name") != "stderr", where
            kinds = output.get("data", {})
            assert not [kind for kind in kinds if kind.startswith("image/")], where
            text = str(output.get("text", "")) + str(kinds)
            assert "base64" not in text, where
            assert not re.search(r"/(?:root|home|tmp|work|usr)/\w", text), where


@each_notebook
def test_its_headings_start_with_one_title_and_skip_no_level(path):
    levels = [len(h) for h in re.findall(r"^(#+) ", markdown(path), re.MULTILINE)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


@each_notebook
def test_its_code_cells_are_short(path):
    for cell in code_cells(path)[1:]:
        lines = cell.source.splitlines()
        assert len(lines) <= 25, cell.source
        assert max(map(len, lines), default=0) <= 99, cell.source


@each_notebook
def test_its_figures_have_a_name_a_caption_and_alt_text(path):
    for number, cell in enumerate(code_cells(path)):
        drawn = [o for o in cell.outputs if "<Figure size" in str(o.get("data", ""))]
        if drawn:
            settings = cell.metadata.get("mystnb", {})
            assert len(drawn) == 1, f"code cell {number} draws {len(drawn)} figures"
            assert settings.get("figure", {}).get("name", "").startswith("fig-"), number
            assert len(settings["figure"].get("caption", "")) > 20, number
            assert len(settings.get("image", {}).get("alt", "")) > 40, number


CHAPTERS = [path for path in PATHS if path.parent.name == "chapters"]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_has_its_parts(path):
    text = markdown(path)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert any("At a glance" in cell.source for cell in read(path).cells)
    assert headings[-3:] == ["Check yourself", "Summary", "References"]
    assert re.match(r"\(sec-[\w-]+\)=\n# ", text.lstrip())


def test_no_notebook_of_the_book_is_forgotten():
    toc = (ROOT / "_toc.yml").read_text()
    for path in PATHS:
        assert f"file: {path.relative_to(ROOT).with_suffix('').as_posix()}\n" in toc + "\n"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "solutions").glob("*.ipynb")), ids=lambda p: p.stem
)
def test_an_exercise_is_its_solution_with_the_marked_parts_removed(path):
    expected = notebooks.make_exercise(read(path))
    found = read(ROOT / "exercises" / path.name)
    strip = [(c.cell_type, c.source, c.metadata) for c in expected.cells]
    assert [(c.cell_type, c.source, c.metadata) for c in found.cells] == strip


def test_there_is_a_solution_for_every_exercise():
    names = [{p.name for p in (ROOT / f).glob("*.ipynb")} for f in ("solutions", "exercises")]
    assert names[0] == names[1] != set()


def test_the_solutions_are_right_and_the_exercises_say_not_yet():
    for path in sorted((ROOT / "solutions").glob("*.ipynb")):
        exercise = ROOT / "exercises" / path.name
        asked = [c for c in code_cells(exercise) if "check(" in c.source and "..." in c.source]
        assert asked
        ids = {c.id for c in asked}
        said = {c.id: str(c.outputs) for c in code_cells(path) if c.id in ids}
        assert all("Right. " in text for text in said.values()), said
        assert all("Not yet. " in str(c.outputs) for c in asked)


def solution(source: str):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])


def test_a_region_is_emptied_and_its_indentation_kept():
    source = "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n\n\nf(1)"
    made = notebooks.make_exercise(solution(source)).cells[0].source
    assert made == "def f(x):\n    ...  # your code here\n\n\nf(1)"


def test_a_region_at_the_margin_leaves_the_dots_before_it():
    source = "a = ...\n### BEGIN SOLUTION\na = 1\n### END SOLUTION\ncheck(a)"
    assert notebooks.make_exercise(solution(source)).cells[0].source == "a = ...\ncheck(a)"


@pytest.mark.parametrize("line", ["### BEGIN SOLUTION\na = 1", "a = 1\n### END SOLUTION"])
def test_an_open_region_is_refused(line):
    with pytest.raises(ValueError, match="not closed or not opened"):
        notebooks.make_exercise(solution(line))


def test_a_failing_notebook_is_named_with_its_cell_and_left_as_it_was(tmp_path):
    path = tmp_path / "page.ipynb"
    cells = [nbformat.v4.new_code_cell(s) for s in ("1 + 1", "1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="page.ipynb, cell 1: ZeroDivisionError"):
        notebooks.refresh(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]

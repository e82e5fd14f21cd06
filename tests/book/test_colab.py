"""The portable notebooks run on Colab: their set-up fetches dlvlib and leaves torch alone."""

import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import checkout
import colab
import nbformat
import pytest
import shorter
from notebooks import book_notebooks

pytestmark = [pytest.mark.slow, pytest.mark.book]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A repository that holds this checkout."""
    if not (ROOT / ".git").exists():
        shorter.skip_or_fail("this is not a git checkout, so there is nothing to fetch")
    folder = tmp_path_factory.mktemp("colab") / "repository"
    checkout.copy(ROOT, folder)
    checkout.commit(folder)
    return folder


def printed(cell) -> str:
    return "".join(o.text for o in cell.get("outputs", []) if o.output_type == "stream")


def test_notebooks_run_where_dlvlib_is_missing(book, repository, tmp_path):
    """Three as one, in one kernel; `make colab` runs each of them all."""
    names = ["chapters/01_task", "chapters/training/08_digits_seeds", "exercises/01_metrics"]
    for name in names:
        shorter.page(name)
    portable = book.HTML.parent / "notebooks"
    stored = [nbformat.read(portable / f"{name}.ipynb", as_version=4) for name in names]
    cells = [cell for notebook in stored for cell in notebook.cells]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the set-up cells have the same one
    joined = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(joined, tmp_path / "joined.ipynb")
    notebook, found = colab.run(tmp_path / "joined.ipynb", repository, tmp_path)
    assert found["installed"] == ["dlvlib"]  # and nothing was replaced
    assert found["kept"] == {kept: [version(kept), find_spec(kept).origin] for kept in colab.KEPT}
    assert Path(found["dlvlib"]).is_relative_to(tmp_path / "environment")
    pairs = [
        (printed(now), printed(c)) for now, c in zip(notebook.cells, joined.cells, strict=True)
    ]
    recorded = [(now, before) for now, before in pairs if "Recorded: " in before]
    assert recorded and all(now == before for now, before in recorded)  # found in the package


@pytest.fixture
def set_up_alone(tmp_path) -> Path:
    """A notebook of the set-up cell and an import."""
    notebook = nbformat.read(book_notebooks()[0], as_version=4)
    notebook.cells = [next(cell for cell in notebook.cells if cell.cell_type == "code")]
    notebook.cells.append(nbformat.v4.new_code_cell("import dlvlib.results, coursekit"))
    path = tmp_path / "set_up.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize(
    ("clone", "work"), [("content/dlv-course", "."), (".", "."), (".", "chapters")]
)
def test_a_clone_around_or_beside_the_notebook_is_used_and_nothing_fetched(
    clone, work, repository, set_up_alone, tmp_path, monkeypatch
):
    monkeypatch.setattr(colab, "environment", lambda *_: {"PATH": ""})  # no git, no network
    shutil.copytree(repository, tmp_path / clone, dirs_exist_ok=True)
    _, found = colab.run(set_up_alone, repository, tmp_path / work)
    assert found["installed"] == []
    assert Path(found["dlvlib"]).resolve() == tmp_path / clone / "dlvlib" / "__init__.py"


def test_a_requirement_that_would_replace_torch_is_found(repository, set_up_alone, tmp_path):
    other = shutil.copytree(repository, tmp_path / "repository")
    project = other / "pyproject.toml"
    assert '"torch>=2.4"' in project.read_text()
    project.write_text(project.read_text().replace('"torch>=2.4"', '"torch==2.4.0"'))
    checkout.commit(other)
    with pytest.raises(RuntimeError, match="code cell 2: (.|\n)*ModuleNotFoundError"):
        colab.run(set_up_alone, other, tmp_path)


def test_no_notebook_is_an_error(monkeypatch):
    monkeypatch.setattr("sys.argv", ["colab"])
    monkeypatch.setattr(colab, "portable_notebooks", list)
    assert "make book" in colab.main()

"""The notebooks run on Colab as they are: their set-up fetches dlvlib and leaves torch alone."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[2]

import colab  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# One of every folder; `make colab` runs them all.
PATHS = [
    "chapters/01_task",
    "chapters/training/01_lenet_mnist",
    "exercises/01_metrics",
    "solutions/01_metrics",
]


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A repository that holds this checkout; the package registry must be reachable."""
    folder = tmp_path_factory.mktemp("colab")
    stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    if not (ROOT / ".git").exists():
        stop("this is no git checkout, so there is nothing to clone")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries=0"]
    command += ["--timeout=15", f"--dest={folder}", *PROJECT["build-system"]["requires"]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        stop(f"pip needs the package registry to build dlvlib: {done.stderr.strip()[-300:]}")
    colab.publish(ROOT, folder / "repository")
    return folder / "repository"


def printed(cell) -> str:
    return "".join(o.text for o in cell.get("outputs", []) if o.output_type == "stream")


@pytest.mark.parametrize("name", PATHS)
def test_a_notebook_runs_unmodified_where_dlvlib_is_missing(name, repository, tmp_path):
    path = ROOT / f"{name}.ipynb"
    notebook, found = colab.run(path, repository, tmp_path)
    clone = tmp_path / "content" / "dlv-course"
    assert found["folder"] == str(clone / path.parent.relative_to(ROOT))
    assert found["installed"] == ["dlvlib"]  # and nothing was replaced
    assert found["kept"] == {kept: [version(kept), find_spec(kept).origin] for kept in colab.KEPT}
    assert Path(found["dlvlib"]).is_relative_to(tmp_path / "environment")
    stored = nbformat.read(path, as_version=4)
    assert [c.source for c in notebook.cells] == [c.source for c in stored.cells]
    pairs = zip(notebook.cells, stored.cells, strict=True)
    reading = [(now, before) for now, before in pairs if "results.status(" in now.source]
    assert reading or "training" not in name
    for now, before in reading:  # the recorded runs were found and are sound
        assert printed(now) == printed(before)
        assert "Recorded: " in printed(now)
    claims = yaml.safe_load((clone / "claims.yml").read_text(encoding="utf8"))
    assert claims == yaml.safe_load((ROOT / "claims.yml").read_text(encoding="utf8"))


@pytest.fixture
def setup_alone(tmp_path) -> Path:
    """A notebook of the set-up cell only."""
    notebook = nbformat.read(ROOT / "chapters/05_training.ipynb", as_version=4)
    notebook.cells = [next(cell for cell in notebook.cells if cell.cell_type == "code")]
    nbformat.write(notebook, tmp_path / "setup.ipynb")
    return tmp_path / "setup.ipynb"


def test_a_restarted_kernel_and_an_interrupted_installation_end_up_in_the_same_folder(
    repository, setup_alone, tmp_path
):
    clone = tmp_path / "content" / "dlv-course"
    command = ["git", "clone", "--quiet", "--depth=1", repository.as_uri(), str(clone)]
    subprocess.check_call(command)  # and then pip failed
    for _ in ("installation", "restart"):
        _, found = colab.run(setup_alone, repository, tmp_path)
        assert (found["folder"], found["installed"]) == (str(clone / "chapters"), ["dlvlib"])


def test_a_requirement_that_would_replace_torch_is_found(repository, setup_alone, tmp_path):
    other = tmp_path / "repository"
    colab.publish(repository, other)
    project = other / "pyproject.toml"
    assert '"torch>=2.4"' in project.read_text()
    project.write_text(project.read_text().replace('"torch>=2.4"', '"torch==2.4.0"'))
    colab.commit(other)
    with pytest.raises(RuntimeError, match="setup.ipynb, code cell 1: (.|\n)*CalledProcessError"):
        colab.run(setup_alone, other, tmp_path)

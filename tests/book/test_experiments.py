"""The training notebooks as experiments: run from any folder, killed, resumed.

`make smoke` runs each of them; here one is killed, and one is run as a user of papermill would.
"""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import train
from coursebook import kernels
from nbclient.exceptions import DeadKernelError

from dlvlib.results import BUDGETS, read_record

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
TIMES = {"seconds", "wall_seconds", "recorded_at", "git_commit"}
KILLED_AFTER = 4  # records; the fifth run is trained and never recorded
KILL = f"""import os, signal
from dlvlib import results
write_record, written = results.write_record, []

def write_or_die(path, **fields):
    if len(written) == {KILLED_AFTER}:
        os.kill(os.getpid(), signal.SIGKILL)
    write_record(path, **fields)
    written.append(path)

results.write_record = write_or_die"""


def records_in(folder: Path) -> dict[str, object]:
    """The records without the fields about when they were made and how long it took."""

    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k not in TIMES}
        return [strip(v) for v in value] if isinstance(value, list) else value

    return {path.stem: strip(read_record(path)) for path in sorted(folder.glob("*.json"))}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_an_experiment_that_was_killed_goes_on_and_gives_the_same_records(tmp_path, monkeypatch):
    notebook = train.NOTEBOOKS / "03_fairness_lab.ipynb"
    deadly = nbformat.read(notebook, as_version=4)
    deadly.cells.insert(0, nbformat.v4.new_code_cell(KILL))
    nbformat.write(deadly, tmp_path / "deadly.ipynb")
    monkeypatch.chdir(train.NOTEBOOKS)
    options = {"kernel_manager_class": kernels.manager_class(kernels.FEW)}

    def run(path: Path, results: Path) -> dict[str, object]:
        parameters = {"budget": "smoke", "train_missing": True, "results_folder": str(results)}
        train.train(path, parameters, tmp_path / "out.ipynb", **options)
        return records_in(results / "fairness_lab")

    killed = tmp_path / "killed"
    with pytest.raises(DeadKernelError):
        run(tmp_path / "deadly.ipynb", killed)
    before = {path: path.read_bytes() for path in killed.rglob("*.json")}
    assert len(before) == KILLED_AFTER
    assert len(resumed := run(notebook, killed)) == 10
    assert all(path.read_bytes() == content for path, content in before.items())  # not repeated
    assert resumed == run(notebook, tmp_path / "whole")
    assert not list(killed.rglob("*.unfinished*"))


@pytest.mark.slow
def test_papermill_runs_an_experiment_from_the_root_of_the_checkout(tmp_path):
    """Records are found from any folder: `test_colab` runs the same notebook elsewhere."""
    notebook = "chapters/training/08_digits_seeds.ipynb"
    command = [sys.executable, "-m", "papermill", notebook, str(tmp_path / "out.ipynb")]
    command += ["--cwd", str(ROOT), "--no-progress-bar", "-k", "python3", "-p", "budget", "smoke"]
    command += ["-p", "train_missing", "True", "-p", "results_folder", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    recorded = records_in(tmp_path / "digits_seeds")
    assert sorted(recorded) == ["decay-smoke-seed0", "plain-smoke-seed0"]
    assert not (ROOT / "digits_seeds").exists()


@pytest.mark.parametrize("path", sorted(train.NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_an_experiment_has_its_parameters_and_its_parts(path):
    cells = nbformat.read(path, as_version=4).cells
    (parameters,) = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    names = re.findall(r"^(\w+) = ", parameters, re.MULTILINE)
    assert names[:4] == ["budget", "train_missing", "minutes", "results_folder"]
    assert names[4:] in ([], ["cifar"])
    assert {"train_missing = False", 'budget = "best"'} <= set(parameters.splitlines())
    text = "\n".join(cell.source for cell in cells)
    for budget in BUDGETS:
        assert f'"{budget}": ' in text
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert "What could be wrong with this experiment" in headings
    assert headings[-2:] == ["Summary", "References"]

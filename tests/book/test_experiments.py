"""The training notebooks as experiments: run from any folder, killed, resumed.

`make smoke` runs each of them; here one is run as a user of papermill would, and killed.
"""

import re
from pathlib import Path

import nbformat
import pytest
import shorter
import train
from coursebook import kernels
from nbclient.exceptions import DeadKernelError

from dlvlib.results import BUDGETS, read_record

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
TIMES = {"seconds", "wall_seconds", "recorded_at", "git_commit"}
NOTEBOOK = "chapters/training/08_digits_seeds"
# The second run is trained to its end and never recorded.
KILL = """import os, signal
from dlvlib import results
write_record, written = results.write_record, []

def write_or_die(path, **fields):
    if written:
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
def test_killed_and_resumed_it_gives_the_records_of_a_run_from_the_root(tmp_path, monkeypatch):
    """Records are found from any folder, too: `test_colab` runs the same notebook elsewhere."""
    notebook = shorter.page(NOTEBOOK)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = {"kernel_manager_class": kernels.manager_class(kernels.FEW), "start_timeout": 600}
    parameters = {"budget": "smoke", "train_missing": True, "results_folder": str(whole)}
    train.train(notebook, parameters, tmp_path / "out.ipynb", cwd=str(ROOT), **options)
    expected = records_in(whole / "digits_seeds")
    assert sorted(expected) == ["decay-smoke-seed0", "plain-smoke-seed0"]
    assert not (ROOT / "digits_seeds").exists()

    deadly = nbformat.read(notebook, as_version=4)
    deadly.cells.insert(0, nbformat.v4.new_code_cell(KILL))
    nbformat.write(deadly, tmp_path / "deadly.ipynb")
    monkeypatch.chdir(train.NOTEBOOKS)
    parameters["results_folder"] = str(killed)
    with pytest.raises(DeadKernelError):
        train.train(tmp_path / "deadly.ipynb", parameters, tmp_path / "out.ipynb", **options)
    (first,) = killed.rglob("*.json")
    before = first.read_bytes()
    train.train(notebook, parameters, tmp_path / "out.ipynb", **options)
    assert first.read_bytes() == before  # not repeated
    assert records_in(killed / "digits_seeds") == expected
    assert not list(killed.rglob("*.unfinished*"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_share_ends_without_an_error_and_the_last_run_draws_the_page(
    tmp_path, monkeypatch, capfd
):
    notebook = shorter.page(NOTEBOOK)
    monkeypatch.setattr(train, "NOTEBOOKS", notebook.parent)
    monkeypatch.setattr(train, "ROOT", tmp_path)  # where the executed notebook goes
    monkeypatch.setenv("IPYTHONDIR", str(ROOT / "tools" / "ipython"))
    monkeypatch.chdir(tmp_path)
    drawn = tmp_path / "_build" / "training" / notebook.name
    command = ["train", "--only", notebook.stem, "--budget", "smoke", "--results", "mine"]

    def outcome(share, *options):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DLV_SHARE", share)
        monkeypatch.setattr("sys.argv", [*command, *options])
        return train.main(), capfd.readouterr().out, drawn.exists()

    status, printed, exists = outcome("", "--minutes", "0")
    assert (status, exists) == (0, False) and "0 of 2 runs of digits_seeds" in printed
    status, printed, exists = outcome("2/2")
    assert (status, exists) == (0, False)
    assert "1 of 2 runs of digits_seeds are recorded; the page is drawn when all are" in printed
    status, printed, exists = outcome("1/2")
    assert (status, exists) == (0, True) and "are recorded;" not in printed
    assert len(list((tmp_path / "mine").rglob("*.json"))) == 2


def test_an_experiment_has_its_parameters_and_its_parts():
    for path in train.NOTEBOOKS.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        (parameters,) = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
        names = re.findall(r"^(\w+) = ", parameters, re.MULTILINE)
        assert names[:4] == ["budget", "train_missing", "minutes", "results_folder"], path
        assert names[4:] in ([], ["cifar"]), path
        assert {"train_missing = False", 'budget = "best"'} <= set(parameters.splitlines()), path
        text = "\n".join(cell.source for cell in cells)
        assert all(f'"{budget}": ' in text for budget in BUDGETS), path
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert "What could be wrong with this experiment" in headings, path
        assert headings[-2:] == ["Summary", "References"], path

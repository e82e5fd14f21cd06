"""The training notebooks as experiments: run from any folder, killed, resumed.

`make smoke` runs each of them; here one is killed, and one is run as a user of papermill would.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import train

from dlvlib.results import BUDGETS, read_record

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
TIMES = {"seconds", "wall_seconds", "recorded_at", "git_commit"}


def start(results: Path) -> subprocess.Popen:
    script = [sys.executable, str(ROOT / "tools" / "train.py")]
    return subprocess.Popen(
        [*script, "--only=fairness", "--budget=smoke", f"--results={results}"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that the kernel can be killed with it
    )


def records_in(folder: Path) -> dict[str, object]:
    """The records without the fields about when they were made and how long it took."""

    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k not in TIMES}
        return [strip(v) for v in value] if isinstance(value, list) else value

    return {path.stem: strip(read_record(path)) for path in sorted(folder.glob("*.json"))}


@pytest.mark.slow
def test_an_experiment_that_was_killed_goes_on_and_gives_the_same_records(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(killed)
    while not len(list(killed.rglob("*.json"))) >= 2:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {path: path.read_bytes() for path in killed.rglob("*.json")}
    assert 2 <= len(before) < 10
    assert start(killed).wait() == 0
    assert start(whole).wait() == 0
    assert all(path.read_bytes() == content for path, content in before.items())  # not repeated
    assert records_in(killed / "fairness_lab") == records_in(whole / "fairness_lab") != {}
    assert not list(killed.rglob("*.unfinished*"))


@pytest.mark.slow
def test_papermill_finds_the_records_from_the_root_of_the_checkout(tmp_path):
    notebook = "chapters/training/08_digits_seeds.ipynb"
    command = [sys.executable, "-m", "papermill", notebook, str(tmp_path / "out.ipynb")]
    options = ["--cwd", str(ROOT), "--no-progress-bar", "-k", "python3"]
    subprocess.run([*command, *options], cwd=ROOT, check=True, capture_output=True)
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    printed = "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))
    assert "Recorded: 20 runs on the digits" in printed
    smoke = ["-p", "budget", "smoke", "-p", "train_missing", "True"]
    smoke += ["-p", "results_folder", str(tmp_path)]
    subprocess.run([*command, *options, *smoke], cwd=ROOT, check=True, capture_output=True)
    assert sorted(records_in(tmp_path / "digits_seeds")) == [
        "decay-smoke-seed0",
        "plain-smoke-seed0",
    ]
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

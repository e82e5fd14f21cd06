"""The training notebooks as experiments: budgets, resuming after a kill, pages without records.

`make smoke` runs each of them; here one is killed, and each is opened with nothing recorded.
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
from nbclient import NotebookClient

from dlvlib.results import BUDGETS, read_record

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "chapters" / "training").glob("*.ipynb"))
READERS = [  # the pages that draw from records
    path
    for path in sorted((ROOT / "chapters").rglob("*.ipynb"))
    if "read_recorded" in path.read_text(encoding="utf8")
]
TIMES = {"seconds", "wall_seconds", "recorded_at", "git_commit"}
by_stem = {"ids": lambda path: path.stem}


def train_command(results: Path) -> list[str]:
    script = str(ROOT / "tools" / "train.py")
    return [sys.executable, script, "--only=degradation", "--budget=smoke", f"--results={results}"]


def start(results: Path) -> subprocess.Popen:
    return subprocess.Popen(
        train_command(results),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that the kernel can be killed with it
    )


def records_in(folder: Path) -> dict[str, object]:
    """The records without the fields that tell when they were made and how long it took."""

    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k not in TIMES}
        return [strip(v) for v in value] if isinstance(value, list) else value

    return {path.stem: strip(read_record(path)) for path in sorted(folder.glob("*.json"))}


def test_an_experiment_that_was_killed_goes_on_and_gives_the_same_records(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(killed)
    end = time.monotonic() + 120
    while not len(list(killed.rglob("*.json"))) >= 2:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end, "no two records in two minutes"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {path: path.read_bytes() for path in killed.rglob("*.json")}
    assert 2 <= len(before) < 5
    assert start(killed).wait(timeout=240) == 0
    assert start(whole).wait(timeout=240) == 0
    assert all(path.read_bytes() == content for path, content in before.items())  # not repeated
    assert records_in(killed / "degradation") == records_in(whole / "degradation") != {}
    assert not list(killed.rglob("*.unfinished*"))


@pytest.mark.parametrize("path", EXPERIMENTS, **by_stem)
def test_an_experiment_has_its_parameters_and_its_parts(path):
    cells = nbformat.read(path, as_version=4).cells
    (parameters,) = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    names = re.findall(r"^(\w+) = ", parameters, re.MULTILINE)
    assert names[:4] == ["budget", "train_missing", "minutes", "results_folder"]
    assert names[4:] in ([], ["cifar"])
    assert "train_missing = False" in parameters
    text = "\n".join(cell.source for cell in cells)
    for budget in BUDGETS:
        assert f'"{budget}": ' in text
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert "What could be wrong with this experiment" in headings
    assert headings[-2:] == ["Summary", "References"]


@pytest.mark.parametrize("path", READERS, **by_stem)
def test_a_page_without_its_records_says_what_is_missing(path, tmp_path):
    """No record: the page runs to its end and names the command that makes them."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r'"(\.\./)?results(?=["/])', f'"{tmp_path}', cell.source)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    said = "".join(
        output.get("text", "") + str(output.get("data", ""))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert re.search(r"\b0 of \d+ runs are recorded", said)
    assert "make train" in said


def test_some_page_draws_from_records():
    assert len(READERS) >= 2

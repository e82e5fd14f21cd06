"""The tools behind `make` answer bad situations in one line and leave nothing half done."""

import re
import subprocess
from pathlib import Path

import nbformat
import papermill
import pytest

ROOT = Path(__file__).parents[2]

import build  # noqa: E402
import install  # noqa: E402
import notebooks  # noqa: E402
import readme  # noqa: E402
import train  # noqa: E402


def test_an_old_python_gets_a_sentence():
    assert "3.11 or later is needed, this is 3.9" in install.problem((3, 9, 18), 100)
    assert install.problem((3, 11, 0), 100) is None
    assert install.problem((3, 14, 0), 100) is None


def test_a_full_disk_is_said_before_anything_is_installed():
    assert "8 GB of free disk are needed" in install.problem((3, 12, 0), 0.3)


def test_install_says_what_to_do_when_packages_cannot_be_had(tmp_path, monkeypatch):
    def fails_at_pip(command):
        return 1 if "pip" in command else subprocess.run(command).returncode

    monkeypatch.setattr(install.subprocess, "call", fails_at_pip)
    assert "run the same command again" in install.install(tmp_path)
    assert not (tmp_path / ".venv" / ".installed").exists()


def test_an_interrupted_environment_is_made_anew(tmp_path, monkeypatch):
    broken = tmp_path / ".venv" / "bin"
    broken.mkdir(parents=True)
    (broken / "python").write_text("half a file")
    calls = []
    monkeypatch.setattr(install.subprocess, "call", lambda command: calls.append(command) or 0)
    assert install.install(tmp_path) is None
    assert not broken.exists()
    assert [("venv" in c, "install" in c) for c in calls] == [(True, False), (False, True)]


def test_a_change_of_the_library_or_of_a_record_changes_the_fingerprint(tmp_path):
    (tmp_path / "dlvlib").mkdir()
    module = tmp_path / "dlvlib" / "cost.py"
    module.write_text("V = 1")
    before = build.fingerprint(tmp_path)
    assert build.fingerprint(tmp_path) == before
    module.write_text("V = 2")
    assert build.fingerprint(tmp_path) != before
    changed = build.fingerprint(tmp_path)
    (tmp_path / "chapters" / "results").mkdir(parents=True)
    (tmp_path / "chapters" / "results" / "run.json").write_text("{}")
    assert build.fingerprint(tmp_path) != changed


def test_a_failed_page_is_named_with_its_cell(tmp_path):
    page = tmp_path / "chapters" / "07_page.ipynb"
    page.parent.mkdir()
    cells = [nbformat.v4.new_markdown_cell("# T"), nbformat.v4.new_code_cell("x = 1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), page)
    log = tmp_path / "_build" / "html" / "reports" / "chapters" / "07_page.err.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "Traceback\n----\nx = 1 / 0\n----\n\x1b[31mZeroDivisionError\x1b[39m: division by zero\n"
    )
    assert build.failed_cells(tmp_path / "_build", tmp_path) == [
        "page chapters/07_page, cell 1: ZeroDivisionError: division by zero"
    ]


def notebook(path: Path, source: str) -> Path:
    parameters = nbformat.v4.new_code_cell("a = 1", metadata={"tags": ["parameters"]})
    cells = [parameters, nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=notebooks.KERNEL), path)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_training_output_appears_only_when_the_notebook_succeeded(tmp_path):
    output = tmp_path / "out" / "n.ipynb"
    train.train(notebook(tmp_path / "n.ipynb", "print(a + 1)"), {"a": 4}, output)
    assert "5" in str(nbformat.read(output, as_version=4).cells[-1].outputs)
    output.unlink()
    with pytest.raises(papermill.PapermillExecutionError):
        train.train(notebook(tmp_path / "n.ipynb", "1 / 0"), {"a": 4}, output)
    assert list(output.parent.iterdir()) == []


COMMANDS = ["book", "test", "train", "serve", "pdf", "zip", "refresh", "bench", "clean"]


@pytest.mark.parametrize("target", [*COMMANDS, "colab", "set-repository"])
def test_make_alone_lists_the_commands(target):
    listed = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True).stdout
    assert any(line.split()[0] == target for line in listed.splitlines() if line.strip())


def test_the_readme_shows_the_recorded_results():
    text = (ROOT / "README.md").read_text(encoding="utf8")
    assert readme.with_table(text) == text
    assert "test accuracy" in readme.table()


def test_the_example_of_the_readme_runs(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    assert "EpochRecord(epoch=10" in capsys.readouterr().out

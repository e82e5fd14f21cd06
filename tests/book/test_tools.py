"""The tools behind `make` report bad situations in one line and leave nothing half done."""

import re
import subprocess
from pathlib import Path

import build
import nbformat
import notebooks
import papermill
import pytest
import readme
import shorter
import train
import yaml
from files import write_files, write_notebook

ROOT = Path(__file__).parents[2]


def test_a_failed_page_is_named_with_its_cell(tmp_path):
    cells = nbformat.v4.new_markdown_cell("# T"), "x = 1 / 0"
    write_notebook(tmp_path / "chapters" / "07_page.ipynb", *cells)
    log = "Traceback\n----\nx = 1 / 0\n----\n\x1b[31mZeroDivisionError\x1b[39m: division by zero\n"
    write_files(tmp_path / "_build/html/reports", {"chapters/07_page.err.log": log})
    assert build.failed_cells(tmp_path / "_build", tmp_path) == [
        "page chapters/07_page, cell 1: ZeroDivisionError: division by zero"
    ]


def notebook(path: Path, source: str) -> Path:
    parameters = nbformat.v4.new_code_cell("a = 1", metadata={"tags": ["parameters"]})
    return write_notebook(path, parameters, source, **notebooks.KERNEL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_training_output_appears_only_when_the_notebook_succeeded(tmp_path):
    output = tmp_path / "out" / "n.ipynb"
    train.train(notebook(tmp_path / "n.ipynb", "print(a + 1)"), {"a": 4}, output)
    assert "5" in str(nbformat.read(output, as_version=4).cells[-1].outputs)
    output.unlink()
    with pytest.raises(papermill.PapermillExecutionError):
        train.train(notebook(tmp_path / "n.ipynb", "1 / 0"), {"a": 4}, output)
    assert list(output.parent.iterdir()) == []


def test_make_alone_lists_the_commands():
    listed = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True).stdout
    commands = {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert commands >= {"book", "test", "quick", "lint", "train", "serve", "pdf", "zip", "colab"}


def test_make_train_passes_on_what_the_page_gives_it():
    page = nbformat.read(shorter.page("chapters/run_it_yourself"), as_version=4)
    text = "\n".join(cell.source for cell in page.cells)
    lines = re.findall(r"^    make (train .+)$", text, re.MULTILINE)
    assert any("RESULTS=" in line for line in lines)
    for line in lines:
        shown = ["make", "-n", "-C", ROOT, *line.split(), "MINUTES=9", "CIFAR=images"]
        command = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
        for name, value in (word.split("=") for word in line.split()[1:]):
            option = "DLV_SHARE=" if name == "SHARE" else f"--{name.lower()} "
            assert option + value in command, line
        assert "--minutes 9" in command and "--cifar images" in command


def test_the_texts_name_commands_that_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [*ROOT.glob("*.md"), *ROOT.glob("teaching/*.md"), ROOT / ".ci/run"]
    texts += [*ROOT.glob(".github/workflows/*.yml"), ROOT / ".pre-commit-config.yaml"]
    for path in texts:
        pattern = r"`make ([\w-]+)|(?:entry|run): make (?:--silent )?([\w-]+)|^ *make ([\w-]+)$"
        for names in re.findall(pattern, path.read_text(encoding="utf8"), re.MULTILINE):
            assert set(names) - {""} <= targets, path


def test_every_job_on_github_ends_in_time():
    for path in ROOT.glob(".github/workflows/*.yml"):
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            assert job["timeout-minutes"] <= 60, (path, name)


def test_the_readme_shows_the_recorded_results():
    shorter.page("chapters/05_training")  # whose claim the table repeats
    text = (ROOT / "README.md").read_text(encoding="utf8")
    assert readme.with_table(text) == text
    assert "test accuracy" in readme.table()


@pytest.mark.slow
def test_the_example_of_the_readme_runs(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    assert "EpochRecord(epoch=10" in capsys.readouterr().out

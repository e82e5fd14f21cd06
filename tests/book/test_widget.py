"""Exercise 3 has a slider where a kernel runs; the published page has a sentence instead."""

import re
from pathlib import Path

import nbformat
import pytest
import shorter
from coursebook import kernels
from nbclient import NotebookClient

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')"
WIDGET = "application/vnd.jupyter.widget-view+json"


def outputs(notebook) -> list:
    (cell,) = [cell for cell in notebook.cells if "interact(look" in cell.source]
    return cell.outputs


def read(folder: str):
    return nbformat.read(shorter.page(f"{folder}/03_lenet"), as_version=4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_on_colab_a_slider_appears_and_asks_the_network():
    notebook = read("solutions")
    needed = re.compile(r"# @title|import math|class LeNet|train_all, test|INTERACTIVE")
    notebook.cells = [cell for cell in notebook.cells if needed.match(cell.source)]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(COLAB))
    notebook.cells.insert(-1, nbformat.v4.new_code_cell("net = LeNet(10)"))
    moved = "print(), look(7)"  # what the slider calls when it is moved
    notebook.cells.append(nbformat.v4.new_code_cell(moved))
    folder = {"metadata": {"path": str(ROOT / "solutions")}}
    options = {"kernel_manager_class": kernels.manager_class(kernels.FEW), "resources": folder}
    NotebookClient(notebook, timeout=300, **options).execute()
    assert any(WIDGET in output.get("data", {}) for output in outputs(notebook))
    text = "".join(output.get("text", "") for output in notebook.cells[-1].outputs)
    shares = [float(line.split()[1].rstrip("%")) for line in text.split("\n") if "%" in line]
    assert len(shares) == 10
    assert 99.9 < sum(shares) < 100.1


def test_a_page_without_a_kernel_shows_a_sentence_and_no_dead_slider():
    for folder, sentence in (
        ("solutions", "A running notebook shows a slider"),
        ("exercises", "6"),
    ):
        (output,) = outputs(read(folder))
        assert sentence in output.text

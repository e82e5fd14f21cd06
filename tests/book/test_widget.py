"""Exercise 3 has a slider where a kernel runs; the published page has a sentence instead."""

import re
import sys
from types import ModuleType

import matplotlib.pyplot as plt
import nbformat
import pytest
import shorter

pytestmark = pytest.mark.book
SLIDER = "interact(look"


def cells(folder: str) -> list:
    return nbformat.read(shorter.page(f"{folder}/03_lenet"), as_version=4).cells


@pytest.mark.slow
def test_on_colab_a_slider_asks_the_network(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    names = {"sys": sys}
    for cell in cells("solutions"):
        if SLIDER in cell.source:
            names["net"] = names["LeNet"](10)
        if re.match(r"import (math|sys)\n|class LeNet|train_all, test|INTERACTIVE", cell.source):
            exec(cell.source, names)
    (slider,) = names["look"].widget.kwargs_widgets
    for number in (7, slider.max):
        capsys.readouterr()
        slider.value = number
        shares = [float(share) for share in re.findall(r"([\d.]+)%", capsys.readouterr().out)]
        assert len(shares) == 10 and 99.9 < sum(shares) < 100.1
    plt.close("all")


def test_a_page_without_a_kernel_shows_a_sentence_and_no_dead_slider():
    sentences = {"solutions": "A running notebook shows a slider", "exercises": "question 6 first"}
    for folder, sentence in sentences.items():
        ((output,),) = [cell.outputs for cell in cells(folder) if SLIDER in cell.source]
        assert sentence in output.text

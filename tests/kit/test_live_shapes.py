"""The shape simulator against PyTorch: 2,000 random programs, right and wrong, and its costs."""

import html
import json
import random
import re

import pytest
import torch
from live_helpers import call, check_figure
from torch import nn
from torch_programs import random_program, run_torch

from coursekit.checks.layers import fitting as layers_fitting
from coursekit.checks.lenet import fitting as lenet_fitting
from coursekit.checks.receptive_field import fitting as field_fitting
from coursekit.live import shapes
from dlvlib.models import build
from dlvlib.profile.summary import summarize

pytestmark = pytest.mark.browser
FIGURE = shapes.figure()
PROGRAMS = json.loads(re.search('json">(.*?)</script>', FIGURE.html, re.S)[1])["programs"]


def trace(page, programs):
    body = """return argument.map(([text, shape]) => {
        const { layers, error } = figure.traceProgram(text, shape);
        return [layers, error && { ...error, message: error.message }];
    });"""
    return call(page, "shapes", body, programs)


@pytest.mark.slow
def test_random_programs_give_the_shapes_the_costs_and_the_errors_of_torch(page):
    programs = [random_program(random.Random(seed)) for seed in range(2000)]
    outcomes, compared = set(), 0
    for (text, image), (layers, error) in zip(programs, trace(page, programs), strict=True):
        expected, sentence = run_torch(text, image)
        assert [layer["shape"] for layer in layers] == expected, text
        said = error and f"{error['kind']}: {error['message']}"
        assert said == sentence, text
        outcomes.add(sentence and sentence.split(":")[0])
        if error or len(layers) < 4 or compared == 60:
            continue
        compared += 1
        summary = summarize(_built(text), tuple(image))
        seen = [layer for layer in layers if layer["name"] != "Identity"]
        for layer, truth in zip(seen, summary.layers, strict=True):
            assert (layer["params"], layer["macs"]) == (truth.params, truth.macs), text
            assert layer["bytes"] == truth.output_bytes, text
            if layer["field"] and truth.receptive_field:
                assert tuple(layer["field"]) == truth.receptive_field, text
    assert compared == 60
    assert outcomes == {None, "RuntimeError", "ValueError", "TypeError", "IndexError"}


def _built(text: str) -> nn.Module:
    with torch.device("meta"):
        return eval(text, {"nn": nn})


def test_the_networks_of_the_book_are_those_of_dlvlib(page):
    texts = {one["name"]: (one["text"], one["shape"]) for one in PROGRAMS if "layers" not in one}
    for title, (name, channels, side) in shapes.SEQUENTIAL.items():
        ((layers, error),) = trace(page, [texts[title]])
        assert error is None and texts[title][1] == [channels, side, side]
        with torch.device("meta"):
            summary = summarize(build(name), (channels, side, side))
        assert sum(layer["params"] for layer in layers) == summary.params
        assert sum(layer["macs"] for layer in layers) == summary.macs
        fields = [tuple(layer["field"]) for layer in layers]
        assert fields == [layer.receptive_field for layer in summary.layers]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "The program must have a layer."),
        ("nn.Conv2d(1, 6, 5", 1, ") or , expected, got the end."),
        ("nn.Conv2d(1, 6, five)", 1, "A number expected, got five."),
        ("nn.ReLU()\nnn.Linear(1e10, 2)", 2, "A number must be at most 1,000,000,000, got 1e10."),
        (
            "nn.Linear(2.5, 2)",
            1,
            "in_features of Linear must be a whole number, 1 or more, got 2.5.",
        ),
        (
            "nn.Linear(-1, 2)",
            1,
            "in_features of Linear must be a whole number, 1 or more, got -1.",
        ),
        ("nn.Conv2d(1, 6, (5, 5, 5))", 1, "kernel_size of Conv2d must be one or two whole"),
        (
            "nn.ReLU()\n\nnn.GELU()",
            3,
            "module 'torch.nn' has no attribute 'GELU', or this page lacks",
        ),
        ("nn.ReLU(); import os", 1, '";" is not understood here.'),
        ("nn.Linear(bias=False, 3)", 1, "positional argument follows keyword argument"),
        ("nn.Conv2d(1, 6, 5, device='cpu')", 1, "This page does not know the argument device."),
        ("nn.Conv2d(1, 6, 3, padding='x')", 1, "Invalid padding string 'x', should be one of"),
        ("(" * 4900, 1, "A layer expected, got (."),
        ("x" * 5001, 0, "The program must have at most 5000 letters, got 5001."),
    ],
)
def test_a_bad_program_gets_a_sentence_and_its_line(page, text, line, message):
    ((layers, error),) = trace(page, [(text, [1, 32, 32])])
    assert layers == []
    assert error["message"].startswith(message)
    assert error["line"] == line


def test_huge_layers_are_counted_and_nothing_is_built(page):
    ((layers, error),) = trace(page, [("nn.Flatten(),\nnn.Linear(1024, 1e9)", [1, 32, 32])])
    assert error is None
    assert layers[1]["params"] == 10**9 * 1025


def test_a_reader_fixes_a_network_line_by_line(page):
    page.set_viewport_size({"width": 800, "height": 900})
    page.set_content(FIGURE.html)
    stage = page.locator(".dlv-live-stage")
    says = stage.get_by_role("status")
    assert says.inner_text().startswith("61,706 parameters,")
    choice = stage.get_by_role("combobox", name="begin with")
    choice.select_option(label="a mistake: LeNet-5 on 28 × 28")
    assert says.inner_text() == (
        "Line 9. RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x256 and 400x120)"
    )
    assert "in_features must be 256" in stage.inner_text()
    assert stage.locator("tbody tr").count() == 7  # the layers before it
    area = stage.get_by_role("textbox")
    area.fill(area.input_value().replace("400", "256"))
    assert stage.locator("tbody tr").count() == 12
    stage.get_by_role("spinbutton", name="height").fill("0")
    assert says.inner_text().endswith("must be a whole number from 1 to 4096, got 1, 0, 28.")
    choice.select_option(label="ResNet-18")
    assert says.inner_text().startswith("11,689,512 parameters,") and area.is_disabled()
    last = stage.locator("tbody tr").last.inner_text().split("\t")
    assert last[0].endswith("(Linear)") and last[1] == "1000"


def test_the_figure_keeps_the_rules_of_every_figure(page, chromium):
    plain = chromium.new_context(java_script_enabled=False).new_page()
    check_figure(page, plain, FIGURE, most=70_000)
    assert "<td>61,706</td>" in FIGURE.html


EXERCISES = [
    (layers_fitting.PROGRAMS, layers_fitting.HINTS),
    (lenet_fitting.PROGRAMS, lenet_fitting.HINTS),
    (field_fitting.PROGRAMS, field_fitting.HINTS),
]


def test_programs_of_an_exercise_stop_with_the_words_of_torch_and_its_hint(page):
    seen = set()
    for programs, hints in EXERCISES:
        figure = shapes.exercise(programs, hints)
        page.set_content(figure.html)
        stage = page.locator(".dlv-live-stage")
        for title, (text, shape) in programs.items():
            stage.get_by_role("combobox").select_option(title)
            _, sentence = run_torch(text, shape)
            assert stage.get_by_role("status").inner_text().endswith(sentence)
            assert html.escape(sentence) in figure.html
            paragraph = stage.locator("p").last.inner_text()
            seen |= {(title, hint) for *_, hint in hints if paragraph.endswith(hint)}
        assert len(figure.html) < 45_000
    assert [title for title, _ in sorted(seen)] == sorted(t for p, _ in EXERCISES for t in p)
    assert dict(seen)["28 pixels"] == "That starts from 28 pixels; these images have 32."
    assert dict(seen)["no Flatten"] == "The maps reach the dense layers unflattened."
    assert dict(seen)["two convolutions"].startswith("The channels are missing")


def test_a_page_chooses_the_network_that_is_shown_first(page):
    page.set_content(shapes.figure("AlexNet").html)
    says = page.locator(".dlv-live-stage").get_by_role("status")
    assert says.inner_text().startswith(f"{summarize(build('alexnet'), (3, 224, 224)).params:,}")
    with pytest.raises(ValueError, match="first must be one of LeNet-5, .*, got 'AlexNot'"):
        shapes.figure("AlexNot")

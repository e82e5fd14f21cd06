"""Live figures of layers: costs against dlvlib.profile, random programs against PyTorch."""

import html
import random

import pytest
import torch
from live_helpers import FALLBACK, call, data_of, made, on_page
from torch import nn
from torch_programs import random_program, run_torch

from coursekit import live
from coursekit.checks.layers import fitting as layers_fitting
from coursekit.checks.lenet import fitting as lenet_fitting
from coursekit.checks.receptive_field import fitting as field_fitting
from coursekit.live import shapes
from dlvlib.models import build
from dlvlib.profile import cost
from dlvlib.profile.summary import summarize

pytestmark = pytest.mark.browser
DATA = {
    "sizes": [4, 7, 14, 28, 56],
    "channels": [1, 3, 16, 64, 512, 1024],
    "start": {"size": 14, "channels": 512, "kernels": 512},
}


def random_layers(count):
    drawn = random.Random(0)
    for _ in range(count):
        groups = drawn.choice([1, 1, 2, 4, 8])
        sizes = [drawn.randint(7, 60), drawn.randint(7, 60)]
        yield {
            "shape": [groups * drawn.randint(1, 40), *sizes],
            "kernels": groups * drawn.randint(1, 40),
            "kernel": drawn.randint(1, 7),
            "stride": drawn.randint(1, 4),
            "padding": drawn.randint(0, 3),
            "bias": drawn.random() < 0.5,
            "groups": groups,
        }


def as_dict(layer):
    numbers = {"params": layer.params, "macs": layer.macs, "flops": layer.flops}
    return numbers | {"shape": list(layer.output_shape), "bytes": layer.output_bytes}


def test_costs_and_their_ratio_are_those_of_dlvlib(page):
    layers = list(random_layers(300))
    body = """return argument.map(({ shape, kernels, kernel, ...options }) => {
        const conv = figure.convolution(shape, kernels, kernel, options);
        const { groups, ...plain } = options;
        return [conv, figure.separable(shape, kernels, kernel, plain),
            figure.ratio(kernels, kernel)];
    });"""
    for layer, (*found, ratio) in zip(layers, call(page, "layer_cost", body, layers), strict=True):
        options = {key: layer[key] for key in ("stride", "padding", "bias")}
        asked = (tuple(layer["shape"]), layer["kernels"], layer["kernel"])
        conv = cost.conv2d(*asked, groups=layer["groups"], **options)
        separable = cost.depthwise_separable(*asked, **options)
        assert found == [as_dict(conv), as_dict(separable)], layer
        if layer["groups"] == 1 and not layer["bias"]:
            assert ratio == pytest.approx(separable.macs / conv.macs, rel=1e-12)
            assert ratio == pytest.approx(separable.params / conv.params, rel=1e-12)


def test_the_page_prints_three_forms():
    data, fallback = on_page("layer_cost", "13_depthwise_separable")
    shape = (data["start"]["channels"], data["start"]["size"], data["start"]["size"])
    asked, options = (shape, data["start"]["kernels"], 3), {"padding": 1, "bias": False}
    forms = {
        "convolution": cost.conv2d(*asked, **options),
        "in 8 groups": cost.conv2d(*asked, groups=8, **options),
        "separable": cost.depthwise_separable(*asked, **options),
    }
    for name, form in forms.items():
        cells = f"<td>{form.params / 1e6:,.2f}</td>"
        cells += f"<td>{form.macs / 1e6:,.0f}</td><td>{form.flops / 1e6:,.0f}</td>"
        assert f"{name}</th>{cells}" in fallback
        assert f"output of each {form.output_bytes:,} bytes" in fallback


def test_a_reader_compares_layers(reader):
    reader.open(live.show("layer_cost", DATA, FALLBACK))
    tables = reader.stage.locator("table")

    def rows(place):
        """Name and number of each visible bar of a table: parameters, MACs, FLOPs."""
        lines = tables.nth(place).locator("tbody tr:visible").all()
        return dict(line.locator("th, td").all_inner_texts()[:2] for line in lines)

    def conv2d(kernel=3, **options):
        return cost.conv2d((512, 14, 14), 512, kernel, padding=1, **options)

    conv = conv2d(bias=False)
    separable = cost.depthwise_separable((512, 14, 14), 512, 3, padding=1, bias=False)
    assert rows(0) == {
        "convolution": f"{conv.params:,}",
        "separable": f"{separable.params:,}",
    }
    assert rows(1)["convolution"] == f"{conv.macs:,}"
    assert rows(2)["separable"] == f"{separable.flops:,}"
    assert reader.words() == (
        f"Output: 512 × 14 × 14 = {conv.output_bytes // 4:,} values, "
        f"{conv.output_bytes:,} bytes in float32, the same for all forms."
    )
    assert "= 1/512 + 1/9 = 0.113." in reader.stage.inner_text()
    first, second = tables.first.locator("td div:visible").all()
    ratio = second.bounding_box()["width"] / first.bounding_box()["width"]
    assert ratio == pytest.approx(separable.params / conv.params, abs=0.01)

    spoken = reader.slide("window", "ArrowRight")
    assert f"window k × k 5: MACs convolution {conv2d(5, bias=False).macs:,}" in spoken
    reader.choose("bias", "with")
    assert rows(0)["convolution"] == f"{conv2d(5).params:,}"
    reader.slide("groups", "ArrowRight")
    assert rows(0)["in groups"] == f"{conv2d(5, groups=2).params:,}"

    # a window as large as the input makes a dense layer, and has one place
    reader.choose("bias", "without")
    for name, key in [("groups", "Home"), ("window", "End"), ("padding", "Home")]:
        reader.slide(name, key)
    reader.slide("input side", "ArrowLeft")
    assert rows(0)["convolution"] == rows(1)["convolution"] == f"{512 * 512 * 49:,}"
    assert tables.first.locator("td div:visible").count() == 2

    reader.slide("input side", "Home")
    assert reader.words() == "A window of 7 does not fit into 4 pixels, padding included."
    assert reader.stage.locator("table:visible").count() == 0
    reader.slide("padding", "End")
    assert reader.stage.locator("table:visible").count() == 3
    reader.slide("input channels", "Home")
    reader.slide("groups", "End")
    assert reader.words() == "32 groups must divide both 1 input channels and 512 kernels."
    assert reader.words() in reader.slide("input side")


FIGURE = made("shapes")


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
        with torch.device("meta"):
            summary = summarize(eval(text, {"nn": nn}), tuple(image))
        seen = [layer for layer in layers if layer["name"] != "Identity"]
        for layer, truth in zip(seen, summary.layers, strict=True):
            assert (layer["params"], layer["macs"]) == (truth.params, truth.macs), text
            assert layer["bytes"] == truth.output_bytes, text
            if layer["field"] and truth.receptive_field:
                assert tuple(layer["field"]) == truth.receptive_field, text
    assert compared == 60
    assert outcomes == {None, "RuntimeError", "ValueError", "TypeError", "IndexError"}


def test_the_networks_of_the_book_are_those_of_dlvlib(page):
    programs = {one["name"]: (one["text"], one["shape"]) for one in data_of(FIGURE)["programs"]}
    for title, (name, channels, side) in shapes.SEQUENTIAL.items():
        assert programs[title][1] == [channels, side, side]
        ((layers, error),) = trace(page, [programs[title]])
        with torch.device("meta"):
            summary = summarize(build(name), (channels, side, side))
        assert error is None
        assert sum(layer["params"] for layer in layers) == summary.params
        assert sum(layer["macs"] for layer in layers) == summary.macs
        fields = [tuple(layer["field"]) for layer in layers]
        assert fields == [layer.receptive_field for layer in summary.layers]


WHOLE = "of Linear must be a whole number, 1 or more, got"
BAD = [  # a program, the line of its fault, the sentence
    ("", 0, "The program must have a layer."),
    ("nn.Conv2d(1, 6, 5", 1, ") or , expected, got the end."),
    ("nn.Conv2d(1, 6, five)", 1, "A number expected, got five."),
    ("nn.ReLU()\nnn.Linear(1e10, 2)", 2, "A number must be at most 1,000,000,000, got 1e10."),
    ("nn.Linear(2.5, 2)", 1, f"in_features {WHOLE} 2.5."),
    ("nn.Linear(-1, 2)", 1, f"in_features {WHOLE} -1."),
    ("nn.Conv2d(1, 6, (5, 5, 5))", 1, "kernel_size of Conv2d must be one or two whole"),
    ("nn.ReLU()\n\nnn.GELU()", 3, "module 'torch.nn' has no attribute 'GELU', or this page lacks"),
    ("nn.ReLU(); import os", 1, '";" is not understood here.'),
    ("nn.Linear(bias=False, 3)", 1, "positional argument follows keyword argument"),
    ("nn.Conv2d(1, 6, 5, device='cpu')", 1, "This page does not know the argument device."),
    ("nn.Conv2d(1, 6, 3, padding='x')", 1, "Invalid padding string 'x', should be one of"),
    ("(" * 4900, 1, "A layer expected, got (."),
    ("x" * 5001, 0, "The program must have at most 5000 letters, got 5001."),
]


def test_a_bad_program_gets_a_sentence_and_its_line(page):
    huge = "nn.Flatten(),\nnn.Linear(1024, 1e9)"  # is counted, and never built
    programs = [(text, [1, 32, 32]) for text in (huge, *(text for text, *_ in BAD))]
    (built, no_error), *found = trace(page, programs)
    assert no_error is None and built[1]["params"] == 10**9 * 1025
    for (text, line, message), (layers, error) in zip(BAD, found, strict=True):
        assert layers == [] and error["line"] == line, text
        assert error["message"].startswith(message)


def test_a_reader_fixes_a_network_line_by_line(reader):
    reader.open(FIGURE)
    assert reader.words().startswith("61,706 parameters,")
    assert "<td>61,706</td>" in FIGURE.html
    reader.choose("begin with", "a mistake: LeNet-5 on 28 × 28")
    sentence = "mat1 and mat2 shapes cannot be multiplied (1x256 and 400x120)"
    assert reader.words() == f"Line 9. RuntimeError: {sentence}"
    assert "in_features must be 256" in reader.stage.inner_text()
    assert len(reader.texts("tbody tr")) == 7  # the layers before it
    area = reader.stage.get_by_role("textbox")
    area.fill(area.input_value().replace("400", "256"))
    assert len(reader.texts("tbody tr")) == 12
    reader.find("spinbutton", "height").fill("0")
    assert reader.words().endswith("must be a whole number from 1 to 4096, got 1, 0, 28.")
    reader.choose("begin with", "ResNet-18")
    assert reader.words().startswith("11,689,512 parameters,") and area.is_disabled()
    last = reader.texts("tbody tr")[-1].split("\t")
    assert last[0].endswith("(Linear)") and last[1] == "1000"
    reader.open(shapes.figure("AlexNet"))  # a page chooses what is shown first
    params = summarize(build("alexnet"), (3, 224, 224)).params
    assert reader.words().startswith(f"{params:,}")
    with pytest.raises(ValueError, match="first must be one of LeNet-5, .*, got 'AlexNot'"):
        shapes.figure("AlexNot")


def test_programs_of_an_exercise_stop_with_the_words_of_torch_and_its_hint(reader):
    exercises = layers_fitting, lenet_fitting, field_fitting
    seen = {}
    for exercise in exercises:
        figure = shapes.exercise(exercise.PROGRAMS, exercise.HINTS)
        assert len(figure.html) < 45_000
        reader.open(figure)
        for title, (text, shape) in exercise.PROGRAMS.items():
            reader.stage.get_by_role("combobox").select_option(title)
            _, sentence = run_torch(text, shape)
            if sentence is None:  # a program to begin with
                continue
            assert reader.words().endswith(sentence)
            assert html.escape(sentence) in figure.html
            paragraph = reader.texts("p")[-1]
            hints = [hint for *_, hint in exercise.HINTS if paragraph.endswith(hint)]
            (seen[title],) = dict.fromkeys(hints)
    assert seen["32 pixels"].endswith("these images have 28.")
    assert seen["no Flatten"] == "The maps reach the dense layers unflattened."
    assert seen["two convolutions"].startswith("The channels are missing")

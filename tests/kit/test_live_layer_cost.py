"""The live figure of layer costs: its integers against dlvlib.profile.cost, words, limits."""

import random

import pytest
from live_helpers import call, on_page

from coursekit import live
from dlvlib.profile import cost

pytestmark = pytest.mark.browser
DATA = {
    "sizes": [4, 7, 14, 28, 56],
    "channels": [1, 3, 16, 64, 512, 1024],
    "start": {"size": 14, "channels": 512, "kernels": 512},
}
FIGURE = live.show("layer_cost", DATA, live.table("x", ["a", "b"], [["1", "2"]]))


def random_layers(count: int) -> list[dict]:
    drawn = random.Random(0)
    layers = []
    while len(layers) < count:
        groups = drawn.choice([1, 1, 2, 4, 8])
        layer = {
            "shape": [groups * drawn.randint(1, 40), drawn.randint(1, 60), drawn.randint(1, 60)],
            "kernels": groups * drawn.randint(1, 40),
            "kernel": drawn.randint(1, 7),
            "stride": drawn.randint(1, 4),
            "padding": drawn.randint(0, 3),
            "bias": drawn.random() < 0.5,
            "groups": groups,
        }
        if min(layer["shape"][1:]) + 2 * layer["padding"] >= layer["kernel"]:
            layers.append(layer)
    return layers


def as_dict(layer: cost.LayerCost) -> dict:
    numbers = {"params": layer.params, "macs": layer.macs, "flops": layer.flops}
    return numbers | {"shape": list(layer.output_shape), "bytes": layer.output_bytes}


def test_costs_are_those_of_dlvlib_on_many_layers(page):
    layers = random_layers(1000)
    body = """return argument.map(({ shape, kernels, kernel, ...options }) => {
        const conv = figure.convolution(shape, kernels, kernel, options);
        const outputs = conv.shape.reduce((a, b) => a * b);
        const { groups, ...plain } = options;
        return [conv, figure.separable(shape, kernels, kernel, plain),
            figure.dense(shape, outputs, options)];
    });"""
    for layer, found in zip(layers, call(page, "layer_cost", body, layers), strict=True):
        options = {key: layer[key] for key in ("stride", "padding", "bias")}
        asked = (tuple(layer["shape"]), layer["kernels"], layer["kernel"])
        conv = cost.conv2d(*asked, groups=layer["groups"], **options)
        separable = cost.depthwise_separable(*asked, **options)
        outputs = conv.output_bytes // conv.bytes_per_value
        dense = cost.linear(asked[0], outputs, bias=layer["bias"])
        assert found == [as_dict(conv), as_dict(separable), as_dict(dense)], layer


def test_the_ratio_is_that_of_macs_and_of_weights(page):
    layers = [layer for layer in random_layers(200) if layer["groups"] == 1]
    body = "return argument.map(({ kernels, kernel }) => figure.ratio(kernels, kernel));"
    for layer, found in zip(layers, call(page, "layer_cost", body, layers), strict=True):
        options = {"stride": layer["stride"], "padding": layer["padding"], "bias": False}
        asked = (tuple(layer["shape"]), layer["kernels"], layer["kernel"])
        separable, conv = (
            cost.depthwise_separable(*asked, **options),
            cost.conv2d(*asked, **options),
        )
        assert found == pytest.approx(separable.macs / conv.macs, rel=1e-12)
        assert found == pytest.approx(separable.params / conv.params, rel=1e-12)


def test_the_page_prints_four_forms():
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


def rows(stage, place: int) -> dict[str, str]:
    """Name and number of each visible bar of table `place`: parameters, MACs, FLOPs."""
    lines = stage.locator("table").nth(place).locator("tbody tr:visible").all()
    return {row.locator("th").inner_text(): row.locator("td").nth(0).inner_text() for row in lines}


def test_the_first_view_is_the_lectures_layer(stage):
    conv = cost.conv2d((512, 14, 14), 512, 3, padding=1, bias=False)
    separable = cost.depthwise_separable((512, 14, 14), 512, 3, padding=1, bias=False)
    assert rows(stage, 0) == {
        "convolution": f"{conv.params:,}",
        "separable": f"{separable.params:,}",
        "dense": f"{conv.output_bytes**2 // 16 / 1e9:,.1f} billion",
    }
    assert rows(stage, 1)["convolution"] == f"{conv.macs:,}"
    assert rows(stage, 2)["separable"] == f"{separable.flops:,}"
    assert stage.locator("[role=status]").inner_text() == (
        f"Output: 512 × 14 × 14 = {conv.output_bytes // 4:,} values, "
        f"{conv.output_bytes:,} bytes in float32, the same for all forms."
    )
    assert "= 1/512 + 1/9 = 0.113." in stage.inner_text()


def test_the_keyboard_changes_the_words(stage):
    window = stage.get_by_role("slider", name="window")
    window.press("ArrowRight")
    conv = cost.conv2d((512, 14, 14), 512, 5, padding=1, bias=False)
    assert f"window k × k 5: MACs convolution {conv.macs:,}" in window.get_attribute(
        "aria-valuetext"
    )
    stage.get_by_role("combobox", name="bias").select_option(label="with")
    with_bias = cost.conv2d((512, 14, 14), 512, 5, padding=1)
    assert rows(stage, 0)["convolution"] == f"{with_bias.params:,}"
    groups = stage.get_by_role("slider", name="groups")
    groups.press("ArrowRight")
    halves = cost.conv2d((512, 14, 14), 512, 5, padding=1, groups=2)
    assert rows(stage, 0)["in groups"] == f"{halves.params:,}"


def test_bars_have_the_lengths_of_their_numbers(stage):
    conv, separable = stage.locator("table").first.locator("td div:visible").all()
    ratio = separable.bounding_box()["width"] / conv.bounding_box()["width"]
    assert ratio == pytest.approx(266_752 / 2_359_296, abs=0.01)
    assert "× the first" in stage.locator("table").first.inner_text()  # too long to draw


def test_a_window_as_large_as_the_input_makes_a_dense_layer(stage):
    for name, key, times in [("input side", "ArrowLeft", 1), ("window", "End", 1)]:
        for _ in range(times):
            stage.get_by_role("slider", name=name).press(key)
    stage.get_by_role("slider", name="padding").press("Home")
    costs = rows(stage, 0)
    assert costs["dense"] == costs["convolution"] == f"{512 * 512 * 49:,}"
    assert stage.locator("table").first.locator("td div:visible").count() == 3


def test_what_does_not_fit_is_explained(stage):
    side, padding = (stage.get_by_role("slider", name=name) for name in ("input side", "padding"))
    side.press("Home")
    padding.press("Home")
    stage.get_by_role("slider", name="window").press("End")
    status = stage.locator("[role=status]")
    assert status.inner_text() == "A window of 7 does not fit into 4 pixels, padding included."
    assert stage.locator("table:visible").count() == 0
    padding.press("End")
    assert stage.locator("table:visible").count() == 3
    stage.get_by_role("slider", name="input channels").press("Home")
    stage.get_by_role("slider", name="groups").press("End")
    expected = "32 groups must divide both 1 input channels and 512 kernels."
    assert status.inner_text() == expected
    assert expected in side.get_attribute("aria-valuetext")

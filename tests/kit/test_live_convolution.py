"""The live figure of the convolution: its arithmetic against torch, its words, its limits."""

import random

import pytest
import torch
from live_helpers import call, on_page
from torch.nn import functional as F

from coursekit import live
from dlvlib.profile import cost

pytestmark = pytest.mark.browser
IMAGE = torch.arange(64).reshape(8, 8) % 10
VERTICAL, MEAN = torch.tensor([[-1, 0, 1]] * 3), torch.ones(3, 3, dtype=torch.long)
DATA = {
    "image": IMAGE.tolist(),
    "kernels": [
        {"name": "vertical edge", "weights": VERTICAL.tolist(), "divisor": 1},
        {"name": "blur", "weights": MEAN.tolist(), "divisor": 9},
    ],
    "row": 2,
    "column": 3,
}
FIGURE = live.show("convolution", DATA, live.table("Sizes", ["stride", "size"], [["1", "6"]]))


def conv2d(image: torch.Tensor, kernel: torch.Tensor, **options) -> torch.Tensor:
    return F.conv2d(image[None, None].double(), kernel[None, None].double(), **options)[0, 0]


def test_maps_agree_with_torch_on_random_inputs(page):
    drawn = random.Random(0)
    generator = torch.Generator().manual_seed(0)
    cases, expected = [], []
    while len(cases) < 150:
        sides = [drawn.randint(3, 11) for _ in range(2)], [drawn.randint(1, 5) for _ in range(2)]
        image, kernel = (torch.randn(*side, generator=generator).double() for side in sides)
        options = {"stride": drawn.randint(1, 3), "padding": drawn.randint(0, 3)}
        options["dilation"] = drawn.randint(1, 3)
        try:
            expected.append(conv2d(image, kernel, **options))
        except RuntimeError:  # the kernel fits nowhere
            continue
        cases.append([image.tolist(), kernel.tolist(), options])
    found = call(
        page,
        "convolution",
        "return argument.map(([image, kernel, o]) => figure.convolve(image, kernel, o));",
        cases,
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.tensor(one, dtype=torch.double), other)


def test_sizes_agree_with_dlvlib_and_are_zero_where_nothing_fits(page):
    cases, expected = [], []
    for size in range(1, 10):
        for kernel in (1, 2, 3, 5):
            for stride, padding, dilation in [(1, 0, 1), (2, 1, 1), (3, 2, 2), (1, 3, 4)]:
                options = {"stride": stride, "padding": padding, "dilation": dilation}
                cases.append([size, kernel, options])
                try:
                    layer = cost.conv2d((1, size, size), 1, kernel, **options)
                    expected.append(layer.output_shape[1])
                except ValueError:
                    expected.append(0)
    body = "return argument.map(([n, k, options]) => figure.outputSize(n, k, options));"
    assert call(page, "convolution", body, cases) == expected
    assert 0 in expected


def test_the_page_prints_two_maps():
    data, fallback = on_page("convolution", "04_lenet")
    kernels = {one["name"]: torch.tensor(one["weights"]) for one in data["kernels"]}
    image = torch.tensor(data["image"])
    assert image.shape == (8, 8) and image.min() >= 0 and image.max() <= 9
    for name in ("vertical edge", "horizontal edge"):
        for row in conv2d(image, kernels[name], padding=1):
            assert f"<td>{' '.join(written(row))}</td>" in fallback


def map_of(stage) -> list[str]:
    return stage.get_by_role("img", name="The map").locator("text").all_text_contents()


def written(values: torch.Tensor, digits: int = 0) -> list[str]:
    return [f"{v:.{digits}f}".replace("-", "−") for v in values.flatten().tolist()]


def test_keyboard_walks_and_the_walk_is_announced(stage):
    walk = stage.get_by_role("slider", name="place of the kernel")
    values = conv2d(IMAGE, VERTICAL)
    assert map_of(stage) == written(values)
    assert f"row 3, column 4 of the map: sum {written(values[2, 3])[0]}" in walk.get_attribute(
        "aria-valuetext"
    )
    walk.press("ArrowRight")
    said = walk.get_attribute("aria-valuetext")
    assert said == f"row 3, column 5 of the map: sum {written(values[2, 4])[0]}"
    stage.get_by_role("button", name="next").press("Enter")
    stage.get_by_role("button", name="next").press("Enter")
    assert "row 4, column 1 of the map" in walk.get_attribute("aria-valuetext")
    walk.press("End")
    stage.get_by_role("button", name="next").press("Enter")  # there is no place beyond the last
    assert "row 6, column 6 of the map" in walk.get_attribute("aria-valuetext")
    last = stage.get_by_role("img", name="Products").get_attribute("aria-label")
    products = (IMAGE[5:, 5:] * VERTICAL).flatten()
    assert last == f"Products, row by row: {', '.join(written(products))}."


def test_options_change_the_map_and_its_size(stage):
    stage.get_by_role("slider", name="stride").press("ArrowRight")
    stage.get_by_role("slider", name="padding").press("ArrowRight")
    stage.get_by_role("slider", name="dilation").press("ArrowRight")
    stage.get_by_role("combobox", name="kernel").select_option(label="blur")
    assert map_of(stage) == written(
        conv2d(IMAGE, MEAN, stride=2, padding=1, dilation=2) / 9, digits=1
    )
    status = stage.locator("[role=status]").inner_text()
    assert status == "size of the map: ⌊(8 + 2·1 − 2·(3 − 1) − 1) / 2⌋ + 1 = 3"
    image = stage.get_by_role("img", name="The image")
    assert image.locator("text").count() == 100
    assert "with 1 of padding" in image.get_attribute("aria-label")


def test_a_kernel_that_fits_nowhere_is_explained(stage):
    dilation = stage.get_by_role("slider", name="dilation")
    dilation.press("End")
    status = stage.locator("[role=status]")
    assert "covers 9 pixels, the image with its padding has 8. It fits nowhere" in (
        status.inner_text()
    )
    assert stage.get_by_role("img").count() == 1  # the image alone
    assert stage.get_by_role("slider", name="place").is_disabled()
    assert stage.get_by_role("button", name="next").is_disabled()
    stage.get_by_role("slider", name="padding").press("ArrowRight")
    assert status.inner_text().endswith("= 2")
    assert map_of(stage) == written(conv2d(IMAGE, VERTICAL, padding=1, dilation=4))
    assert stage.get_by_role("slider", name="place").is_enabled()

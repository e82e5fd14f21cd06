"""The live figure of receptive fields: its recurrence against dlvlib, and its text."""

import pytest
import torch
from live_helpers import call, on_page
from torch import nn

from coursekit import live
from dlvlib.models import build
from dlvlib.profile import receptive_field

pytestmark = pytest.mark.browser
DATA, FALLBACK = on_page("receptive_field", "11_vgg_receptive_field")
FIGURE = live.show("receptive_field", DATA, FALLBACK)


def random_windows(generator, num_layers):
    def draw(low, high):
        return torch.randint(low, high, (num_layers,), generator=generator).tolist()

    return list(zip(draw(1, 8), draw(1, 4), draw(0, 4), draw(1, 4), strict=True))


def grown(page, stacks):
    found = call(page, "receptive_field", "return argument.map(figure.grow);", stacks)
    return [[(f["size"], f["jump"], f["start"]) for f in fields] for fields in found]


def test_recurrence_agrees_with_dlvlib_on_random_stacks(page):
    generator = torch.Generator().manual_seed(0)
    stacks = [random_windows(generator, 1 + i % 12) for i in range(300)]
    expected = [
        [(f.size, f.stride, f.start) for f in receptive_field.grow(windows)] for windows in stacks
    ]
    assert grown(page, stacks) == expected


def test_map_sizes_agree_with_torch(page):
    generator = torch.Generator().manual_seed(1)
    windows = [window for window in random_windows(generator, 200) if window[2] < 40]
    found = call(
        page,
        "receptive_field",
        "return argument.map((window) => figure.mapSizes(40, [window])[0]);",
        windows,
    )
    images = torch.empty(1, 1, 40, 40, device="meta")
    expected = [nn.Conv2d(1, 1, *window, device="meta")(images).shape[-1] for window in windows]
    assert found == expected


@pytest.mark.parametrize(
    ("position", "model", "channels"), [(0, "lenet5", 1), (1, "alexnet", 3), (2, "vgg16", 3)]
)
def test_page_draws_the_fields_of_the_models(page, position, model, channels):
    network = DATA["networks"][position]
    with torch.device("meta"):
        net = build(model)
    shape = (channels, network["image"], network["image"])
    expected = [field.size for field in receptive_field.of(net, shape)]
    (found,) = grown(page, [[layer[1:] for layer in network["layers"]]])
    sizes = [size for size, _, _ in found]
    assert list(dict.fromkeys(expected)) == sizes  # the others do not grow
    assert len(set(sizes)) == len(sizes)


def test_keyboard_walks_through_the_layers_of_each_network(page):
    page.set_content(FIGURE.html)
    slider, words = page.get_by_role("slider"), page.locator("p[role=status]")
    assert "1 + (5 − 1) · 1 = 5 pixels" in words.inner_text()  # LeNet
    page.get_by_role("combobox", name="network").select_option(label="VGG-16")
    assert "1 + (3 − 1) · 1 = 3 pixels" in words.inner_text()
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == (
        "layer 19 of 19, dense layer: field of 404 pixels"
    )
    assert "212 + (7 − 1) · 32 = 404 pixels" in words.inner_text()
    assert "wider than the image" in words.inner_text()
    slider.press("ArrowLeft")
    assert "all inside the image" in words.inner_text()
    assert "square of 212 pixels" in page.get_by_role("img").first.get_attribute("aria-label")


def test_the_drawing_is_to_scale(page):
    page.set_content(FIGURE.html)
    page.get_by_role("slider").press("ArrowRight")  # LeNet's first pooling: 6 of 32 pixels
    image, _, seen = page.locator("svg[role=img]").first.locator("rect").all()
    width = [float(box.get_attribute("width")) for box in (image, seen)]
    assert width[1] / width[0] == pytest.approx(6 / 32)


def test_fallback_lists_every_layer():
    rows = [field for net in DATA["networks"] for field in net["layers"]]
    assert FALLBACK.count('<th scope="row">') == len(rows)
    assert "<td>404 (224)</td><td>32</td>" in FALLBACK

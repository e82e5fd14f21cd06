"""Live figures of sliding windows: convolution, pooling and receptive fields against torch."""

import itertools
import random

import pytest
import torch
from live_helpers import FALLBACK, call, on_page, tensor
from torch import nn
from torch.nn import functional as F

from coursekit import live
from dlvlib.models import build
from dlvlib.profile import receptive_field

pytestmark = pytest.mark.browser
DRAW = torch.Generator().manual_seed(0)
IMAGE = torch.arange(64).reshape(8, 8) % 10
VERTICAL, MEAN = torch.tensor([[-1, 0, 1]] * 3), torch.ones(3, 3, dtype=torch.long)
KERNELS = [
    {"name": "vertical edge", "weights": VERTICAL.tolist(), "divisor": 1},
    {"name": "blur", "weights": MEAN.tolist(), "divisor": 9},
]
WALK = {"image": IMAGE.tolist(), "kernels": KERNELS, "row": 2, "column": 3}


def conv2d(image, kernel, **options):
    return F.conv2d(image[None, None].double(), kernel[None, None].double(), **options)[0, 0]


def written(values, digits=0):
    return [f"{v:.{digits}f}".replace("-", "−") for v in values.flatten().tolist()]


def test_convolution_and_its_size(page):
    drawn = random.Random(0)
    cases = []
    for _ in range(200):
        sides = [drawn.randint(3, 11) for _ in range(2)], [drawn.randint(1, 5) for _ in range(2)]
        image, kernel = (torch.randn(*side, generator=DRAW).double() for side in sides)
        options = {"stride": drawn.randint(1, 3), "padding": drawn.randint(0, 3)}
        cases.append((image, kernel, options | {"dilation": drawn.randint(1, 4)}))
    body = """return argument.map(([image, kernel, o]) => [figure.convolve(image, kernel, o),
        figure.outputSize(image.length, kernel.length, o),
        figure.outputSize(image[0].length, kernel[0].length, o)]);"""
    argument = [[image.tolist(), kernel.tolist(), options] for image, kernel, options in cases]
    found = call(page, "convolution", body, argument)
    for (image, kernel, options), (maps, *sizes) in zip(cases, found, strict=True):
        stride, padding, dilation = options.values()
        spans = zip(image.shape, kernel.shape, strict=True)
        rooms = [n + 2 * padding - dilation * (k - 1) for n, k in spans]
        assert sizes == [len(range(0, room, stride)) for room in rooms]
        if all(sizes):
            torch.testing.assert_close(tensor(maps), conv2d(image, kernel, **options))
    assert sum(not all(sizes) for _, *sizes in found) > 20  # some kernels fit nowhere


def test_a_reader_walks_with_a_kernel(reader):
    reader.open(live.show("convolution", WALK, FALLBACK))

    def check(expected, digits=0):
        numbers = reader.find("img", "The map").locator("text").all_text_contents()
        assert numbers == written(expected, digits)

    values = conv2d(IMAGE, VERTICAL)
    check(values)
    place = "place of the kernel"
    assert reader.slide(place) == f"row 3, column 4 of the map: sum {written(values[2, 3])[0]}"
    reader.slide(place, "ArrowRight")
    reader.press("next")
    reader.press("next")
    assert "row 4, column 1 of the map" in reader.slide(place)
    reader.slide(place, "End")
    reader.press("next")  # there is no place beyond the last
    assert "row 6, column 6 of the map" in reader.slide(place)
    products = ", ".join(written(IMAGE[5:, 5:] * VERTICAL))
    assert reader.find("img", "Products").get_attribute("aria-label").endswith(f": {products}.")

    for name in ("stride", "padding", "dilation"):
        reader.slide(name, "ArrowRight")
    reader.choose("kernel", "blur")
    check(conv2d(IMAGE, MEAN, stride=2, padding=1, dilation=2) / 9, digits=1)
    assert reader.words() == "size of the map: ⌊(8 + 2·1 − 2·(3 − 1) − 1) / 2⌋ + 1 = 3"
    image = reader.find("img", "The image")
    assert image.locator("text").count() == 100
    assert "with 1 of padding" in image.get_attribute("aria-label")

    reader.slide("padding", "Home")
    reader.slide("dilation", "End")
    assert "covers 9 pixels, the image with its padding has 8. It fits nowhere" in reader.words()
    assert reader.stage.get_by_role("img").count() == 1  # the image alone
    assert reader.find("slider", place).is_disabled()
    assert reader.find("button", "next").is_disabled()
    reader.slide("padding", "ArrowRight")
    check(conv2d(IMAGE, MEAN, stride=2, padding=1, dilation=4) / 9, digits=1)
    assert reader.find("slider", place).is_enabled()


def test_the_page_prints_two_maps():
    data, fallback = on_page("convolution", "04_lenet")
    kernels = {one["name"]: torch.tensor(one["weights"]) for one in data["kernels"]}
    image = torch.tensor(data["image"])
    assert image.shape == (8, 8) and image.min() >= 0 and image.max() <= 9
    for name in ("vertical edge", "horizontal edge"):
        for row in conv2d(image, kernels[name], padding=1):
            assert f"<td>{' '.join(written(row))}</td>" in fallback


MAP = torch.randint(0, 10, (8, 8), generator=torch.Generator().manual_seed(3))
POOLS = {"max": F.max_pool2d, "average": F.avg_pool2d}


def pooled(kind, values, size, stride):
    return POOLS[kind](values[None, None].double(), size, stride)[0, 0]


def answers(values, kind, size, stride, shift):
    return [pooled(kind, m, size, stride) for m in (values, values.roll(shift, dims=1))]


def behaviour(before, after):
    """As the page defines it."""
    if torch.equal(before, after):
        return "invariant"
    steps = range(1, before.shape[-1])
    same = any(torch.equal(before.roll(step, dims=-1), after) for step in steps)
    return "equivariant" if same else "neither"


def test_pooling_shifts_and_the_verdict(page):
    maps = [torch.randn(*sides, generator=DRAW).double() for sides in [(8, 8), (5, 9), (4, 4)]]
    cases = list(itertools.product(maps, POOLS, range(1, 5), range(1, 5)))
    settings = list(itertools.product(POOLS, (2, 3, 4, 8), range(1, 5), range(5)))
    pairs = [answers(MAP, *setting) for setting in settings]
    shifts = [-9, -1, 0, 1, 3, 8, 11]
    body = """const [cases, pairs, map, shifts] = argument;
        return [cases.map((one) => figure.pool(...one)),
            pairs.map(([before, after]) => figure.movedBy(before, after)),
            shifts.map((steps) => figure.roll(map, steps))];"""
    pools = [[values.tolist(), *case] for values, *case in cases]
    lists = [[before.tolist(), after.tolist()] for before, after in pairs]
    argument = [pools, lists, MAP[:3].tolist(), shifts]
    found, moved, rolled = call(page, "pooling", body, argument)
    for (values, kind, *sizes), one in zip(cases, found, strict=True):
        torch.testing.assert_close(tensor(one), pooled(kind, values, *sizes))
    kinds = dict.fromkeys(moved, "equivariant") | {0: "invariant", None: "neither"}
    assert [kinds[steps] for steps in moved] == [behaviour(*pair) for pair in pairs]
    assert {kinds[steps] for steps in moved} == {"neither", "equivariant", "invariant"}
    assert rolled == [MAP[:3].roll(steps, dims=1).tolist() for steps in shifts]


READ = """(stage) => {
    const pictures = [...stage.querySelectorAll("[role=img]")];
    const written = (picture) =>
        [...picture.querySelectorAll("text")].map((text) => Number(text.textContent));
    return [pictures.map(written), pictures[3].querySelectorAll("path:not([fill=none])").length];
}"""


def test_a_reader_pools_a_map_and_shifts_it(reader):
    reader.open(live.show("pooling", {"map": MAP.tolist()}, FALLBACK))
    for kind, size in itertools.product(POOLS, (2, 3, 8)):
        reader.choose("pooling", kind)
        reader.choose("window", str(size))
        for stride, shift in itertools.product((1, 2), range(4)):
            reader.slide("stride", stride)
            reader.slide("shift", shift)
            before, after = answers(MAP, kind, size, stride, shift)
            # The pictures: the map, its answer, the shifted map, its answer.
            numbers, corners = reader.stage.evaluate(READ)
            assert numbers[1] == pytest.approx(before.flatten().tolist(), abs=0.0051)
            assert numbers[2] == MAP.roll(shift, dims=1).flatten().tolist()
            assert numbers[3] == pytest.approx(after.flatten().tolist(), abs=0.0051)
            changed = int((before != after).sum())
            assert corners == changed
            if shift == 0:
                assert reader.words() == "Nothing is shifted yet."
                continue
            assert reader.words().startswith(
                f"{before.numel() - changed} of {before.numel()} value"
            )
            expected = {"invariant": ": invariant", "equivariant": ": equivariant."}
            if shift % stride:
                expected["neither"] = ": not equivariant."
            else:  # all but the border agree, as the sentence says
                step = shift // stride
                assert torch.equal(before[:, : before.shape[1] - step], after[:, step:])
                expected["neither"] = "at the border: equivariant inside only."
            assert expected[behaviour(before, after)] in reader.words()

    reader.choose("window", "3")
    reader.choose("pooling", "max")
    assert reader.slide("stride") == "stride 3: 2 by 2 windows"  # the window brings its stride
    reader.slide("shift", 1)
    before, after = answers(MAP, "max", 3, 3, 1)
    said = f"{before[1, 1]:.0f}, after the shift {after[1, 1]:.0f}"
    assert reader.slide("place", "End") == f"row 2, column 2: {said}"
    reader.press("back")
    assert reader.slide("place").startswith("row 2, column 1: ")


def test_the_page_prints_its_map():
    data, fallback = on_page("pooling", "08_key_ingredients")
    for row in data["map"]:
        assert f">{''.join(map(str, row))}</th></tr>" in fallback
    for kind, name in [("max", "maximum"), ("average", "average")]:
        for size, shift in [(2, 1), (2, 2), (8, 1)]:
            before, after = answers(torch.tensor(data["map"]), kind, size, size, shift)
            cells = [int((before == after).sum()), before.numel(), behaviour(before, after)]
            row = "".join(f"<td>{cell}</td>" for cell in cells)
            assert f"{name}, {size} × {size}, shift {shift}</th>{row}" in fallback


def test_receptive_fields_are_those_of_dlvlib(page):
    drawn = random.Random(0)
    limits = [(1, 7), (1, 3), (0, 3), (1, 3)]
    stacks = [
        [tuple(drawn.randint(*limit) for limit in limits) for _ in range(1 + i % 12)]
        for i in range(200)
    ]
    body = """return argument.map((windows) =>
        [figure.grow(windows), windows.map((window) => figure.mapSizes(40, [window])[0])]);"""
    images = torch.empty(1, 1, 40, 40, device="meta")
    found = call(page, "receptive_field", body, stacks)
    for windows, (fields, sizes) in zip(stacks, found, strict=True):
        expected = [(f.size, f.stride, f.start) for f in receptive_field.grow(windows)]
        assert [(f["size"], f["jump"], f["start"]) for f in fields] == expected
        convs = (nn.Conv2d(1, 1, *window, device="meta") for window in windows)
        assert sizes == [conv(images).shape[-1] for conv in convs]


def test_a_reader_walks_through_the_layers_of_the_books_networks(reader):
    data, fallback = on_page("receptive_field", "11_vgg_receptive_field")
    reader.open(live.show("receptive_field", data, fallback))
    assert "1 + (5 − 1) · 1 = 5 pixels" in reader.words()
    reader.slide("layer", "ArrowRight")  # LeNet's first pooling: 6 of 32 pixels
    image, _, seen = reader.stage.locator("svg[role=img]").first.locator("rect").all()
    width = [float(box.get_attribute("width")) for box in (image, seen)]
    assert width[1] / width[0] == pytest.approx(6 / 32)
    reader.choose("network", "VGG-16")
    spoken = reader.slide("layer", "End")
    assert spoken == "layer 19 of 19, dense layer: field of 404 pixels"
    assert "212 + (7 − 1) · 32 = 404 pixels" in reader.words()
    assert "wider than the image" in reader.words()
    reader.slide("layer", "ArrowLeft")
    assert "all inside the image" in reader.words()
    assert "square of 212 pixels" in reader.picture()

    layers = [len(network["layers"]) for network in data["networks"]]
    assert fallback.count('<th scope="row">') == sum(layers)
    assert "<td>404 (224)</td><td>32</td>" in fallback
    models = [("lenet5", 1), ("alexnet", 3), ("vgg16", 3)]
    for network, (name, channels) in zip(data["networks"], models, strict=True):
        with torch.device("meta"):
            net = build(name)
        shape = (channels, network["image"], network["image"])
        sizes = [field.size for field in receptive_field.of(net, shape)]
        grown = receptive_field.grow([layer[1:] for layer in network["layers"]])
        # Layers that do not grow the field are not listed.
        assert [field.size for field in grown] == list(dict.fromkeys(sizes))

"""LeNet-5 in the page: its arithmetic against torch, and the ink that it gets."""

import random

import numpy as np
import pytest
import strokes
import torch
from live_helpers import call, data_of, made
from torch.nn import functional as F

from coursekit import live
from coursekit.live import microscope
from dlvlib import results
from dlvlib.models.lenet import LeNet5
from dlvlib.profile import receptive_field

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FIGURE = made("microscope")
DATA = data_of(FIGURE)
RECORDS = results.load("drawn_digits")


def trained(variant: str) -> tuple[LeNet5, torch.Tensor, torch.Tensor]:
    """The network, and what enters its last layer for scans it never saw, with their targets."""
    weights = RECORDS.weights(RECORDS.of(variant)[0])
    held_out = [weights.pop(f"held_out.{part}") for part in ("features", "targets")]
    net = LeNet5()
    net.load_state_dict(weights)
    return net.eval(), *held_out


NETS = {variant: trained(variant) for variant in microscope.VARIANTS}


def run(page, body, argument=None):
    """Run `body` with `networks`, those of the page, and `given`, the argument."""
    start = """const [parameters, given] = argument;
        const networks = parameters.map(figure.readNetwork);"""
    parameters = [one["parameters"] for one in DATA["networks"]]
    return call(page, "microscope", start + body, [parameters, argument])


def drawings(count: int, seed: int = 0) -> list:
    """Our ten digits, again and again, each time turned, slanted and scaled in another way."""
    drawn = random.Random(seed)
    return [
        strokes.placed(
            strokes.DIGITS[i % 10],
            degrees=drawn.uniform(-25, 25),
            size=drawn.uniform(0.4, 1.2),
            slant=drawn.uniform(-0.3, 0.3),
        )
        for i in range(count)
    ]


def prepared(page, drawn) -> torch.Tensor:
    """What the page makes of drawings: (N, 1, 32, 32)."""
    body = """return argument.map((strokes, i) => [...figure.enlarge(
        figure.asMnist(figure.paint(strokes, 112, 0.04 + 0.01 * (i % 11)), 112), 28, 32)]);"""
    return torch.tensor(call(page, "microscope", body, drawn)).view(-1, 1, 32, 32)


def test_every_half_is_decoded(page):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    text = live.encode(halves, "<f2")
    found = call(page, "microscope", "return [...figure.decodeHalves(argument)];", text)
    assert np.array_equal(np.array(found, dtype=np.float32), halves.astype(np.float32))


def test_logits_agree_with_torch_on_noise_and_on_drawings(page):
    noise = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    images = torch.cat([noise, prepared(page, drawings(40))])
    body = """return networks.map((network) =>
        given.map((image) => figure.forward(network, image).logits));"""
    found = run(page, body, images.flatten(1).tolist())
    for logits, (net, _, _) in zip(found, NETS.values(), strict=True):
        with torch.no_grad():
            torch.testing.assert_close(torch.tensor(logits), net(images), atol=1e-4, rtol=0)


LAYERS = {  # where its stage ends, its side, its number of terms
    "C1": (0, 28, 1),
    "S2": (2, 14, 1),
    "C3": (3, 10, 6),
    "S4": (5, 5, 1),
    "C5": (7, 1, 16),
    "F6": (9, 1, 1),
    "output": (11, 1, 1),
}
FIELDS = receptive_field.grow([(5, 1), (2, 2), (5, 1), (2, 2)])
SEEN = [(field.size, field.stride) for field in FIELDS] + [(32, 0)] * 3


def test_a_unit_is_explained_by_what_torch_computes(page):
    """The sum before tanh, the field of the unit, and the terms, for random units."""
    drawn = random.Random(1)
    (image,) = prepared(page, drawings(1))
    net = NETS["varied"][0]
    states, value = [], image[None]
    with torch.no_grad():
        for stage in [*net.features, *net.head]:
            value = stage(value)
            states.append(value[0].reshape(value.shape[1], -1))
    units = []
    for layer, (end, side, _) in enumerate(LAYERS.values()):
        for _ in range(6):
            unit = {"map": drawn.randrange(len(states[end]))}
            units.append([layer, unit | {k: drawn.randrange(side) for k in ("row", "column")}])
    body = """const [image, units] = given;
        const states = figure.forward(networks[1], image);
        return units.map(([layer, unit]) =>
            figure.explainUnit(networks[1], states, layer, unit));"""
    explained = run(page, body, [image.flatten().tolist(), units])
    for (layer, unit), found in zip(units, explained, strict=True):
        name = list(LAYERS)[layer]
        end, side, num_terms = LAYERS[name]
        before, after = (
            states[place][unit["map"], unit["row"] * side + unit["column"]].item()
            for place in (end, end if name in ("S2", "S4", "output") else end + 1)
        )
        assert found["value"] == pytest.approx(after, abs=1e-4)
        if name not in ("S2", "S4"):
            assert found["total"] == pytest.approx(before, abs=1e-4)
            parts = [sum(term["products"]) for term in found["terms"]]
            assert sum(parts) + found["bias"] == pytest.approx(found["total"])
            assert len(parts) == num_terms
        size, step = SEEN[layer]
        place = {"row": unit["row"] * step, "column": unit["column"] * step, "size": size}
        assert found["field"] == place


def test_ink_is_prepared_as_mnist_was(page):
    body = """return argument.map((strokes) => {
        const ink = figure.paint(strokes, 112, 0.08);
        return [[...ink], [...figure.asMnist(ink, 112)]];
    });"""
    for raw, small in call(page, "microscope", body, drawings(20)):
        small, raw = np.reshape(small, (28, 28)), np.reshape(raw, (112, 112))
        rows, columns = ((small > 0.05).any(axis=axis).nonzero()[0] for axis in (1, 0))
        longer = max(np.ptp(rows), np.ptp(columns)) + 1
        assert 20 <= longer <= 22  # the box may begin within a pixel
        places = np.arange(28) + 0.5
        centre = [small.sum(axis) @ places / small.sum() for axis in (0, 1)]
        assert centre == pytest.approx([14, 14], abs=0.6)
        box = [np.ptp((raw > 0.1).any(axis=axis).nonzero()[0]) + 1 for axis in (0, 1)]
        assert small.sum() == pytest.approx(raw.sum() * (20 / max(box)) ** 2, rel=0.01)


def test_enlarging_is_that_of_torch(page):
    for side, size in ((28, 32), (8, 112)):
        image = torch.rand(side, side, generator=torch.Generator().manual_seed(0))
        body = "return [...figure.enlarge(...argument)];"
        found = call(page, "microscope", body, [image.flatten().tolist(), side, size])
        expected = F.interpolate(image[None, None], size, mode="bilinear", antialias=True)
        torch.testing.assert_close(torch.tensor(found), expected.flatten())


def test_retraining_is_gradient_descent_on_the_corrections(page):
    net, features, targets = NETS["lecture"]
    rows, wrong = features[::41], (targets[::41] + 1) % 10
    steps, lr = 20, 0.05
    body = """const [rows, targets, options] = given;
        const layer = figure.retrain(networks[0].output, rows, targets, options);
        return [[...layer.weight], [...layer.bias]];"""
    found = run(page, body, [rows.tolist(), wrong.tolist(), {"steps": steps, "lr": lr}])
    layer = torch.nn.Linear(84, 10)
    layer.load_state_dict(net.head[-1].state_dict())
    optimizer = torch.optim.SGD(layer.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(layer(rows), wrong).backward()
        optimizer.step()
    for values, parameter in zip(found, layer.parameters(), strict=True):
        expected = parameter.detach().flatten()
        torch.testing.assert_close(torch.tensor(values), expected, atol=1e-5, rtol=0)


def test_the_stored_features_are_those_of_held_out_scans(page):
    body = """return given.map(([text, targets], i) =>
        figure.countRight(figure.decodeRows(text, 84), targets, networks[i].output));"""
    given = [[one["features"], DATA["targets"]] for one in DATA["networks"]]
    expected = []
    for net, features, targets in NETS.values():
        assert targets.tolist() == DATA["targets"] == [k for k in range(10) for _ in range(20)]
        expected.append((net.head[-1](features).argmax(1) == targets).sum().item())
    assert run(page, body, given) == expected

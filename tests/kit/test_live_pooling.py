"""The live figure of pooling: its arithmetic against torch, its verdict against a plain search."""

import itertools

import pytest
import torch
from live_helpers import call, on_page
from torch.nn import functional as F

from coursekit import live

pytestmark = pytest.mark.browser
MAP = torch.randint(0, 10, (8, 8), generator=torch.Generator().manual_seed(3))
FIGURE = live.show("pooling", {"map": MAP.tolist()}, live.table("x", ["a", "b"], [["1", "2"]]))
POOLS = {"max": F.max_pool2d, "average": F.avg_pool2d}


def pooled(kind: str, values: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    return POOLS[kind](values[None, None].double(), size, stride)[0, 0]


def test_pooling_agrees_with_torch_on_random_maps(page):
    generator = torch.Generator().manual_seed(0)
    cases, expected = [], []
    for kind, size, stride in itertools.product(POOLS, range(1, 5), range(1, 5)):
        for sides in [(8, 8), (5, 9), (4, 4)]:
            values = torch.randn(*sides, generator=generator, dtype=torch.double)
            cases.append([values.tolist(), kind, size, stride])
            expected.append(pooled(kind, values, size, stride))
    body = "return argument.map((one) => figure.pool(...one));"
    for one, other in zip(call(page, "pooling", body, cases), expected, strict=True):
        torch.testing.assert_close(torch.tensor(one, dtype=torch.double), other)


def test_shifts_agree_with_torch(page):
    body = "return [-9, -1, 0, 1, 3, 8, 11].map((steps) => figure.roll(argument, steps));"
    found = call(page, "pooling", body, MAP[:3].tolist())
    assert found == [MAP[:3].roll(s, dims=1).tolist() for s in (-9, -1, 0, 1, 3, 8, 11)]


def behaviour(before: torch.Tensor, after: torch.Tensor) -> str:
    """As the page defines it."""
    if torch.equal(before, after):
        return "invariant"
    steps = range(1, before.shape[-1])
    same = any(torch.equal(before.roll(step, dims=-1), after) for step in steps)
    return "equivariant" if same else "neither"


SETTINGS = list(itertools.product(POOLS, (2, 3, 4, 8), range(1, 5), range(5)))


def answers(kind, size, stride, shift):
    return [pooled(kind, m, size, stride) for m in (MAP, MAP.roll(shift, dims=1))]


def test_verdicts_agree_with_the_definition(page):
    pairs = [answers(*setting) for setting in SETTINGS]
    body = """return argument.map(([before, after]) => {
        const moved = figure.movedBy(before, after);
        return moved === null ? "neither" : moved ? "equivariant" : "invariant";
    });"""
    found = call(page, "pooling", body, [[b.tolist(), a.tolist()] for b, a in pairs])
    assert found == [behaviour(*pair) for pair in pairs]
    assert set(found) == {"neither", "equivariant", "invariant"}


def test_the_page_prints_its_map():
    data, fallback = on_page("pooling", "08_key_ingredients")
    for row in data["map"]:
        assert f">{''.join(map(str, row))}</th></tr>" in fallback
    values = torch.tensor(data["map"])
    for kind, name in [("max", "maximum"), ("average", "average")]:
        for size, shift in [(2, 1), (2, 2), (8, 1)]:
            before = pooled(kind, values, size, size)
            after = pooled(kind, values.roll(shift, dims=1), size, size)
            cells = [int((before == after).sum()), before.numel(), behaviour(before, after)]
            row = "".join(f"<td>{cell}</td>" for cell in cells)
            assert f"{name}, {size} × {size}, shift {shift}</th>{row}" in fallback


def set_slider(stage, name: str, value: int) -> None:
    stage.get_by_role("slider", name=name).fill(str(value))


READ = """(stage) => {
    const pictures = [...stage.querySelectorAll("[role=img]")];
    const written = (picture) =>
        [...picture.querySelectorAll("text")].map((text) => Number(text.textContent));
    return [
        pictures.map(written),
        pictures[3].querySelectorAll("path:not([fill=none])").length,
        stage.querySelector("[role=status]").innerText,
    ];
}"""


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("size", ["2", "3", "8"])
def test_the_drawing_and_the_verdict(stage, kind, size):
    stage.get_by_role("combobox", name="pooling").select_option(kind)
    stage.get_by_role("combobox", name="window").select_option(size)
    for stride, shift in itertools.product((1, 2), range(4)):
        set_slider(stage, "stride", stride)
        set_slider(stage, "shift", shift)
        before, after = answers(kind, int(size), stride, shift)
        # The pictures: the map, its answer, the shifted map, its answer.
        numbers, corners, said = stage.evaluate(READ)
        assert numbers[1] == pytest.approx(before.flatten().tolist(), abs=0.0051)
        assert numbers[2] == MAP.roll(shift, dims=1).flatten().tolist()
        assert numbers[3] == pytest.approx(after.flatten().tolist(), abs=0.0051)
        changed = int((before != after).sum())
        assert corners == changed
        if shift == 0:
            assert said == "Nothing is shifted yet."
            continue
        assert said.startswith(f"{before.numel() - changed} of {before.numel()} value")
        expected = {"invariant": ": invariant", "equivariant": ": equivariant."}
        if shift % stride:
            expected["neither"] = ": not equivariant."
        else:  # all but the border agree, as the sentence says
            step = shift // stride
            assert torch.equal(before[:, : before.shape[1] - step], after[:, step:])
            expected["neither"] = "at the border: equivariant inside only."
        assert expected[behaviour(before, after)] in said


def test_the_window_brings_its_stride_and_the_keyboard_walks(stage):
    stage.get_by_role("combobox", name="window").select_option("3")
    stride = stage.get_by_role("slider", name="stride")
    assert stride.get_attribute("aria-valuetext") == "stride 3: 2 by 2 windows"
    set_slider(stage, "shift", 1)
    before, after = answers("max", 3, 3, 1)
    walk = stage.get_by_role("slider", name="place")
    walk.press("End")
    said = f"{before[1, 1]:.0f}, after the shift {after[1, 1]:.0f}"
    assert walk.get_attribute("aria-valuetext") == f"row 2, column 2: {said}"
    stage.get_by_role("button", name="back").press("Enter")
    assert walk.get_attribute("aria-valuetext").startswith("row 2, column 1: ")

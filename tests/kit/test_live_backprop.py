"""Backpropagation by hand: every number of the figure against autograd."""

import random
import re

import pytest
import torch
from live_helpers import call
from torch.nn import functional as F

from coursekit.live import backprop

pytestmark = pytest.mark.browser
FIGURE = backprop.figure()
KEYS = ["z", "h", "o", "w1", "w2", "b"]


def by_autograd(x: float, w1: float, w2: float, b: float):
    """The loss, the values of `KEYS`, and the derivatives of the loss."""
    x, w1, w2, b = (
        torch.tensor(value, dtype=torch.double, requires_grad=True) for value in (x, w1, w2, b)
    )
    z = w1 * x
    h = torch.tanh(z)
    o = w2 * h + b
    loss = -F.logsigmoid(o)
    slopes = torch.autograd.grad(loss, [z, h, o, w1, w2, b])
    return loss.item(), [v.item() for v in (z, h, o)], [slope.item() for slope in slopes]


def test_both_passes_agree_with_autograd(page):
    drawn = random.Random(0)
    cases = [{key: drawn.uniform(-4, 4) for key in ("x", "w1", "w2", "b")} for _ in range(300)]
    cases.append({"x": 1, "w1": 9, "w2": -800, "b": 0})  # exp would overflow
    body = """return argument.map((given) => {
        const values = figure.forwardPass(given);
        return [values, figure.backwardPass(values)];
    });"""
    for case, (values, slopes) in zip(cases, call(page, "backprop", body, cases), strict=True):
        loss, nodes, derivatives = by_autograd(**case)
        assert values["L"] == pytest.approx(loss, abs=1e-9)
        assert [values[key] for key in KEYS[:3]] == pytest.approx(nodes, abs=1e-9)
        assert [slopes[key] for key in KEYS] == pytest.approx(derivatives, abs=1e-9)


def test_the_reader_walks_forward_and_back_and_steps_downhill(page):
    page.set_content(FIGURE.html)
    stage = page.locator(".dlv-live-stage")
    words, lesson = (stage.locator("p[role=status]").nth(i) for i in (0, -1))
    loss, _, derivatives = by_autograd(**backprop.START)
    assert words.inner_text() == "Only the input and the weights are known."
    steps = stage.get_by_role("slider", name="step")
    steps.press("ArrowRight")
    assert words.inner_text() == "Forward: z = w₁ · x = 0.800 · 1.500 = 1.200."
    for _ in range(3):
        stage.get_by_role("button", name="next").press("Enter")
    assert words.inner_text().endswith(f"L = −ln p = {loss:.3f}.")
    steps.press("End")
    said = words.inner_text().replace("−", "-")
    assert said.startswith("Backward: ∂L/∂w₁ = ∂L/∂z · x = ")
    assert said.endswith(f" = {derivatives[3]:.3f}.")
    label = stage.get_by_role("img").get_attribute("aria-label").replace("−", "-")
    for key, slope in zip(["z", "h", "o", "w₁", "w₂", "b"], derivatives, strict=True):
        assert f"∂L/∂{key} {slope:.3f}" in label
    stage.get_by_role("button", name="One step downhill").press("Enter")
    moved = {
        key: backprop.START[key] - backprop.LEARNING_RATE * slope
        for key, slope in zip(["w1", "w2", "b"], derivatives[3:], strict=True)
    }
    after, _, _ = by_autograd(x=backprop.START["x"], **moved)
    assert re.findall(r"\d\.\d{3}", lesson.inner_text()) == [f"{loss:.3f}", f"{after:.3f}"]
    assert words.inner_text().endswith(f"L = −ln p = {after:.3f}.")
    stage.get_by_role("slider", name="w₂").fill("2.5")
    assert "2.500" in stage.get_by_role("slider", name="w₂").get_attribute("aria-valuetext")


def test_the_fallback_holds_the_derivatives():
    for slope in by_autograd(**backprop.START)[2]:
        assert f"<td>{slope:.3f}</td>" in FIGURE.html

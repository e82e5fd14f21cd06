"""The reliability diagram: its numbers against dlvlib.metrics, and its slider."""

import base64
import json

import pytest
import torch
from live_helpers import call, on_page

from coursekit import live
from dlvlib import metrics

pytestmark = pytest.mark.browser
DRAW = torch.Generator().manual_seed(0)
DEPTHS = (700 * torch.rand(300, 10, generator=DRAW)).int()
DEPTHS = DEPTHS - DEPTHS.min(dim=1, keepdim=True).values  # hundredths below the largest
LOGITS = -DEPTHS.double() / 100
TARGETS = torch.multinomial(LOGITS.softmax(dim=1), 1, generator=DRAW)[:, 0]
DATA = {
    "logits": base64.b64encode(DEPTHS.numpy().astype("<u2").tobytes()).decode(),
    "columns": 10,
    "targets": TARGETS.tolist(),
    "fitted": 1.25,
}
FIGURE = live.show("reliability", DATA, live.table("Honesty", ["τ", "ECE"], [["1", "0.1"]]))


def test_the_numbers_are_those_of_metrics(page):
    body = """const logits = figure.decodeLogits(argument.data.logits, argument.data.columns);
        return argument.taus.map((tau) => figure.calibrate(logits, argument.data.targets, tau));"""
    taus = [0.1, 0.5, 1, 2.5, 30]
    argument = {"data": DATA, "taus": taus}
    for tau, found in zip(taus, call(page, "reliability", body, argument), strict=True):
        probs = (LOGITS / tau).softmax(dim=1)
        expected = metrics.expected_calibration_error(probs, TARGETS, 10)
        assert found["ece"] == pytest.approx(expected, abs=1e-9)
        assert found["nll"] == pytest.approx(metrics.cross_entropy(LOGITS / tau, TARGETS))
        assert found["accuracy"] == pytest.approx(metrics.top_k_accuracy(LOGITS, TARGETS))
        assert found["confidence"] == pytest.approx(probs.amax(dim=1).mean().item())
        assert sum(one["count"] for one in found["bins"]) == len(TARGETS)
        assert all(one["count"] > 0 for one in found["bins"])


def test_the_slider_moves_the_diagram_and_the_table(page):
    page.set_content(FIGURE.html)
    stage = page.locator(".dlv-live-stage")
    slider, words = stage.get_by_role("slider"), stage.locator("p[role=status]")
    drawing, cells = stage.get_by_role("img"), stage.locator("td:nth-child(2)")
    ece = [metrics.expected_calibration_error(LOGITS.softmax(dim=1), TARGETS, 10)]
    assert cells.nth(3).inner_text() == stage.locator("td:nth-child(3)").nth(3).inner_text()
    slider.press("Home")  # τ = 0.1
    assert words.inner_text().startswith("At τ = 0.100 the network is too sure")
    ece.append(metrics.expected_calibration_error((LOGITS / 0.1).softmax(dim=1), TARGETS, 10))
    row = stage.get_by_role("row", name="ECE").locator("td").all_inner_texts()
    assert row == [f"{ece[1]:.3f}", f"{ece[0]:.3f}"]
    assert slider.get_attribute("aria-valuetext") == f"temperature 0.100, ECE {ece[1]:.3f}"
    dots = drawing.locator("circle").count()
    assert drawing.get_attribute("aria-label").count("images of confidence") == dots
    slider.press("End")  # τ = 31.6
    assert "too timid" in words.inner_text()
    stage.get_by_role("button", name="the fitted τ = 1.25").press("Enter")
    assert "temperature 1.25" in slider.get_attribute("aria-valuetext")


def test_the_page_gives_the_figure_its_own_network():
    data, fallback = on_page("reliability", "02_softmax")
    assert len(data["targets"]) == 360 and data["fitted"] > 2
    assert json.dumps(data["columns"]) == "10"
    assert "ECE" in fallback

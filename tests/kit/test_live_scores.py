"""Scores to change: the measures against dlvlib.metrics, and what follows from a slider."""

import math

import pytest
import torch
from live_helpers import call, on_page

from coursekit import live
from dlvlib import metrics

pytestmark = pytest.mark.browser
DATA, FALLBACK = (
    {
        "classes": ["Apple", "Bike", "Car", "Cat", "Dog", "Pear", "Plane"],
        "truth": ["Apple", "Car", "Car", "Plane", "Bike"],
        "scores": [
            [15, 10, 2, 5, 20, 8, 1],
            [2, 5, 10, 8, 4, 12, 3],
            [12, 2, 1, 6, 4, 5, 9],
            [1, 2, 3, 4, 5, 6, 7],
            [7, 6, 5, 4, 3, 2, 1],
        ],
        "moved": 2,
    },
    live.table("Scores", ["image", "loss"], [["1", "5.0068"]]),
)
SCORES = torch.tensor(DATA["scores"], dtype=torch.double)
TARGETS = torch.tensor([DATA["classes"].index(name) for name in DATA["truth"]])


def test_measures_agree_with_metrics(page):
    draw = torch.Generator().manual_seed(0)
    cases = [(SCORES, TARGETS)]
    for _ in range(50):  # whole numbers, so that some scores are equal
        scores = torch.randint(20, (6, 7), generator=draw).double()
        cases.append((scores, torch.randint(7, (6,), generator=draw)))
    argument = [[scores.tolist(), targets.tolist()] for scores, targets in cases]
    body = "return argument.map(([rows, targets]) => figure.measure(rows, targets, 3, 1.5));"
    for (scores, targets), found in zip(cases, call(page, "scores", body, argument), strict=True):
        moved = scores.clone()
        moved[:, 3] += 1.5
        assert found["loss"] == pytest.approx(metrics.cross_entropy(moved, targets))
        true = moved.gather(1, targets[:, None])
        ranks = (moved > true).sum(dim=1) + 1
        assert found["ranks"] == ranks.tolist()
        for k in (1, 5):
            assert found[f"top{k}"] == pytest.approx((ranks <= k).double().mean().item())


def test_small_numbers_are_written_in_powers_of_ten(page):
    logs = [math.log(x) for x in (3.2e-8, 1, 0.5, 9.99, 123456)] + [-1e5]
    body = "return argument.map((log) => figure.scientific(log));"
    assert call(page, "scores", body, logs) == [
        *["3.2 · 10⁻⁸", "1.0", "5.0 · 10⁻¹", "1.0 · 10¹", "1.2 · 10⁵"],
        f"{10 ** (1 - (1e5 / math.log(10)) % 1):.1f} · 10⁻⁴³⁴³⁰",
    ]


def test_a_reader_repairs_a_row_and_finds_the_best_parameter(page):
    page.set_content(live.show("scores", DATA, FALLBACK).html)
    stage = page.locator(".dlv-live-stage")
    words, answer = stage.locator("p[role=status]").all()
    loss = metrics.cross_entropy(SCORES, TARGETS)
    assert words.inner_text() == f"Top-1 20 %, top-5 80 %, cross-entropy {loss:.4f} nats."
    stage.get_by_role("combobox", name="image").select_option("2")
    car = stage.get_by_role("slider", name="Car")
    assert car.get_attribute("aria-valuetext") == "Car 1, rank of Car 7"
    car.press("End")
    better = SCORES.clone()
    better[2, 2] = 20
    loss = metrics.cross_entropy(better, TARGETS)
    assert words.inner_text() == f"Top-1 40 %, top-5 100 %, cross-entropy {loss:.4f} nats."
    assert stage.locator("tbody tr").nth(2).inner_text().split("\t")[:2] == ["Car", "1"]

    theta = stage.get_by_role("slider", name="θ")
    theta.fill("3")
    shifted = better.clone()
    shifted[:, 2] += 3
    now = metrics.cross_entropy(shifted, TARGETS)
    assert f"divided by 5: {now:.4f} nats" in answer.inner_text()
    likelihood, power = math.exp(-5 * now), math.floor(-5 * now / math.log(10))
    assert f"of all 5 labels: {likelihood / 10**power:.1f} · 10" in answer.inner_text()
    marked = [one.get_attribute("aria-label") for one in stage.get_by_role("img").all()]
    assert f"Marked: 3, {now:.3f}." in marked[1]
    best = [label.split(" at ")[1].split(",")[0] for label in marked]
    assert best[0] == best[1]  # both curves agree
    stage.get_by_role("button", name="The lecture's scores").press("Enter")
    assert words.inner_text().startswith("Top-1 20 %, top-5 80 %")


def test_the_page_shows_the_table_of_the_lecture():
    data, fallback = on_page("scores", "03_metrics_and_loss")
    assert data == DATA
    loss = metrics.cross_entropy(SCORES, TARGETS)
    assert f"{loss:.4f}" in fallback

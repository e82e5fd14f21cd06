"""Live figures of probabilities and losses: their numbers against torch and dlvlib.metrics."""

import math
import re

import pytest
import torch
from live_helpers import FALLBACK, call, on_page, tensor
from torch.nn import functional as F

from coursekit import live
from dlvlib import metrics

pytestmark = pytest.mark.browser
DRAW = torch.Generator().manual_seed(0)

LOGITS = tensor([11.5, 12.8, -2.4])
CLASSES = ["butterfly", "candle", "<b>car</b>"]
LIMITS = {"log10_min": -1, "log10_max": 2}
SOFTMAX = live.show("softmax", {"labels": CLASSES, "logits": LOGITS.tolist(), **LIMITS}, FALLBACK)


def test_softmax_entropy_and_samples(page):
    logits = 30 * torch.randn(200, 7, generator=DRAW, dtype=torch.double)
    logits[0, :2] = 1000
    taus = 10 ** (3 * torch.rand(200, 1, generator=DRAW, dtype=torch.double) - 1)
    body = """const [rows, taus, numbers] = argument;
        const probs = rows.map((logits, i) => figure.softmax(logits, taus[i][0]));
        const drawn = numbers.map((number) => figure.sample([0.25, 0.5, 0.25], number));
        return [probs, probs.map((one) => figure.entropy(one)), drawn];"""
    numbers = [0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999]
    found = call(page, "softmax", body, [logits.tolist(), taus.tolist(), numbers])
    probs = torch.softmax(logits / taus, dim=1)
    torch.testing.assert_close(tensor(found[0]), probs)
    torch.testing.assert_close(tensor(found[1]), torch.special.entr(probs).sum(dim=1))
    assert found[2] == [0, 0, 1, 1, 2, 2]


def test_a_reader_moves_the_temperature_and_draws_answers(reader):
    reader.open(SOFTMAX, width=340)

    def check(tau, spoken):
        probs = torch.softmax(LOGITS / tau, dim=0)
        shares = [f"{100 * p:.2f} %" for p in probs.tolist()]
        entropy = torch.special.entr(probs).sum()
        assert reader.texts("tbody td:nth-child(3)") == [*shares, f"{entropy:.3f} nats"]
        assert f"candle {shares[1]}" in spoken

    check(1, reader.slide("temperature"))
    check(100, reader.slide("temperature", "End"))
    reader.press("Back to")
    check(1, reader.slide("temperature"))
    assert reader.words() == ""
    reader.press("Draw 20")
    spoken = reader.slide("temperature", "Home")
    check(0.1, spoken)
    assert "temperature 0.100" in spoken
    bar = reader.stage.locator("tbody tr:nth-child(2) td:last-child div")
    assert bar.bounding_box()["width"] > 50
    lines = reader.words().splitlines()
    titles = [line.split(":")[0] for line in lines]
    assert titles == ["τ = 0.3", "τ = 0.1, of the slider", "τ = 10"]
    assert lines[1].endswith(": 0 butterfly, 20 candle, 0 <b>car</b>")
    counts = [[int(n) for n in re.findall(r"(\d+) [bc<]", line)] for line in lines]
    assert [sum(line) for line in counts] == [20] * 3
    assert counts[0][1] >= counts[2][1]  # the same numbers: what is hot loses the likeliest


def two_classes(start):
    data = {"truth": "butterfly", "rival": "candle", "limit": 6, "start": start}
    return live.show("cross_entropy", data, FALLBACK)


def test_cross_entropy_of_a_margin(page):
    margins = 8 * torch.randn(300, generator=DRAW, dtype=torch.double)
    margins[:2] = tensor([-2000, 2000])
    logits = torch.stack([margins + 5, torch.full_like(margins, 5)], dim=1).requires_grad_()
    targets = torch.zeros(300, dtype=torch.long)
    losses = F.cross_entropy(logits, targets, reduction="none")
    (slopes,) = torch.autograd.grad(losses.sum(), logits)
    body = """return [figure.probability, figure.loss, figure.slope, figure.error].map(
        (formula) => argument.map((margin) => formula(margin)));"""
    probs, found, push, errors = tensor(call(page, "cross_entropy", body, margins.tolist()))
    torch.testing.assert_close(probs, torch.softmax(logits.detach(), dim=1)[:, 0])
    torch.testing.assert_close(found, losses.detach())
    torch.testing.assert_close(push, slopes[:, 0])
    assert 1 - errors.mean().item() == pytest.approx(metrics.top_k_accuracy(logits, targets))


def test_a_reader_moves_the_margin(reader):
    reader.open(two_classes(-1.3))
    assert "21.4 % for butterfly, wrong." in reader.words()  # the photograph of the lecture
    spoken = reader.slide("margin of the true class")
    assert spoken == "−1.3, probability of butterfly 21.4 %"
    reader.slide("margin", "Home")
    loss = F.softplus(tensor(6))
    for words in ("confident mistake", f"Cross-entropy {loss:.3f} nats", "the error by 0."):
        assert words in reader.words()
    reader.slide("margin", "End")
    assert "99.8 % for butterfly, right." in reader.words()
    assert "margin 6.0, cross-entropy 0.002, error 0" in reader.picture()
    reader.open(two_classes(-0.1))
    assert "the error by −1." in reader.words()  # only the step to the tie changes the error
    reader.slide("margin", "ArrowRight")
    assert "a tie" in reader.words() and "the error by 0." in reader.words()


TABLE = {
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
}
SCORES = tensor(TABLE["scores"])
TRUTH = torch.tensor([TABLE["classes"].index(name) for name in TABLE["truth"]])


def test_measures_of_scores(page):
    cases = [(SCORES, TRUTH)]
    for _ in range(50):  # whole numbers, so that some scores are equal
        scores = torch.randint(20, (6, 7), generator=DRAW).double()
        cases.append((scores, torch.randint(7, (6,), generator=DRAW)))
    logs = [math.log(x) for x in (3.2e-8, 1, 0.5, 9.99, 123456)] + [-1e5]
    body = """const [cases, logs] = argument;
        return [cases.map(([rows, targets]) => figure.measure(rows, targets, 3, 1.5)),
            logs.map((log) => figure.scientific(log))];"""
    argument = [[[scores.tolist(), targets.tolist()] for scores, targets in cases], logs]
    measured, written = call(page, "scores", body, argument)
    for (scores, targets), found in zip(cases, measured, strict=True):
        moved = scores.clone()
        moved[:, 3] += 1.5
        assert found["loss"] == pytest.approx(metrics.cross_entropy(moved, targets))
        for k in (1, 5):
            assert found[f"top{k}"] == pytest.approx(metrics.top_k_accuracy(moved, targets, k))
        for rank, row, target in zip(found["ranks"], moved, targets, strict=True):
            image = row[None], target[None]
            accuracies = [metrics.top_k_accuracy(*image, k) for k in range(1, 8)]
            assert accuracies == [float(k >= rank) for k in range(1, 8)]
    tiny = f"{10 ** (1 - (1e5 / math.log(10)) % 1):.1f} · 10⁻⁴³⁴³⁰"
    expected = ["3.2 · 10⁻⁸", "1.0", "5.0 · 10⁻¹", "1.0 · 10¹", "1.2 · 10⁵", tiny]
    assert written == expected


def test_a_reader_repairs_a_row_and_finds_the_best_parameter(reader):
    reader.open(live.show("scores", TABLE, FALLBACK))
    loss = metrics.cross_entropy(SCORES, TRUTH)
    assert reader.words() == f"Top-1 20 %, top-5 80 %, cross-entropy {loss:.4f} nats."
    reader.choose("image", "2")
    assert reader.slide("Car") == "Car 1, rank of Car 7"
    reader.slide("Car", "End")
    better = SCORES.clone()
    better[2, 2] = 20
    loss = metrics.cross_entropy(better, TRUTH)
    assert reader.words() == f"Top-1 40 %, top-5 100 %, cross-entropy {loss:.4f} nats."
    assert reader.texts("tbody tr")[2].split("\t")[:2] == ["Car", "1"]
    reader.slide("θ", 3)
    better[:, 2] += 3
    loss = metrics.cross_entropy(better, TRUTH)
    likelihood, power = math.exp(-5 * loss), math.floor(-5 * loss / math.log(10))
    assert f"divided by 5: {loss:.4f} nats" in reader.words(1)
    assert f"of all 5 labels: {likelihood / 10**power:.1f} · 10" in reader.words(1)
    assert f"Marked: 3, {loss:.3f}." in reader.picture(1)
    best = [reader.picture(i).split(" at ")[1].split(",")[0] for i in (0, 1)]
    assert best[0] == best[1]  # both curves agree
    reader.press("The lecture's scores")
    assert reader.words().startswith("Top-1 20 %, top-5 80 %")


def test_the_page_shows_the_table_of_the_lecture():
    data, fallback = on_page("scores", "03_metrics_and_loss")
    assert data == TABLE
    assert f"{metrics.cross_entropy(SCORES, TRUTH):.4f}" in fallback


DEPTHS = (700 * torch.rand(300, 10, generator=DRAW)).int()
DEPTHS = DEPTHS - DEPTHS.min(dim=1, keepdim=True).values  # hundredths below the largest
OUTPUTS = -DEPTHS.double() / 100
TARGETS = torch.multinomial(OUTPUTS.softmax(dim=1), 1, generator=DRAW)[:, 0]
TRAINED = {
    "logits": live.encode(DEPTHS.numpy(), "<u2"),
    "columns": 10,
    "targets": TARGETS.tolist(),
    "fitted": 1.25,
}


def error_at(tau):
    return metrics.expected_calibration_error((OUTPUTS / tau).softmax(dim=1), TARGETS, 10)


def test_calibration_is_that_of_metrics(page):
    body = """const [data, taus] = argument;
        const logits = figure.decodeLogits(data.logits, data.columns);
        return taus.map((tau) => figure.calibrate(logits, data.targets, tau));"""
    taus = [0.1, 0.5, 1, 2.5, 30]
    for tau, found in zip(taus, call(page, "reliability", body, [TRAINED, taus]), strict=True):
        assert found["ece"] == pytest.approx(error_at(tau), abs=1e-9)
        assert found["nll"] == pytest.approx(metrics.cross_entropy(OUTPUTS / tau, TARGETS))
        assert found["accuracy"] == pytest.approx(metrics.top_k_accuracy(OUTPUTS, TARGETS))
        confidences = (OUTPUTS / tau).softmax(dim=1).amax(dim=1)
        assert found["confidence"] == pytest.approx(confidences.mean().item())
        counts = [one["count"] for one in found["bins"]]
        assert sum(counts) == len(TARGETS) and min(counts) > 0


def test_a_reader_moves_the_reliability_diagram(reader):
    reader.open(live.show("reliability", TRAINED, FALLBACK))
    spoken = reader.slide("temperature", "Home")
    assert reader.words().startswith("At τ = 0.100 the network is overconfident")
    now, plain = error_at(0.1), error_at(1)
    assert spoken == f"temperature 0.100, ECE {now:.3f}"
    assert reader.texts("tr:has-text('ECE') td") == [f"{now:.3f}", f"{plain:.3f}"]
    dots = reader.stage.locator("[role=img] circle").count()
    assert reader.picture().count("images of confidence") == dots > 0
    reader.slide("temperature", "End")
    assert "underconfident" in reader.words()
    reader.press("the fitted τ = 1.25")
    assert "temperature 1.25" in reader.slide("temperature")


def test_the_page_shows_its_own_network():
    data, fallback = on_page("reliability", "02_softmax")
    assert len(data["targets"]) == 360 and data["columns"] == 10 and data["fitted"] > 2
    assert "ECE" in fallback

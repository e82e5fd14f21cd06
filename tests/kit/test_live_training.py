"""Live figures of training: backpropagation, depth, degradation, checkpoints, the bug game."""

import math
import random
import re

import numpy as np
import pytest
import torch
from live_helpers import CHAPTERS, call, made, on_page, tensor
from test_checks_diagnosis import by_the_library
from torch.nn import functional as F

from coursekit import live
from coursekit.live import backprop, degradation
from dlvlib import results

pytestmark = pytest.mark.browser
NODES = ["z", "h", "o", "w1", "w2", "b"]


def by_autograd(x, w1, w2, b):
    """The loss, its derivatives with respect to `NODES`, and the values of the first three."""
    x, w1, w2, b = (tensor(value).requires_grad_() for value in (x, w1, w2, b))
    z = w1 * x
    h = torch.tanh(z)
    o = w2 * h + b
    loss = -F.logsigmoid(o)
    slopes = torch.autograd.grad(loss, [z, h, o, w1, w2, b])
    return loss.item(), [slope.item() for slope in slopes], [v.item() for v in (z, h, o)]


def test_both_passes_agree_with_autograd(page):
    drawn = random.Random(0)
    cases = [{key: drawn.uniform(-4, 4) for key in ("x", "w1", "w2", "b")} for _ in range(300)]
    cases.append({"x": 1, "w1": 9, "w2": -800, "b": 0})  # exp would overflow
    body = """return argument.map((given) => {
        const values = figure.forwardPass(given);
        return [values, figure.backwardPass(values)];
    });"""
    for case, (values, slopes) in zip(cases, call(page, "backprop", body, cases), strict=True):
        loss, derivatives, nodes = by_autograd(**case)
        found = [values["L"], *(slopes[key] for key in NODES), *(values[key] for key in NODES[:3])]
        assert found == pytest.approx([loss, *derivatives, *nodes], abs=1e-9)


def test_a_reader_walks_forward_and_back_and_steps_downhill(reader):
    reader.open(made("backprop"))
    loss, slopes, _ = by_autograd(**backprop.START)
    assert reader.words() == "Only the input and the weights are known."
    reader.slide("step", "ArrowRight")
    assert reader.words() == "Forward: z = w₁ · x = 0.800 · 1.500 = 1.200."
    for _ in range(3):
        reader.press("next")
    assert reader.words().endswith(f"L = −ln p = {loss:.3f}.")
    reader.slide("step", "End")
    said = reader.words().replace("−", "-")
    assert said.startswith("Backward: ∂L/∂w₁ = ∂L/∂z · x = ")
    assert said.endswith(f" = {slopes[3]:.3f}.")
    label = reader.picture().replace("−", "-")
    for key, slope in zip(["z", "h", "o", "w₁", "w₂", "b"], slopes, strict=True):
        assert f"∂L/∂{key} {slope:.3f}" in label
        assert f"<td>{slope:.3f}</td>" in made("backprop").html
    reader.press("One step downhill")
    moved = dict(zip(["w1", "w2", "b"], slopes[3:], strict=True))
    weights = {k: backprop.START[k] - backprop.LEARNING_RATE * s for k, s in moved.items()}
    after, *_ = by_autograd(x=backprop.START["x"], **weights)
    lesson = reader.stage.locator("p[role=status]").last.inner_text()
    assert re.findall(r"\d\.\d{3}", lesson) == [f"{loss:.3f}", f"{after:.3f}"]
    assert reader.words().endswith(f"L = −ln p = {after:.3f}.")
    assert "2.500" in reader.slide("w₂", 2.5)


CASES = [(0.8, None), (1.0, None), (1.2, None), (1.0, 1.0), (1.2, 0.5), (1.0, 0.1), (0.8, 0.0)]


def simulated(depth=10, width=768, num_nets=12):
    """Root mean square factors (signal, gradient) of `depth` random layers, for each case.

    In a plain network (scale None) a layer is its branch alone.
    """
    draw = torch.Generator().manual_seed(0)
    gains = torch.tensor([[gain] for gain, _ in CASES])
    scales = torch.tensor([[1.0 if scale is None else scale] for _, scale in CASES])
    keeps = torch.tensor([[float(scale is not None)] for _, scale in CASES])
    squares = torch.zeros(2, len(CASES), dtype=torch.double)
    for _ in range(num_nets):
        start = torch.randn(width, generator=draw).repeat(len(CASES), 1).requires_grad_()
        values = start
        for _ in range(depth):
            weight = math.sqrt(2 / width) * torch.randn(width, width, generator=draw)
            values = keeps * values + scales * gains * (torch.relu(values) @ weight)
        direction = torch.randn(width, generator=draw)
        (gradient,) = torch.autograd.grad((values @ direction).sum(), start)
        ratios = values.norm(dim=1) / start.norm(dim=1), gradient.norm(dim=1) / direction.norm()
        squares += torch.stack(ratios).detach().double() ** 2 / num_nets
    return squares.sqrt()


def test_factors_of_depth_agree_with_wide_random_networks(page):
    body = """return argument.map(([gain, scale]) =>
        scale === null ? figure.plainFactor(gain) : figure.residualFactor(gain, scale));"""
    factors = tensor(call(page, "residual_depth", body, CASES))
    # Ten layers multiply a mistake in the factor by ten: 8 % here is less than 1 % per layer.
    torch.testing.assert_close(simulated(), (factors**10).expand(2, -1), rtol=0.08, atol=0)


def test_a_reader_changes_depth_gain_and_scale(reader):
    data, fallback = on_page("residual_depth", "15_residual_family")
    reader.open(live.show("residual_depth", data, fallback))

    def check(*sentences):
        words = reader.words().replace("\u00a0", " ")
        assert all(sentence in words for sentence in sentences)

    check("56 layers multiply", "plain, by 1.0; residual, α = 1, by 2.7 · 10⁸")  # 2 to the 28
    check(f"α = 0.10, by {1.01**28:.1f}.")
    assert reader.slide("depth (layers)", "End") == "110 layers"
    reader.slide("gain", "Home")
    check("plain, by 7.7 · 10⁻³⁴")  # 2 to the -110
    reader.slide("branch scale", "Home")
    check("residual, α = 0.00, by 1.0.")
    reader.press("depth")
    check("residual, α = 0.10")  # the root of 1/110
    assert "gradient back through 110 layers" in reader.picture(1)
    least, most, depth = data["depth"]
    assert least < depth < most
    assert f"<td>{2 ** (depth / 2):.1e}</td>" in fallback


LONG, SHORT = (results.load("degradation", budget) for budget in ("full", "laptop"))


def error(records, variant, part, epoch):
    top1 = [run["history"][epoch - 1][f"{part}_top1"] for run in records.of(variant)]
    return f"{100 * (1 - np.mean(top1)):.2f}"


def test_a_reader_drags_the_line_over_the_recorded_errors(page, reader):
    reader.open(made("degradation"))

    def check(epoch, short):
        rows = zip(reader.texts("tbody tr"), degradation.NETWORKS, strict=True)
        for row, variant in rows:
            expected = [error(LONG, variant, part, epoch) for part in degradation.PARTS]
            expected.append(error(SHORT, variant, "val", short))
            assert row.split("\t")[1:] == expected
        words = f"after epoch {epoch} of 164; beside it, after {short} of 8"
        assert words in reader.stage.inner_text()

    check(164, 8)
    reader.slide("epoch", "Home")
    check(1, 1)
    reader.slide("epoch", "ArrowRight")
    check(2, 1)
    axes = reader.stage.get_by_role("img").first
    box = axes.bounding_box()
    scale = box["width"] / 340  # of the drawing's own units
    y = box["y"] + 100 * scale
    page.mouse.move(box["x"] + 60 * scale, y)
    page.mouse.down()
    page.mouse.move(box["x"] + (44 + 284 / 2) * scale, y)
    check(82, 4)
    page.mouse.up()
    page.mouse.move(box["x"] + 60 * scale, y)  # no button: nothing moves
    check(82, 4)
    page.mouse.click(box["x"] + 339 * scale, y)
    check(164, 8)
    drawn = axes.locator("polyline[points*=',']")
    before = drawn.count()
    reader.find("checkbox", "plain-56").uncheck()
    assert drawn.count() == before - 2
    assert "plain-56" not in reader.slide("epoch")
    assert reader.stage.locator("tbody tr").nth(1).locator("td").all_inner_texts() == [""] * 3
    for name in ("plain-20", "ResNet-20", "ResNet-56"):
        reader.find("checkbox", name).uncheck()
    assert "no network is chosen" in reader.slide("epoch")
    for variant in degradation.NETWORKS:
        for records, epoch in ((LONG, 164), (SHORT, 8)):
            cell = f"<td>{error(records, variant, 'val', epoch)}</td>"
            assert cell in made("degradation").html


def random_runs(count):
    generator = torch.Generator().manual_seed(0)
    for number in range(count):
        # Few different values, so that equals occur; the first of them must win.
        draw = torch.randint(1, 12, (2, 1 + number % 30), generator=generator).tolist()
        yield {"val_loss": draw[0], "val_top1": [value / 12 for value in draw[1]]}


def expected_choice(run, rule, patience):
    monitor = "val_top1" if rule == "top1" else "val_loss"
    patience = patience if rule == "patience" else 0
    kept, trained = by_the_library(run["val_loss"], patience, run["val_top1"], monitor)
    return [trained if rule == "last" else kept, trained]


def test_rules_of_checkpoints_agree_with_the_training_loop(page):
    rules = ["loss", "top1", "last", "patience"]
    cases = [[run, rule, 1 + i % 7] for i, run in enumerate(random_runs(200)) for rule in rules]
    body = """return argument.map((one) => figure.decide(...one))
        .map(({ kept, trained }) => [kept, trained]);"""
    found = call(page, "checkpoints", body, cases)
    assert found == [expected_choice(*case) for case in cases]


def test_a_reader_chooses_a_checkpoint_and_asks_the_test_images(reader):
    data, fallback = on_page("checkpoints", "17_case_study_overfitting")
    for number, run in enumerate(data["runs"]):
        (path,) = (CHAPTERS / "results/overfitting").glob(f"case-*-seed{number}.json")
        record = results.read_record(path)
        for name in ("train_loss", "val_loss", "val_top1"):
            assert run[name] == pytest.approx([e[name] for e in record["history"]], abs=6e-4)
        chosen, test = record["metrics"]["chosen_epoch"], record["metrics"]["test_top1"]
        assert run["test_top1"][chosen - 1] == pytest.approx(test, abs=6e-4)

    reader.open(live.show("checkpoints", data, fallback))
    run = data["runs"][0]
    epoch = reader.stage.get_by_role("slider", name="epoch", exact=True)
    epoch.press("End")
    last = len(run["val_loss"])
    assert reader.words().startswith(f"Keeps epoch {last}; {last} epochs")
    assert f"validation cost {run['val_loss'][-1]:.2f}" in reader.words()
    reader.choose("keep the weights of", "lowest validation cost")
    kept, _ = expected_choice(run, "loss", 0)
    assert epoch.get_attribute("aria-valuetext") == f"epoch {kept} of {last}"
    assert ", 0.00 above the lowest" in reader.words()
    assert f"epoch {kept}" in reader.picture()
    reader.choose("keep the weights of", "early stopping")
    reader.slide("patience", "Home")
    kept, trained = expected_choice(run, "patience", 1)
    assert reader.words().startswith(f"Keeps epoch {kept}; {trained} epochs")
    epoch.press("ArrowRight")  # whoever moves the slider decides alone
    assert reader.find("combobox", "keep the weights of").input_value() == "own"
    assert not reader.find("slider", "patience").is_visible()

    epoch.press("Home")
    assert not re.search(r"\d", reader.words(1))
    reader.press("Ask the test images")
    assert reader.words(1) == f"Test accuracy {100 * run['test_top1'][0]:.1f} %."
    epoch.press("End")
    assert "not asked" in reader.words(1)
    reader.press("Ask the test images")
    assert f"{100 * run['test_top1'][-1]:.1f} %" in reader.words(1)
    assert "asked 2 times" in reader.words(1)

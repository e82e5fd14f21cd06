"""The live figure of cross-entropy: its formulas against torch, and its text."""

import pytest
import torch
from live_helpers import call
from torch.nn import functional as F

from coursekit import live
from dlvlib import metrics

pytestmark = pytest.mark.browser
DATA = {"truth": "butterfly", "rival": "candle", "limit": 6, "start": -1.3}
FIGURE = live.show("cross_entropy", DATA, live.table("Loss", ["margin", "loss"], [["0", "0.693"]]))


def values_of(page, margins):
    found = call(
        page,
        "cross_entropy",
        "return argument.map((m) => [figure.probability(m), figure.loss(m), figure.slope(m), "
        "figure.error(m)]);",
        margins.tolist(),
    )
    return torch.tensor(found, dtype=torch.double).T


def test_formulas_agree_with_torch_and_metrics(page):
    generator = torch.Generator().manual_seed(0)
    margins = 8 * torch.randn(300, generator=generator, dtype=torch.double)
    logits = torch.stack([margins + 5, torch.full_like(margins, 5)], dim=1).requires_grad_()
    targets = torch.zeros(300, dtype=torch.long)
    losses = F.cross_entropy(logits, targets, reduction="none")
    losses.sum().backward()
    found = values_of(page, margins)
    torch.testing.assert_close(found[0], torch.softmax(logits.detach(), dim=1)[:, 0])
    torch.testing.assert_close(found[1], losses.detach())
    torch.testing.assert_close(found[2], logits.grad[:, 0])
    assert 1 - found[3].mean().item() == pytest.approx(metrics.top_k_accuracy(logits, targets))


def test_formulas_survive_large_margins(page):
    found = values_of(page, torch.tensor([-2000.0, 2000.0]))
    assert found.T.tolist() == [[0, 2000, -1, 1], [1, 0, 0, 0]]


def test_keyboard_walks_from_a_confident_mistake_to_a_right_answer(page):
    page.set_content(FIGURE.html)
    slider = page.get_by_role("slider", name="margin of the true class")
    said = page.locator("p[role=status]")
    assert "21.4 % for butterfly, wrong." in said.inner_text()  # the photograph of the lecture
    assert slider.get_attribute("aria-valuetext") == "−1.3, probability of butterfly 21.4 %"
    slider.press("Home")
    assert "confident mistake" in said.inner_text()
    assert f"Cross-entropy {F.softplus(torch.tensor(6.0)):.3f} nats" in said.inner_text()
    assert "the error by 0." in said.inner_text()
    slider.press("End")
    assert "99.8 % for butterfly, right." in said.inner_text()
    picture = page.get_by_role("img").first
    assert "margin 6.0, cross-entropy 0.002, error 0" in picture.get_attribute("aria-label")


def test_only_the_step_across_the_tie_changes_the_error(page):
    page.set_content(FIGURE.html.replace('"start": -1.3', '"start": -0.1'))
    slider, said = page.get_by_role("slider"), page.locator("p[role=status]")
    assert "the error by −1." in said.inner_text()
    slider.press("ArrowRight")
    assert "a tie" in said.inner_text()
    assert "the error by 0." in said.inner_text()

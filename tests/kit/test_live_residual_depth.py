"""The live figure of depth: its factors against random networks in torch, and its text."""

import math

import pytest
import torch
from live_helpers import call, on_page
from torch import nn
from torch.nn import functional as F

from coursekit import live
from dlvlib.models.resnet import CifarResNet
from dlvlib.runtime import set_seed

pytestmark = pytest.mark.browser
DATA, FALLBACK = on_page("residual_depth", "15_residual_family")
FIGURE = live.show("residual_depth", DATA, FALLBACK)
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


def test_factors_agree_with_wide_random_networks(page):
    body = """return argument.map(([gain, scale]) =>
        scale === null ? figure.plainFactor(gain) : figure.residualFactor(gain, scale));"""
    factors = torch.tensor(call(page, "residual_depth", body, CASES), dtype=torch.double)
    # Ten layers multiply a mistake in the factor by ten: 8 % here is less than 1 % per layer.
    torch.testing.assert_close(simulated(), (factors**10).expand(2, -1), rtol=0.08, atol=0)


def test_most_of_the_fading_in_the_convolutional_nets_comes_from_the_padding():
    """What the page says about the case where the model and its own measurement differ."""
    draw = torch.Generator().manual_seed(0)
    images, targets = torch.randn(16, 1, 16, 16, generator=draw), torch.arange(16) % 10

    def first_gradient(depth, mode):
        set_seed(0)
        net = CifarResNet(depth, in_channels=1, plain=True)
        for module in list(net.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(module, name, nn.Identity())
                elif isinstance(child, nn.Conv2d):
                    new = nn.Conv2d(
                        child.in_channels,
                        child.out_channels,
                        3,
                        stride=child.stride,
                        padding=1,
                        bias=False,
                        padding_mode=mode,
                    )
                    new.weight = child.weight
                    setattr(module, name, new)
        loss = F.cross_entropy(net(images), targets)
        return torch.autograd.grad(loss, next(net.parameters()))[0].norm().item()

    fades = {m: first_gradient(8, m) / first_gradient(110, m) for m in ("zeros", "circular")}
    assert math.log(fades["circular"]) < 0.5 * math.log(fades["zeros"])


def test_keyboard_changes_the_words(page):
    page.set_content(FIGURE.html)
    words = page.locator("p[role=status]")

    def said():
        return words.inner_text().replace("\u00a0", " ")

    assert said().startswith("56 layers multiply")
    assert "plain, by 1.0; residual, α = 1, by 2.7 · 10⁸" in said()  # 2 to the 28
    assert f"α = 0.10, by {1.01**28:.1f}." in said()
    depth = page.get_by_role("slider", name="depth (layers)")
    depth.press("End")
    assert depth.get_attribute("aria-valuetext") == "110 layers"
    page.get_by_role("slider", name="gain").press("Home")
    assert "plain, by 7.7 · 10⁻³⁴" in said()  # 2 to the -110
    page.get_by_role("slider", name="branch scale").press("Home")
    assert "residual, α = 0.00, by 1.0." in said()
    page.get_by_role("button").press("Enter")
    assert "residual, α = 0.10" in said()  # the root of 1/110
    label = page.get_by_role("img").nth(1).get_attribute("aria-label")
    assert "gradient back through 110 layers" in label


def test_fallback_holds_the_numbers_of_the_script(page):
    least, most, depth = DATA["depth"]
    assert least < depth < most
    factor = call(page, "residual_depth", "return figure.residualFactor(1, 1);", None)
    assert f"<td>{factor**depth:.1e}</td>" in FALLBACK

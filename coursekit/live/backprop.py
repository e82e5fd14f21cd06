"""Backpropagation by hand: two layers, three weights, every product as a number."""

import torch
from torch.nn import functional as F

from coursekit import live

START = {"x": 1.5, "w1": 0.8, "w2": -1.2, "b": 0.5}
LEARNING_RATE = 0.5


def figure() -> live.LiveFigure:
    """Return the figure; its fallback holds what autograd computes at the start."""
    x, w1, w2, b = (torch.tensor(value, requires_grad=True) for value in START.values())
    z = w1 * x
    h = torch.tanh(z)
    o = w2 * h + b
    loss = -F.logsigmoid(o)
    names = ["w₁", "z", "h", "w₂", "b", "o"]
    nodes = [w1, z, h, w2, b, o]
    slopes = torch.autograd.grad(loss, nodes)
    rows = [
        [name, f"{node:.3f}", f"{slope:.3f}"]
        for name, node, slope in zip(names, nodes, slopes, strict=True)
    ]
    caption = (
        f"z = w₁x with x = {x:.1f}, h = tanh z, o = w₂h + b, "
        f"and the loss L = −ln σ(o) = {loss:.3f}"
    )
    fallback = live.table(caption, ["quantity", "value", "derivative of L"], rows)
    return live.show("backprop", {**START, "lr": LEARNING_RATE}, fallback)

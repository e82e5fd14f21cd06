"""What can be seen of a network that a student builds, whatever its layers are called."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def observe_module(build: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Build a network and look at it, the cheapest things first.

    Two networks with the same layers in the same order are seen alike, since `fill` gives both
    the same weights.

    Args:
        build: what the student wrote, a class or a function.
        *arguments: those of `build`, and as the last one the images, (B, C, H, W), for forward.

    Returns:
        The shape of the output, the number of parameters, and the outputs in eval mode.

    Raises:
        TypeError: if `build` or the network returns something else.
    """
    *settings, images = arguments
    module = build(*settings)
    if not isinstance(module, nn.Module):
        raise TypeError(f"it should give an nn.Module, it gave a {type(module).__name__}")
    fill(module)
    with torch.no_grad():
        outputs = module.eval()(images)
    if not isinstance(outputs, Tensor):
        raise TypeError(f"forward should return a tensor, it returned {type(outputs).__name__}")
    return {
        "shape of the output": tuple(outputs.shape),
        "number of parameters": sum(p.numel() for p in module.parameters()),
        "output": outputs,
    }


def fill(module: nn.Module) -> None:
    """Give every parameter and statistic random values that depend only on shape and order.

    Parameters of the same shape are filled in the order in which they are registered, so it does
    not matter whether a shortcut is built before or after its branch. Variances stay positive.
    """
    seen: dict[tuple[int, ...], int] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if not tensor.is_floating_point():
            continue
        shape = tuple(tensor.shape)
        seen[shape] = seen.get(shape, 0) + 1
        generator = torch.Generator().manual_seed(hash((shape, seen[shape])) % 2**31)
        values = torch.randn(shape, generator=generator) / max(1, tensor[:1].numel()) ** 0.5
        with torch.no_grad():
            tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)

"""What can be seen of a network that a student builds, whatever its layers are called."""

from collections.abc import Callable, Mapping
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
    if isinstance(build, nn.Module):
        raise TypeError("give the class or function itself, not a network made with it")
    *settings, images = arguments
    module = build(*settings)
    if not isinstance(module, nn.Module):
        raise TypeError(f"it should give an nn.Module, it gave a {type(module).__name__}")
    module.eval()
    with torch.no_grad():
        fill(module, kernels_before_norms(module, images.clone()))  # forward may work in place
        outputs = module(images)
    if not isinstance(outputs, Tensor):
        raise TypeError(f"forward should return a tensor, it returned {type(outputs).__name__}")
    return {
        "shape of the output": tuple(outputs.shape),
        "number of parameters": sum(p.numel() for p in module.parameters()),
        "output": outputs,
    }


def kernels_before_norms(module: nn.Module, images: Tensor) -> dict[nn.Module, tuple[int, ...]]:
    """Run the network once; say for each batch normalisation whose output it reads.

    Returns:
        Layer to the shape of the weights of the convolution before it; a layer that no
        convolution feeds directly is left out.
    """
    made: dict[int, tuple[Tensor, tuple[int, ...]]] = {}  # the tensor is kept, so its id stays
    kernels: dict[nn.Module, tuple[int, ...]] = {}

    def look(layer: nn.Module, inputs: tuple, output: Any) -> None:
        if isinstance(layer, nn.Conv2d):
            made[id(output)] = output, tuple(layer.weight.shape)
        elif isinstance(layer, nn.BatchNorm2d) and inputs and id(inputs[0]) in made:
            kernels.setdefault(layer, made[id(inputs[0])][1])

    hooks = [layer.register_forward_hook(look) for layer in module.modules()]
    try:
        module(images)
    finally:
        for hook in hooks:
            hook.remove()
    return kernels


def fill(module: nn.Module, kernels: Mapping[nn.Module, tuple[int, ...]]) -> None:
    """Give every parameter and statistic random values that depend only on shape and order.

    Parameters of the same shape are filled in the order in which they are registered, and so are
    statistics. Those of a batch normalisation count with the kernels before it, so it does not
    matter whether the projection of a shortcut is built before or after the branch. Variances
    stay positive.
    """
    seen: dict[tuple, int] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if not tensor.is_floating_point():
            continue
        shape = tuple(tensor.shape)
        kernel = kernels.get(module.get_submodule(name.rpartition(".")[0]), ())
        key = shape, kernel, isinstance(tensor, nn.Parameter)
        seen[key] = seen.get(key, 0) + 1
        generator = torch.Generator().manual_seed(hash((key, seen[key])) % 2**31)
        values = torch.randn(shape, generator=generator) / max(1, tensor[:1].numel()) ** 0.5
        tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)

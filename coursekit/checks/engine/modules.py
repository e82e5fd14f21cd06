"""What can be observed of a network that a student builds, whatever its layers are called."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from coursekit.checks.engine.values import name_of


def observe_module(build: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Build a network and look at it, the cheapest things first.

    Two networks that use the same weights in the same order are seen alike, since `fill` gives
    both the same values. A dense layer and a convolution with as many weights per output count
    as the same. The last of the arguments is for forward: the images, (B, C, H, W).

    Raises:
        TypeError: if `build` or the network returns something else.
    """
    if isinstance(build, nn.Module):
        raise TypeError("give the class or function itself, not a network made with it")
    *settings, images = arguments
    module = build(*settings)
    if not isinstance(module, nn.Module):
        raise TypeError(f"it should give an nn.Module, it gave {name_of(module)}")
    module.eval()
    with torch.no_grad():
        with Uses(module) as uses:
            module(images.clone())  # forward may work in place
        fill(module, uses.before)
        outputs = module(images.clone())
    if not isinstance(outputs, Tensor):
        raise TypeError(f"forward should return a tensor, it returned {name_of(outputs)}")
    module.train()
    trained = module(images)
    if trained.requires_grad:
        trained.sum().backward()
    parameters = list(module.parameters())
    return {
        "shape of the output": tuple(outputs.shape),
        "number of parameters": sum(p.numel() for p in parameters),
        "output": outputs,
        "output in train mode": trained,
        "parameters that a gradient reaches": sum(
            p.numel() for p in parameters if p.grad is not None
        ),
    }


class Uses(TorchFunctionMode):
    """Records in which order a network uses its parameters and statistics.

    Attributes:
        before: id of a tensor, in the order of first use, to the shape of the weights that it
            belongs to: for a bias those of its layer, for a normalisation those of the layer that
            its input comes from; () for the weights themselves.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.before: dict[int, tuple[int, ...]] = {}
        self._own = {id(t): t for t in [*module.parameters(), *module.buffers()]}
        self._made: dict[int, tuple[int, ...]] = {}
        self._held: list[Tensor] = []  # so that their ids stay theirs

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [v for v in (*args, *(kwargs or {}).values()) if isinstance(v, Tensor)]
        used = [self._own[id(v)] for v in tensors if id(v) in self._own]
        if not used or not isinstance(result, Tensor) or id(result) in self._own:
            return result
        self._held.append(result)
        if len(tensors) == 1:  # a view of it, for instance transposed
            self._own[id(result)] = used[0]
            return result
        shapes = [_as_matrix(tensor) for tensor in used if tensor.ndim > 1]
        shapes += [self._made[id(v)] for v in tensors if id(v) in self._made]
        for tensor in used:
            self.before.setdefault(id(tensor), shapes[0] if shapes and tensor.ndim == 1 else ())
        if shapes:
            self._made[id(result)] = shapes[0]
        return result


def _as_matrix(tensor: Tensor) -> tuple[int, ...]:
    """The shape as (outputs, weights of each), the same for nn.Linear and nn.Conv2d."""
    return (len(tensor), tensor[0].numel()) if tensor.ndim > 1 else tuple(tensor.shape)


def fill(module: nn.Module, before: Mapping[int, tuple[int, ...]]) -> None:
    """Set every parameter and statistic to random values that depend only on its use.

    Tensors of the same shape are filled in the order of their first use, those never used last.
    Those of a batch normalisation count with the kernels before it, so it does not matter whether
    a block computes its shortcut before or after its branch. Variances stay positive.
    """
    seen: dict[tuple[Any, ...], int] = {}
    order = {tensor: number for number, tensor in enumerate(before)}
    named: list[tuple[str, Tensor]] = list(module.named_parameters())
    named += [pair for pair in module.named_buffers() if pair[0].endswith(("mean", "var"))]
    for name, tensor in sorted(named, key=lambda pair: order.get(id(pair[1]), len(order))):
        if not tensor.is_floating_point() or tensor.numel() == 0:
            continue
        shape = _as_matrix(tensor)
        key = shape, before.get(id(tensor), ()), isinstance(tensor, nn.Parameter)
        seen[key] = seen.get(key, 0) + 1
        generator = torch.Generator().manual_seed(hash((key, seen[key])) % 2**31)
        values = torch.randn(shape, generator=generator) / max(1, tensor[:1].numel()) ** 0.5
        values = values.abs() + 0.5 if name.endswith("var") else values
        tensor.copy_(values.reshape(tensor.shape))

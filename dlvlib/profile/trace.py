"""A forward pass as a list of steps, found by running the network once and watching."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dlvlib.runtime import mode

CONSTANTS = {"zeros_like", "ones_like", "empty_like", "new_zeros", "new_ones", "new_empty"}


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of a forward pass, on tensors that have shapes but no values.

    Attributes:
        layer: name of the module that ran, as in `model.named_modules()`; for an operation
            written in a `forward`, the name of that module, a dot, and the operation.
        kind: class of the PyTorch layer, or the operation.
        operation: name of the function, for instance "conv2d".
        args: its positional arguments.
        kwargs: its keyword arguments.
        inputs: the tensors among the arguments that come from the image.
        weights: the other tensors: parameters and buffers.
        outputs: the tensors it returned.
    """

    layer: str
    kind: str
    operation: str
    args: tuple
    kwargs: dict
    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def trace(model: nn.Module, input_shape: tuple[int, int, int]) -> list[Step]:
    """Every operation of one forward pass in eval mode, without computing any of them.

    Weights and image are replaced by tensors on the "meta" device, so this takes milliseconds
    and no memory. Modules that call no function, such as nn.Identity, leave no step.

    Raises:
        ValueError: if input_shape is not (C, H, W) with sizes of at least 1.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(f"input_shape must be (C, H, W) >= 1, got {tuple(input_shape)}")
    state = dict([*model.named_parameters(), *model.named_buffers()])
    state = {name: tensor.detach().to("meta") for name, tensor in state.items()}
    dtype = next((p.dtype for p in model.parameters()), torch.get_default_dtype())
    images = torch.empty(1, *input_shape, dtype=dtype, device="meta")
    recorder, hooks = _Recorder(images), []
    for name, module in model.named_modules():
        hooks += [
            module.register_forward_pre_hook(partial(recorder.enter, name)),
            module.register_forward_hook(recorder.leave),
        ]
    try:
        with mode(model, training=False), torch.no_grad(), recorder:
            torch.func.functional_call(model, state, (images,))
    finally:
        for hook in hooks:
            hook.remove()
    return recorder.steps


class _Recorder(TorchFunctionMode):
    """While it is active, PyTorch hands it every call of one of its functions."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.running: list[tuple[str, nn.Module]] = []  # the modules we are in, outermost first
        self.from_image = {id(images)}  # the steps keep these tensors alive

    def enter(self, name: str, module: nn.Module, _: tuple) -> None:
        self.running.append((name, module))

    def leave(self, *_: object) -> None:
        self.running.pop()

    def __torch_function__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        args = tuple([*arg] if isinstance(arg, list) else arg for arg in args)  # as it is now
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        operation = func.__name__.strip("_")  # add_ and __add__ are both an add
        given = tuple(_tensors([*args, *kwargs.values()]))
        inputs = tuple(tensor for tensor in given if id(tensor) in self.from_image)
        outputs = () if operation in CONSTANTS else tuple(_tensors([result]))
        if self.running and inputs and outputs:
            layer, module = self.running[-1]
            kind = type(module).__name__
            if not type(module).__module__.startswith("torch.nn") or [*module.children()]:
                layer, kind = f"{layer}.{operation}".lstrip("."), operation
            weights = tuple(tensor for tensor in given if id(tensor) not in self.from_image)
            self.from_image |= {id(tensor) for tensor in outputs}
            self.steps.append(
                Step(layer or kind, kind, operation, args, kwargs, inputs, weights, outputs)
            )
        return result


def _tensors(values: Iterable) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)

"""A forward pass as a list of steps, found by running the network once and watching.

PyTorch hands every call of its Python functions to a `TorchFunctionMode`. Calls that it does not
hand over (TorchScript, custom C++ code) return tensors that no recorded call made: these are
detected, and rejected.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from dlvlib._common import check_int

WRAPPERS = (torch.jit.ScriptModule, nn.DataParallel, nn.parallel.DistributedDataParallel)
INSIDE_PYTORCH = ("torch._meta_registrations", "torch._refs", "torch._decomp", "torch._prims")


@dataclass(frozen=True)
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
        outputs: the tensors it returned, or wrote into.
        params: the parameters it reads, also through others such as the two of a weight
            normalisation: name, as in `model.named_parameters()`, and number of values.
    """

    layer: str
    kind: str
    operation: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    params: dict[str, int]


def trace(model: nn.Module, input_shape: tuple[int, int, int]) -> list[Step]:
    """Every operation of one forward pass in eval mode, without computing any of them.

    What runs is a copy on the "meta" device, so this takes milliseconds and no memory, and the
    model stays as it is. Its own hooks run too, and get tensors without values. Modules that call
    no function, such as nn.Identity, leave no step.

    Raises:
        ValueError: if input_shape is not (C, H, W) with sizes of at least 1, the model cannot be
            copied, an operation fails, or what the network returns cannot be followed back to the
            image.
    """
    try:
        channels, height, width = (check_int("size", size, 1) for size in input_shape)
    except (TypeError, ValueError) as error:
        raise ValueError(f"input_shape must be (C, H, W) >= 1, got {input_shape}") from error
    for name, module in model.named_modules():
        if isinstance(module, WRAPPERS) or hasattr(module, "_orig_mod"):  # torch.compile
            raise ValueError(
                f"every module must be an ordinary nn.Module, got the "
                f"{type(module).__name__} {name!r}: use the module that it was made from"
            )
    recorder, model = _Recorder(), _on_meta(model)
    for name, module in model.named_modules():
        module.register_forward_pre_hook(partial(recorder.enter, name))
        module.register_forward_hook(recorder.leave)
    dtypes = (p.dtype for p in model.parameters() if p.is_floating_point())
    dtype = next(dtypes, torch.get_default_dtype())
    with torch.no_grad(), torch.device("meta"):
        images = torch.empty(1, channels, height, width, dtype=dtype)
        recorder.start(model, images)
        with recorder:
            result = model(images)
    outputs = _tensors(result)
    if not outputs or not all(recorder.is_from_image(output) for output in outputs):
        raise ValueError(
            f"what {type(model).__name__} returns must be tensors computed from the image by "
            f"operations of PyTorch that can be followed, got others"
        )
    return recorder.steps


def _on_meta(model: nn.Module) -> nn.Module:
    """A copy in eval mode whose tensors have no values; what was shared is shared."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for tensor in _own_tensors(module):
            if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
                uninitialized: Any = type(tensor)
                memo[id(tensor)] = uninitialized(device="meta", dtype=tensor.dtype)
            elif isinstance(tensor, nn.Parameter):
                memo[id(tensor)] = nn.Parameter(tensor.detach().to("meta"), False)
            else:
                memo[id(tensor)] = tensor.detach().to("meta")
    try:
        return copy.deepcopy(model, memo).eval()
    except (RuntimeError, TypeError) as error:  # a list of activations, a lock, an open file
        reason = str(error).partition(". ")[0]
        raise ValueError(f"copy.deepcopy must be able to copy the model: {reason}") from error


def _own_tensors(module: nn.Module) -> Iterator[Tensor]:
    """Parameters, buffers and plain attributes of a module, without those of its children."""
    for value in (*module._parameters.values(), *module._buffers.values(), *vars(module).values()):
        if isinstance(value, Tensor):
            yield value


@dataclass
class _Known:
    """What is known of a tensor: where it comes from, and when it was last written."""

    tensor: Tensor  # kept alive, so that its id stays its own
    from_image: bool
    params: dict[str, nn.Parameter]
    time: int


class _Recorder(TorchFunctionMode):
    """While it is active, PyTorch hands it every call of one of its functions."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.running: list[tuple[str, nn.Module]] = []  # the modules we are in, outermost first
        self.known: dict[int, _Known] = {}
        self.copies: dict[int, tuple[Tensor, Tensor]] = {}  # of tensors that were not on meta
        self.written: dict[int, int] = {}  # storage: when a value of the image was written to it
        self.time = 0

    def start(self, model: nn.Module, images: Tensor) -> None:
        self.known[id(images)] = _Known(images, True, {}, 0)
        for module in model.modules():
            for tensor in _own_tensors(module):
                self.known[id(tensor)] = _Known(tensor, False, {}, 0)
        for name, parameter in model.named_parameters():
            self.known[id(parameter)] = _Known(parameter, False, {name: parameter}, 0)

    def enter(self, name: str, module: nn.Module, _: object) -> None:
        self.running.append((name, module))

    def leave(self, *_: object) -> None:
        self.running.pop()

    def is_from_image(self, tensor: Tensor) -> bool:
        return id(tensor) in self.known and self.known[id(tensor)].from_image

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if isinstance(func, OpOverload) or caller.startswith(INSIDE_PYTORCH):
            return func(*args, **(kwargs or {}))  # a part of what TorchScript runs
        # Lists are copied too: as they are now.
        args, kwargs = tree_map_only(Tensor, self._to_meta, (args, kwargs or {}))
        operation = func.__name__.strip("_")  # add_ and __add__ are both an add
        if operation == "get":  # a property such as x.T
            operation = getattr(func, "__self__", func).__name__
        layer, kind = self._name(operation)
        try:
            result = func(*args, **kwargs)
        except (RuntimeError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{operation!r} (layer {layer!r}) fails: {reason}") from error
        outputs = tuple(_tensors(args[0] if operation == "setitem" else result))
        if not outputs:
            return result
        given = [self._look_up(t, operation, layer) for t in _tensors([args, kwargs])]
        if operation.endswith("_as"):  # of the other, expand_as reads the shape only
            given = given[:1]
        self.time += 1
        inputs = tuple(known.tensor for known in given if known.from_image)
        constant = operation.endswith("_like") or operation.startswith("new_")
        params: dict[str, nn.Parameter] = {}
        for known in given:
            params |= {} if known.from_image else known.params
        for output in outputs:
            known = _Known(output, bool(inputs) and not constant, params, self.time)
            self.known[id(output)] = known
            if any(output is not tensor for tensor in inputs) and any(
                output is known.tensor for known in given
            ):
                self.written[_storage(output)] = self.time
        if inputs and not constant:
            sizes = {name: parameter.numel() for name, parameter in params.items()}
            self.steps.append(Step(layer, kind, operation, args, kwargs, inputs, outputs, sizes))
        return result

    def _name(self, operation: str) -> tuple[str, str]:
        """Return the layer that is running, and its kind."""
        if not self.running:
            return operation, operation
        layer, module = self.running[-1]
        kind = type(module).__name__.removeprefix("Parametrized")  # by a weight normalisation
        parts = {name for name, _ in module.named_children()} - {"parametrizations"}
        if not type(module).__module__.startswith("torch.nn") or parts:
            layer, kind = f"{layer}.{operation}".lstrip("."), operation
        return layer or kind, kind

    def _look_up(self, tensor: Tensor, operation: str, layer: str) -> _Known:
        known = self.known.get(id(tensor))
        if known is None:
            how = "made by TorchScript or custom code"
        elif not is_lazy(tensor) and self.written.get(_storage(tensor), 0) > known.time:
            how = "changed through a view of it"
        else:
            return known
        raise ValueError(
            f"every tensor must be made by operations of PyTorch that can be followed, "
            f"got one {how} in {operation!r} (layer {layer!r})"
        )

    def _to_meta(self, tensor: Tensor) -> Tensor:
        """Return a constant from elsewhere as a tensor on the meta device."""
        if tensor.is_meta:
            return tensor
        if id(tensor) not in self.copies:
            meta = tensor.detach().to("meta")
            self.copies[id(tensor)] = tensor, meta
            self.known[id(meta)] = _Known(meta, False, {}, 0)
        return self.copies[id(tensor)][1]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]

"""Receptive field: the input pixels that one value of a layer can depend on.

`grow` and `of` compute the theoretical field, from kernels and strides alone.
`effective_receptive_field` measures how much each pixel really counts.

Source: Araujo, Norris and Sim (2019), "Computing receptive fields of convolutional neural
networks", https://doi.org/10.23915/distill.00021
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class ReceptiveField:
    """The field along one axis: output i sees `size` pixels, the first at start + i * stride.

    A negative start reaches into the padding. The size is that of a value in the middle of a
    large enough image; `pixels` clips it.
    """

    size: int = 1
    stride: int = 1
    start: int = 0
    layer: str = ""

    def after(
        self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> "ReceptiveField":
        """The field once a window slides over the layer that has this one.

        Two neighbours in the window lie `dilation` values apart, and these see pixels
        `self.stride` apart.
        """
        return ReceptiveField(
            size=self.size + (kernel - 1) * dilation * self.stride,
            stride=self.stride * stride,
            start=self.start - padding * self.stride,
        )

    def pixels(self, index: int, image_size: int) -> range:
        """The real pixels, of an image `image_size` long, in the field of output `index`."""
        first = self.start + index * self.stride
        return range(max(first, 0), min(first + self.size, image_size))


Fields = tuple[ReceptiveField, ReceptiveField]  # height, width


def grow(windows: Iterable[Sequence[int]]) -> list[ReceptiveField]:
    """The field after each layer of a chain, from plain numbers.

    Args:
        windows: per layer (kernel, stride, padding, dilation); all but the first may be left out,
            and are then 1, 0 and 1.

    Raises:
        ValueError: if a kernel, stride or dilation is below 1, or a padding below 0.

    >>> lenet = [(5,), (2, 2), (5,), (2, 2), (5,)]  # the last: a dense layer on a 5x5 map
    >>> [field.size for field in grow(lenet)]
    [5, 6, 14, 16, 32]
    """
    fields, field = [], ReceptiveField()
    for window in windows:
        kernel, stride, padding, dilation = (*window, *(1, 0, 1)[len(window) - 1 :])
        if min(kernel, stride, dilation) < 1 or padding < 0:
            raise ValueError(
                "kernel, stride and dilation must be >= 1 and padding >= 0, "
                f"got {(kernel, stride, padding, dilation)}"
            )
        field = field.after(kernel, stride, padding, dilation)
        fields.append(field)
    return fields


def of(
    model: nn.Module, input_shape: tuple[int, int, int], *, axis: str = "height"
) -> list[ReceptiveField]:
    """The field of every layer, in the order of the forward pass.

    Where branches meet, it reaches from the first to the last pixel that any of them sees. A
    dense layer sees what its whole input map sees.

    Args:
        model: called on one image; what it holds stays as it is.
        input_shape: (C, H, W) of the image. It matters for dense and global layers only.
        axis: "height" or "width".

    Raises:
        ValueError: if the axis is another, or a layer has no single field (see `follow`).

    >>> model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.MaxPool2d(2))
    >>> of(model, (1, 32, 32))[1]
    ReceptiveField(size=6, stride=2, start=0, layer='1')
    """
    if axis not in ("height", "width"):
        raise ValueError(f"axis must be 'height' or 'width', got {axis!r}")
    records = []
    steps = trace(model, input_shape)
    for step, fields in zip(steps, follow(steps), strict=True):
        if fields is None:
            raise ValueError(
                "every layer must have one receptive field for all its outputs, "
                f"got none for {step.layer!r} ({step.operation})"
            )
        records.append(replace(fields[axis == "width"], layer=step.layer))
    return records


def effective_receptive_field(model: nn.Module, images: Tensor) -> Tensor:
    """How strongly each pixel moves the central output: mean |gradient|, summing to 1.

    Args:
        model: its output is (B, C', H', W') or (B, K); all channels, or logits, are added up.
        images: (B, C, H, W) float, random or real; the more, the smoother.

    Returns:
        (H, W) float on the CPU.

    Raises:
        ValueError: if no pixel has any influence, or a gradient is not finite.

    Source: Luo, Li, Urtasun and Zemel (2016), "Understanding the effective receptive field in
    deep convolutional neural networks", https://arxiv.org/abs/1701.04128

    >>> share = effective_receptive_field(nn.AvgPool2d(3, stride=1), torch.rand(2, 1, 5, 5))
    >>> round(share[1:4, 1:4].sum().item(), 4)
    1.0
    """
    images = images.detach().clone().requires_grad_()
    with _evaluating(model):
        output = model(images)
    if output.ndim == 4:
        output = output[:, :, output.shape[2] // 2, output.shape[3] // 2]  # (B, C')
    (gradients,) = torch.autograd.grad(output.sum(), images)
    share = gradients.abs().mean(dim=(0, 1)).cpu()  # (H, W)
    total = share.sum().item()
    if not 0 < total < float("inf"):
        raise ValueError(f"the gradients must be finite and not all 0, got a total of {total}")
    return share / total


# How the field of a whole network is found: run it once and watch, then follow the steps.


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
        with _evaluating(model), torch.no_grad(), recorder:
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


def follow(steps: Iterable[Step]) -> list[Fields | None]:
    """The fields (height, width) after each step of a trace.

    None stands where there is no single one: after uneven adaptive pooling, where branches of
    different stride meet, and for operations without a rule.
    """
    found, of_tensor = [], {}
    for step in steps:
        branches = [
            of_tensor.get(id(t), (ReceptiveField(), ReceptiveField())) for t in step.inputs
        ]
        fields, windows = _join(branches), _windows_of(step)
        if fields is not None and windows is not None:
            fields = tuple(f.after(*window) for f, window in zip(fields, windows, strict=True))
        else:
            fields = None
        of_tensor |= {id(tensor): fields for tensor in step.outputs}
        found.append(fields)
    return found


CONSTANTS = {"zeros_like", "ones_like", "empty_like", "new_zeros", "new_ones", "new_empty"}
POINTWISE = {  # an output depends on the inputs at its own place only
    *("relu", "hardtanh", "relu6", "leaky_relu", "tanh", "sigmoid", "gelu", "silu"),
    *("batch_norm", "local_response_norm", "dropout", "dropout2d", "feature_dropout"),
    *("add", "iadd", "radd", "sub", "isub", "mul", "imul", "div", "cat", "contiguous", "clone"),
}
COLLAPSING = {  # an output without height and width depends on every place
    *POINTWISE,
    *("mean", "sum", "amax", "flatten", "view", "reshape", "squeeze"),
    *("linear", "softmax", "log_softmax"),
}


def _windows_of(step: Step) -> list[tuple[int, ...]] | None:
    """The windows (kernel, stride, padding, dilation) in height and width, if there are any."""
    before, after = step.inputs[0].shape[2:], step.outputs[0].shape[2:]
    if step.operation in WINDOWS:
        return WINDOWS[step.operation](*step.args, **step.kwargs)
    if step.operation in COLLAPSING and after.numel() == 1:
        return [(n,) for n in before] or [(1,), (1,)]
    if step.operation in POINTWISE and all(t.shape[2:] == after for t in step.inputs):
        return [(1,), (1,)]
    return None


def _join(branches: list[Fields | None]) -> Fields | None:
    if None in branches:
        return None
    joined = []
    for fields in zip(*branches, strict=True):  # height, then width
        if len({field.stride for field in fields}) > 1:
            return None
        start = min(field.start for field in fields)
        end = max(field.start + field.size for field in fields)
        joined.append(ReceptiveField(end - start, fields[0].stride, start))
    return tuple(joined)


# One rule per function that looks around: PyTorch's own arguments -> two windows (height, width).


def _conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if isinstance(padding, str):
        same = [d * (k - 1) // 2 for d, k in zip(_pair(dilation), weight.shape[2:], strict=True)]
        padding = same if padding == "same" else 0
    return _windows(weight.shape[2:], stride, padding, dilation)


def _max_pool2d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    return _windows(kernel_size, stride or kernel_size, padding, dilation)


def _avg_pool2d(input, kernel_size, stride=None, padding=0, *options, **more):
    return _windows(kernel_size, stride or kernel_size, padding, 1)


def _adaptive_avg_pool2d(input, output_size):
    windows = []
    for n, out in zip(input.shape[2:], _pair(output_size), strict=True):
        out = n if out is None else out
        if n % out:
            return None  # windows of two sizes
        windows.append((n // out, n // out))
    return windows


def _getitem(input, index):
    """Slices such as maps[:, :, ::2, ::2]."""
    index = index if isinstance(index, tuple) else (index,)
    if input.ndim != 4 or not all(isinstance(part, slice) for part in index):
        return None
    height, width = (*index, *[slice(None)] * 4)[2:4]
    slices = [height.indices(input.shape[2]), width.indices(input.shape[3])]
    return [(1, step, -start) for start, _, step in slices]


def _pad(input, pad, mode="constant", value=None):
    if input.ndim != 4 or mode != "constant":
        return None
    left, _, top, *_ = (*pad, 0, 0, 0)  # pairs, from the last axis back
    return [(1, 1, top), (1, 1, left)]


WINDOWS = {
    "conv2d": _conv2d,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "getitem": _getitem,
    "pad": _pad,
}


def _windows(kernel, stride, padding, dilation) -> list[tuple[int, int, int, int]]:
    pairs = [_pair(kernel), _pair(stride), _pair(padding), _pair(dilation)]
    return list(zip(*pairs, strict=True))


def _pair(value) -> tuple:
    pair = (value,) if isinstance(value, int) else tuple(value)
    return pair * 2 if len(pair) == 1 else pair


def _tensors(values: Iterable) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training

"""The shape simulator: a network as text, and what PyTorch makes of it."""

from functools import cache

import torch
from torch import nn

from coursekit import live
from dlvlib.models import build
from dlvlib.profile.summary import Summary, summarize

SEQUENTIAL = {
    "LeNet-5": ("lenet5", 1, 32),
    "AlexNet": ("alexnet", 3, 224),
    "VGG-16": ("vgg16", 3, 224),
}
BRANCHING = {"ResNet-18": ("resnet18", 3, 224), "GoogLeNet": ("googlenet", 3, 224)}
DEFAULTS = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}


def figure() -> live.LiveFigure:
    """Return the figure, with networks of the book and two common mistakes to begin with."""
    lenet = _program("lenet5")
    programs = {
        "LeNet-5": (lenet, [1, 32, 32]),
        "a mistake: LeNet-5 on 28 × 28": (lenet, [1, 28, 28]),
        "a mistake: no Flatten": (lenet.replace("    nn.Flatten(),\n", ""), [1, 32, 32]),
        "a VGG block of your own": (VGG_BLOCK, [3, 32, 32]),
    }
    for title, (name, channels, side) in list(SEQUENTIAL.items())[1:]:
        programs[title] = (_program(name), [channels, side, side])
    entries: list[dict[str, object]] = [
        {"name": title, "text": text, "shape": shape} for title, (text, shape) in programs.items()
    ]
    for title, (name, channels, side) in BRANCHING.items():
        text = f"# {title} has branches, which nn.Sequential cannot say.\n# These are its layers."
        layers = _layers(_summary(name))
        entries.append(
            {"name": title, "text": text, "shape": [channels, side, side], "layers": layers}
        )
    return live.show("shapes", {"programs": entries}, _fallback())


VGG_BLOCK = """nn.Sequential(
    nn.Conv2d(3, 64, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(64, 64, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
)"""


@cache
def _network(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name)


@cache
def _summary(name: str) -> Summary:
    _, channels, side = (SEQUENTIAL | BRANCHING)[_titles()[name]]
    return summarize(_network(name), (channels, side, side))


def _titles() -> dict[str, str]:
    return {name: title for title, (name, *_) in (SEQUENTIAL | BRANCHING).items()}


def _program(name: str) -> str:
    """Return a network without branches as the text of an nn.Sequential."""
    leaves = [layer for layer in _network(name).modules() if not list(layer.children())]
    return "nn.Sequential(\n" + "".join(f"    nn.{_call(layer)},\n" for layer in leaves) + ")"


def _call(layer: nn.Module) -> str:
    """Return the call that makes a layer, without arguments that have their default value."""
    kind = type(layer).__name__
    if isinstance(layer, nn.Conv2d):
        values: list[object] = [layer.in_channels, layer.out_channels, layer.kernel_size[0]]
        options = {key: getattr(layer, key) for key in DEFAULTS}
        named = [
            f"{key}={value[0] if isinstance(value, tuple) else value}"
            for key, value in options.items()
            if value != DEFAULTS[key]
        ]
    elif isinstance(layer, nn.MaxPool2d):
        values = [layer.kernel_size]
        named = [] if layer.stride == layer.kernel_size else [f"stride={layer.stride}"]
    else:
        names = {
            "Linear": ("in_features", "out_features"),
            "BatchNorm2d": ("num_features",),
            "AdaptiveAvgPool2d": ("output_size",),
            "Dropout": ("p",),
        }
        values, named = [getattr(layer, key) for key in names.get(kind, ())], []
    return f"{kind}({', '.join([*map(str, values), *named])})"


def _layers(summary: Summary) -> list[dict[str, object]]:
    return [
        {
            "name": f"{layer.name} ({layer.kind})",
            "shape": layer.output_shape,
            "params": layer.params,
            "macs": layer.macs,
            "bytes": layer.output_bytes,
            "field": layer.receptive_field,
        }
        for layer in summary.layers
    ]


def _fallback() -> str:
    rows = []
    for title, (name, channels, side) in (SEQUENTIAL | BRANCHING).items():
        found = _summary(name)
        image = f"{channels} × {side} × {side}"
        counts = [f"{n:,}" for n in (len(found.layers), found.params, found.macs)]
        rows.append([title, image, *counts, f"{found.output_bytes / 1e6:.1f} MB"])
    header = ["network", "image", "layers", "parameters", "MACs", "outputs in float32"]
    return live.table("Networks of the book, for one image", header, rows)

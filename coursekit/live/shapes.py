"""The shape simulator: a network as text, and what PyTorch makes of it."""

from functools import cache
from html import escape
from typing import Any

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

Programs = dict[str, tuple[str, list[int]]]  # title: the text, and the shape of an image
Hints = list[tuple[str, tuple[int, ...] | None, str]]  # see `hintFor` in shapes.js


def figure(first: str = "LeNet-5") -> live.LiveFigure:
    """Return the figure, with networks of the book and two mistakes; `first` is shown first."""
    lenet = _program("lenet5")
    programs: Programs = {
        "LeNet-5": (lenet, [1, 32, 32]),
        "a mistake: LeNet-5 on 28 × 28": (lenet, [1, 28, 28]),
        "a mistake: no Flatten": (lenet.replace("    nn.Flatten(),\n", ""), [1, 32, 32]),
        "a VGG block of your own": (VGG_BLOCK, [3, 32, 32]),
    }
    for title, (name, channels, side) in list(SEQUENTIAL.items())[1:]:
        programs[title] = (_program(name), [channels, side, side])
    if first not in programs:
        raise ValueError(f"first must be one of {', '.join(programs)}, got {first!r}")
    entries = _entries(programs)
    entries.sort(key=lambda entry: entry["name"] != first)
    for title, (name, channels, side) in BRANCHING.items():
        text = f"# {title} has branches, which nn.Sequential cannot say.\n# These are its layers."
        entry = {"name": title, "text": text, "shape": [channels, side, side]}
        entries.append(entry | {"layers": _layers(_summary(name, channels, side))})
    return live.show("shapes", {"programs": entries}, _fallback())


def exercise(programs: Programs, hints: Hints) -> live.LiveFigure:
    """Return the figure with the programs of an exercise; where one stops, it gives a hint."""
    fallback = ""
    for title, (text, shape) in programs.items():
        outcome = escape(f"{title}, for an image of {shape}: {_outcome(text, shape)}")
        fallback += f"<pre>{escape(text)}</pre><p>{outcome}</p>"
    words = "".join(f"<li>{escape(hint)}</li>" for hint in dict.fromkeys(h[-1] for h in hints))
    fallback += f"<p>Hints for the line at which it stops:</p><ul>{words}</ul>"
    return live.show("shapes", {"programs": _entries(programs), "hints": hints}, fallback)


def _entries(programs: Programs) -> list[dict[str, Any]]:
    return [
        {"name": title, "text": text, "shape": shape} for title, (text, shape) in programs.items()
    ]


def _outcome(text: str, shape: list[int]) -> str:
    """Return what PyTorch makes of a program: the shape of its output, or its own sentence."""
    try:
        with torch.device("meta"):
            network = eval(text, {"nn": nn})
        with torch.no_grad():  # the meta device has other sentences
            output = network.to_empty(device="cpu")(torch.zeros(1, *shape))
    except (RuntimeError, ValueError, TypeError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return f"it gives {list(output.shape[1:])}"


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
def _summary(name: str, channels: int, side: int) -> Summary:
    return summarize(_network(name), (channels, side, side))


def _program(name: str) -> str:
    """Return a network without branches as the text of an nn.Sequential."""
    leaves = [layer for layer in _network(name).modules() if not list(layer.children())]
    return "nn.Sequential(\n" + "".join(f"    nn.{_call(layer)},\n" for layer in leaves) + ")"


def _call(layer: nn.Module) -> str:
    """Return the call that makes a layer, without arguments that have their default value."""
    kind = type(layer).__name__
    if isinstance(layer, nn.Conv2d):
        values: list[object] = [layer.in_channels, layer.out_channels, layer.kernel_size[0]]
        changed = {k: v for k in DEFAULTS if (v := getattr(layer, k)) != DEFAULTS[k]}
        named = [f"{k}={v[0] if isinstance(v, tuple) else v}" for k, v in changed.items()]
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
        found = _summary(name, channels, side)
        image = f"{channels} × {side} × {side}"
        counts = [f"{n:,}" for n in (len(found.layers), found.params, found.macs)]
        if name == "alexnet":
            title = "AlexNet of the lecture, 10 classes"
        rows.append([title, image, *counts, f"{found.output_bytes / 1e6:.1f} MB"])
    header = ["network", "image", "layers", "parameters", "MACs", "outputs in float32"]
    return live.table("Networks of the book, for one image", header, rows)

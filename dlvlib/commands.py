"""The commands of ``python -m dlvlib``; their arguments are parsed in `dlvlib.__main__`.

Each returns its result twice: for programs (it becomes JSON) and for people. Each imports what it
needs, so that ``--help`` does not wait for torch.
"""

from argparse import Namespace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from dlvlib._common import table, times

if TYPE_CHECKING:
    from torch import nn

    from dlvlib.data import ImageSet

PACKAGES = ("torchvision", "numpy", "scikit-learn", "matplotlib")
Result = tuple[Any, str]


def models(options: Namespace) -> Result:
    """Every network with its parameters."""
    from dlvlib.models import MODELS

    records: list[dict[str, Any]] = []
    rows = [("name", "params", "input")]
    for name in MODELS:
        model, shape = _build(name)
        params = sum(parameter.numel() for parameter in model.parameters())
        records.append({"name": name, "params": params, "input_shape": shape})
        rows.append((name, f"{params:,}", times(shape)))
    return records, "\n".join(table(rows, num_left=1))


def summary(options: Namespace) -> Result:
    """The cost of each layer of a network."""
    from dlvlib.profile.summary import SUMS, summarize

    table = summarize(*_build(options.name, options.input, options.classes))
    record = {
        "title": table.title,
        "layers": [{**vars(x), "output_bytes": x.output_bytes} for x in table.layers],
        "total": {name: getattr(table, name) for name in SUMS},
        "unused_params": table.unused_params,
    }
    return record, str(table)


def receptive_field(options: Namespace) -> Result:
    """The receptive field of each layer of a network."""
    from dlvlib.profile.receptive_field import follow
    from dlvlib.profile.summary import shown_pair
    from dlvlib.profile.trace import trace

    steps = trace(*_build(options.name, options.input, options.classes))
    records: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = [("layer", "kind", "size", "stride", "start")]
    for step, fields in zip(steps, follow(steps), strict=True):
        pairs: dict[str, Any] = {}  # of height and width, None where undefined
        for key in ("size", "stride", "start"):
            pairs[key] = fields and tuple(getattr(field, key) for field in fields)
        records.append({"layer": step.layer, "kind": step.kind, **pairs})
        rows.append((step.layer, step.kind, *map(shown_pair, pairs.values())))
    return records, "\n".join(table(rows, num_left=2))


def classify(options: Namespace) -> Result:
    """What a trained network sees in each picture; one that cannot be read is an error."""
    from dlvlib import data as sets
    from dlvlib.models import pretrained

    records: list[dict[str, Any]] = []
    lines: list[str] = []
    for picture in options.pictures:
        lines.append(picture)
        try:
            guesses = pretrained.classify(picture, options.top, name=options.model)
        except (sets.CorruptFileError, OSError) as error:
            records.append({"picture": picture, "error": str(error)})
            lines.append(f"    error: {error}")
            options.status = 2  # the other pictures are classified all the same
            continue
        records.append({"picture": picture, "classes": dict(guesses)})
        lines += [f"    {prob:6.1%}  {name}" for name, prob in guesses]
    return records, "\n".join(lines)


def data(options: Namespace) -> Result:
    """Number, size, classes and checksums of the images of a data set."""
    from dlvlib.data import load

    train, test = load(options.name, root=options.root)
    parts = {"train": _describe(train), "test": _describe(test)}
    lines = [train.name]
    for part, facts in parts.items():
        lines += [
            f"{part}: {facts['images']:,} images, {times(facts['shape'])} uint8, "
            f"{len(facts['per_class'])} classes",
            *(f"    {label}: {count:,}" for label, count in facts["per_class"].items()),
            f"    sha256 {facts['checksum']}",
        ]
    return {"name": train.name, **parts}, "\n".join(lines)


def _describe(dataset: "ImageSet") -> dict[str, Any]:
    counts = dataset.targets.bincount(minlength=dataset.num_classes).tolist()
    return {
        "images": len(dataset),
        "shape": tuple(dataset.images.shape[1:]),
        "per_class": dict(zip(dataset.class_names, counts, strict=True)),
        "checksum": dataset.checksum,
    }


def report(options: Namespace) -> Result:
    """What a bug report should hold; it names neither the host nor a folder."""
    from dlvlib import data as sets
    from dlvlib import runtime

    machine = runtime.describe_machine()
    versions = {name: machine.pop(name) for name in ("dlvlib", "python", "torch")}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "missing"
    record = {
        "versions": versions,
        "device": str(runtime.choose_device()),
        "machine": machine,
        "data": {name: _checksums(name, options.root) for name in sets.NAMES},
    }
    lines: list[str] = []
    for title, value in record.items():
        facts = value if isinstance(value, dict) else {"auto": value}
        lines += [title, *(f"    {key}: {value}" for key, value in facts.items())]
    return record, "\n".join(lines)


def _checksums(name: str, root: str | None) -> str:
    """The checksums of a data set, or why they are missing; nothing is downloaded."""
    from dlvlib.data import CorruptFileError, DownloadError, load

    try:
        train, test = load(name, root=root, download=False)
    except DownloadError:
        return "not on this disk"
    except (CorruptFileError, OSError):
        return f"damaged: `python -m dlvlib data {name}` prints the file"
    return f"train {train.checksum}, test {test.checksum}"


def _build(
    name: str, shape: tuple[int, int, int] | None = None, num_classes: int | None = None
) -> tuple["nn.Module", tuple[int, int, int]]:
    """A network that has shapes but no values, and the shape of its images."""
    import torch

    from dlvlib.models import CIFAR_DEPTHS, build

    with torch.device("meta"):
        model = build(name, num_classes=num_classes, in_channels=shape and shape[0])
    if shape is None:
        for_32 = {f"{kind}{depth}" for kind in ("plain", "resnet") for depth in CIFAR_DEPTHS}
        for_32 |= {"lenet5", "alexnet_small", "vgg_small", "googlenet_small"}
        size = 32 if name in for_32 else 299 if name == "xception" else 224
        shape = (next(model.parameters()).shape[1], size, size)
    return model, shape

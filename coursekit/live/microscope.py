"""The figure of chapter 4: LeNet-5 with its trained weights, in the page."""

from itertools import pairwise

import torch
from torch import Tensor

from coursekit import live
from dlvlib import data, results

VARIANTS = {  # of experiment 10: how the page calls its weights
    "lecture": "trained as in the lecture",
    "varied": "trained on shifted, turned, thick and thin digits",
}
SCANS_PER_CLASS = 2


def figure() -> live.LiveFigure:
    """Return the figure, with the recorded weights of experiment 10 and scans of scikit-learn."""
    records = results.load("drawn_digits")
    networks, targets = [], []
    for variant, name in VARIANTS.items():
        record = records.of(variant)[0]
        weights = records.weights(record)
        targets = weights.pop("held_out.targets").tolist()
        features = (127 * weights.pop("held_out.features")).round()  # were in [-1, 1]
        networks.append(
            {
                "name": name,
                "features": live.encode(features.numpy(), "i1"),
                "parameters": encode_parameters(weights),
                "temperature": record["temperature"],
            }
        )
    values = {"networks": networks, "targets": targets, "scans": _scans()}
    return live.show("microscope", values, _fallback(records))


def encode_parameters(weights: dict[str, Tensor]) -> str:
    """Return all values in the order of the network's layers, as half-precision floats."""
    keys = [f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")]
    return live.encode(torch.cat([weights[key].flatten() for key in keys]).numpy(), "<f2")


LAYERS = ("features.0", "features.3", "head.1", "head.3", "head.5")


def _scans() -> list[dict[str, object]]:
    """Return the first test scans of each class, 64 whole numbers from 0 to 16 each."""
    _, test = data.load("digits")
    chosen = [(test.targets == digit).nonzero()[:SCANS_PER_CLASS, 0] for digit in range(10)]
    scans = test.subset(torch.cat(chosen))
    pixels = (scans.images.flatten(1) / (255 / 16)).round().int()
    return [
        {"digit": digit, "pixels": values}
        for digit, values in zip(scans.targets.tolist(), pixels.tolist(), strict=True)
    ]


def _fallback(records: results.Records) -> str:
    """Return the layers, and how often either network fails, as tables."""
    shapes = ["1 × 32 × 32", "6 × 28 × 28", "6 × 14 × 14", "16 × 10 × 10", "16 × 5 × 5", "120"]
    shapes += ["84", "10"]
    names = ["C1", "S2", "C3", "S4", "C5", "F6", "output"]
    sees = [5, 6, 14, 16, 32, 32, 32]
    rows = [
        [name, before, after, f"{size} × {size}"]
        for name, (before, after), size in zip(names, pairwise(shapes), sees, strict=True)
    ]
    header = ["layer", "reads", "gives", "a unit sees, of the 32 × 32 pixels"]
    steps = live.table("From a drawn digit to ten logits", header, rows)
    runs = {name: records.of(variant) for variant, name in VARIANTS.items()}
    errors = []
    for condition in records.of("lecture")[0]["conditions"]:
        cells = [
            f"{sum(r['conditions'][condition]['wrong'] for r in some) / len(some) / 100:.1f}"
            for some in runs.values()
        ]
        errors.append([condition, *cells])
    total = records[0]["dataset"]["num_test"]
    caption = (
        f"Errors in % of {total:,} test scans of MNIST, mean of {len(records.of('lecture'))} seeds"
    )
    return steps + live.table(caption, ["test scans", *runs], errors)

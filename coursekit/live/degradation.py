"""The curves of degradation: 164 epochs of four networks, and the short training beside them."""

from typing import Any

import numpy as np

from coursekit import live
from dlvlib import results

NETWORKS = {  # variant: title, family of its colour
    "plain20": ("plain-20", "vgg"),
    "plain56": ("plain-56", "vgg"),
    "resnet20": ("ResNet-20", "resnet"),
    "resnet56": ("ResNet-56", "resnet"),
}
PARTS = ("train", "val")
AT_EPOCHS = (1, 8, 82, 123, 164)  # of the fallback


def figure() -> live.LiveFigure:
    """Return the figure, with the records of both lengths."""
    networks: list[dict[str, Any]] = [
        {
            "name": title,
            "family": family,
            "isThick": variant.endswith("56"),
            "long": _errors("full", variant),
            "short": _errors("laptop", variant),
        }
        for variant, (title, family) in NETWORKS.items()
    ]
    rows = []
    for network in networks:
        for part, name in zip(PARTS, ("training", "test"), strict=True):
            long, short = network["long"][part], network["short"][part]
            cells = [f"{long[epoch - 1] / 100:.2f}" for epoch in AT_EPOCHS]
            rows.append([f"{network['name']}, {name}", *cells, f"{short[-1] / 100:.2f}"])
    header = ["error (%)", *(f"epoch {epoch} of 164" for epoch in AT_EPOCHS), "epoch 8 of 8"]
    caption = (
        "Error on CIFAR-10, JPEG copy: one long run of each network, and the mean of three short "
        "ones. The learning rate falls after epochs 82 and 123 of 164, and after 4 and 6 of 8"
    )
    return live.show("degradation", {"networks": networks}, live.table(caption, header, rows))


def _errors(budget: str, variant: str) -> dict[str, list[int]]:
    """Return the error after each epoch, mean over the runs, in hundredths of a percent."""
    histories = [run["history"] for run in results.load("degradation", budget).of(variant)]
    return {
        part: [
            round(1e4 * (1 - float(np.mean([epoch[f"{part}_top1"] for epoch in epochs]))))
            for epochs in zip(*histories, strict=True)
        ]
        for part in PARTS
    }

"""A laboratory with error bars: the page trains two recipes with many seeds each."""

import math
from typing import Any

import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional as F

from coursekit import live
from dlvlib import data

RECIPES = {  # what the fields of A and B hold at first
    "lr": ["0.05", "0.05"],
    "momentum": ["0.9", "0.9"],
    "batch": ["32", "32"],
    "width": ["8", "8"],
    "activation": ["ReLU", "tanh"],
    "initialisation": ["He", "He"],
    "decay": ["0", "0"],
    "augmentation": ["none", "none"],
    "images": ["500", "500"],
    "epochs": ["5"],
    "seed": ["0"],
}
NUM_SEEDS = 10


def figure() -> live.LiveFigure:
    """Return the figure, with the digits of scikit-learn, 8 x 8 pixels of one byte each."""
    train, test = scans()
    values: dict[str, Any] = {
        name: {
            "pixels": live.encode(part.images.numpy(), "u1"),
            "targets": live.encode(part.targets.numpy(), "u1"),
        }
        for name, part in (("train", train), ("test", test))
    }
    values["texts"] = RECIPES
    return live.show("laboratory", values, _fallback(train, test))


def scans() -> tuple[data.ImageSet, data.ImageSet]:
    """Return training scans in an order drawn once, and test scans: a part is its beginning."""
    train, test = data.load("digits")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    return train.subset(order), test


def final_accuracies(train: data.ImageSet, test: data.ImageSet, recipe: int) -> Tensor:
    """Train `NUM_SEEDS` networks of recipe 0 or 1 side by side; return test accuracies in percent.

    The networks are groups of one: a convolution in `NUM_SEEDS` groups, a batched product.
    """
    chosen = {key: (texts * 2)[recipe] for key, texts in RECIPES.items()}  # one text is for both
    activation = {"ReLU": torch.relu, "tanh": torch.tanh}[chosen["activation"]]
    draw = torch.Generator().manual_seed(recipe)
    seeds, width, count = NUM_SEEDS, int(chosen["width"]), int(chosen["images"])

    def he(fan_in: int, *shape: int) -> Tensor:
        return (torch.randn(*shape, generator=draw) * math.sqrt(2 / fan_in)).requires_grad_()

    weights = [
        he(9, seeds * width, 1, 3, 3),
        he(9 * width, seeds * 2 * width, width, 3, 3),
        he(8 * width, seeds, 8 * width, 10),
    ]
    biases = [torch.zeros(w.shape[0], requires_grad=True) for w in weights[:2]]
    biases.append(torch.zeros(seeds, 1, 10, requires_grad=True))

    def logits(images: Tensor) -> Tensor:  # (B, seeds, 8, 8) -> (seeds, B, 10)
        maps = images
        for weight, bias in zip(weights[:2], biases[:2], strict=True):
            maps = activation(F.conv2d(maps, weight, bias, padding=1, groups=seeds))
            maps = F.max_pool2d(maps, 2)
        features = maps.reshape(len(images), seeds, -1).transpose(0, 1)
        return torch.baddbmm(biases[2], features, weights[2])

    lr, momentum = float(chosen["lr"]), float(chosen["momentum"])
    optimizer = torch.optim.SGD([*weights, *biases], lr=lr, momentum=momentum)
    pixels = train.images[:, 0] / 255
    batch = int(chosen["batch"])
    for _ in range(int(chosen["epochs"])):
        orders = torch.rand(count, seeds, generator=draw).argsort(dim=0)
        for start in range(0, count, batch):
            rows = orders[start : start + batch]  # (B, seeds)
            losses = F.cross_entropy(
                logits(pixels[rows]).flatten(0, 1),
                train.targets[rows.T].flatten(),
                reduction="sum",
            )
            optimizer.zero_grad()
            (losses / len(rows)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        images = (test.images / 255).expand(-1, seeds, -1, -1)
        right = logits(images).argmax(dim=2) == test.targets
    return 100 * right.double().mean(dim=1)


def _fallback(train: data.ImageSet, test: data.ImageSet) -> str:
    """Return what PyTorch makes of the two recipes, as a table."""
    finals = [final_accuracies(train, test, recipe) for recipe in (0, 1)]
    means = [float(values.mean()) for values in finals]
    spreads = [float(values.std()) for values in finals]
    bound = stats.t.ppf(0.975, 2 * NUM_SEEDS - 2)
    half = bound * math.sqrt(sum(spread**2 for spread in spreads) / NUM_SEEDS)
    names = [f"{name}, {RECIPES['activation'][i]}" for i, name in enumerate("AB")]
    rows = [
        [name, f"{mean:.1f} %", f"{spread:.1f}"]
        for name, mean, spread in zip(names, means, spreads, strict=True)
    ]
    difference = means[1] - means[0]
    ends = f"{difference - half:.1f} to {difference + half:.1f}".replace("-", "−")
    rows.append([f"B − A, 95 % t interval {ends}", f"{difference:.1f}".replace("-", "−"), ""])
    settings = ", ".join(
        f"{key} {texts[0]}" for key, texts in RECIPES.items() if key not in ("activation", "seed")
    )
    caption = (
        f"Two recipes that differ in the activation, {NUM_SEEDS} networks each, trained by "
        f"PyTorch on {train.images.shape[-1]} × {train.images.shape[-1]} digits ({settings})"
    )
    return live.table(caption, ["recipe", "test accuracy, mean", "standard deviation"], rows)

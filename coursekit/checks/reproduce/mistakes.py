"""Repeat a recorded run: the right way, and the usual wrong ones with their hints."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache, partial
from typing import Any

import torch

from coursekit.checks.engine.functions import call
from dlvlib import runtime, training
from dlvlib.data import ImageSet
from dlvlib.models import build

Record = Mapping[str, Any]


def rerun(
    record: Record,
    train: ImageSet,
    test: ImageSet,
    *,
    is_seeded: bool = True,
    config: Callable[[Record], training.TrainConfig | None] = (
        lambda record: training.TrainConfig.from_dict(record["config"])
    ),
) -> tuple[float, float]:
    """Train as the record describes and return top-1 accuracy and loss on the test images.

    Mistakes: no seed (or one after the network is built), another `config`, no training.
    """
    if is_seeded:
        runtime.set_seed(record["seed"])
    model = build(record["model"])
    if chosen := config(record):
        training.fit(model, train, None, chosen)
    result = training.evaluate(model, test)
    return result.top1, result.loss


def draw_run(generator: torch.Generator) -> tuple[dict[str, Any], ImageSet, ImageSet]:
    """The record of a tiny run, and a few images to repeat it on."""
    _warm_up()
    seed, batch_size = torch.randint(5, 9, (2,), generator=generator).tolist()
    lr = 0.2 + 0.1 * torch.rand((), generator=generator).item()
    record = _make_record(seed, num_epochs=2, batch_size=batch_size, lr=lr, momentum=0.9)
    return record, _images(20, generator), _images(30, generator)


def _make_record(seed: int, **recipe: Any) -> dict[str, Any]:
    config = training.TrainConfig(seed=seed + 1, device="cpu", **recipe)
    metrics = {"test_top1": 0.5, "test_loss": 1.5}
    return {"model": "lenet5", "seed": seed, "config": asdict(config), "metrics": metrics}


def _images(count: int, generator: torch.Generator) -> ImageSet:
    """Noise on squares that are the same for a class, so that a few steps change the loss."""
    targets = torch.arange(count) % 10
    squares = torch.randint(0, 256, (10, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    noise = torch.randint(0, 256, (count, 1, 32, 32), generator=generator)
    pixels = (3 * squares.kron(torch.ones(8, 8, dtype=torch.long))[targets] + noise) // 4
    return ImageSet(pixels.to(torch.uint8), targets, tuple("0123456789"), "squares")


@cache
def _warm_up() -> None:
    """Train once: torch then loads what must not count against a student's time limit."""
    images = _images(2, torch.Generator().manual_seed(0))
    rerun(_make_record(0, num_epochs=1), images, images)


def observe_run(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it with torch's generator in a fixed state, so that a forgotten seed is seen."""
    torch.manual_seed(20)
    return call(function, *arguments)


RERUN_MISTAKES: dict[Callable[..., Any], str] = {
    partial(rerun, is_seeded=False): "The network starts from other weights: set the seed of the "
    "record before it is built.",
    lambda record, train, test: rerun({**record, "seed": 0}, train, test): "The seed is always 0; "
    "take the one of the record.",
    lambda record, *images: rerun(
        {**record, "seed": record["config"]["seed"]}, *images
    ): "The seed of the config orders the images; set that of the record, which draws the "
    "weights.",
    partial(rerun, config=lambda record: training.TrainConfig(seed=record["seed"])): "It trains "
    "with the default recipe; the record holds the one to use.",
    partial(rerun, config=lambda record: None): "The network is measured before any training.",
    lambda record, train, test: tuple(record["metrics"].values()): "Those are the recorded "
    "numbers. Train the network and measure them again.",
    lambda record, train, test: rerun(record, train, train): "It is measured on the images that "
    "it was trained on.",
    lambda record, train, test: rerun(record, test, test): "It trains on the test images.",
    lambda *arguments: rerun(*arguments)[::-1]: "The order is accuracy, then loss.",
    lambda *arguments: (100 * rerun(*arguments)[0], rerun(*arguments)[1]): "The accuracy is a "
    "percentage; give a fraction.",
    lambda *arguments: rerun(*arguments)[0]: "Return the loss too.",
}

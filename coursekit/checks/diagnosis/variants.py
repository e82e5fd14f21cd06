"""Learning curves to be diagnosed, and functions of curves, right ones and wrong ones."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import mean

import torch

from coursekit.checks.engine.functions import draw_int

KINDS = ("overfitting", "underfitting", "stopped too soon", "healthy")


def learning_curves(student: int) -> tuple[list[float], list[float]]:
    """Return (training losses, validation losses) of 16 epochs, from a formula, for a student."""
    generator = _generator(student)
    kind = diagnosis(student)
    shake = torch.rand(2, generator=generator).tolist()
    epochs = range(16)
    if kind == "overfitting":
        rate = 3 + 2 * shake[0]
        train = [2.2 * math.exp(-t / rate) for t in epochs]
        val = [1.3 + 0.9 * math.exp(-t / 2) + 0.012 * (1 + shake[1]) * t**2 / 2 for t in epochs]
    elif kind == "underfitting":
        level = 1.9 + 0.2 * shake[0]
        train = [level + 0.3 * math.exp(-t / 1.5) for t in epochs]
        val = [loss + 0.03 + 0.05 * shake[1] for loss in train]
    elif kind == "stopped too soon":
        train = [0.3 + 2 * math.exp(-t / (12 + 6 * shake[0])) for t in epochs]
        val = [loss + 0.05 + 0.002 * t for t, loss in zip(epochs, train, strict=True)]
    else:
        train = [0.12 + 0.1 * shake[0] + 2 * math.exp(-t / 1.8) for t in epochs]
        val = [loss + 0.03 + 0.03 * shake[1] for loss in train]
    noise = (0.02 * torch.rand(len(val), generator=generator) - 0.01).tolist()
    val = [loss + error for loss, error in zip(val, noise, strict=True)]
    return [round(loss, 2) for loss in train], [round(loss, 2) for loss in val]


def diagnosis(student: int) -> str:
    """Which of `KINDS` the curves of a student number show."""
    return KINDS[draw_int(_generator(student), 0, len(KINDS) - 1)]


TREATMENTS = ("A", "B", "C", "D", "E")
CHANGES = {  # what a treatment does: (added to the whole curve, factor of the climb, epochs)
    "both": (-0.3, 0.4, 16),
    "lower": (-0.25, 1.4, 16),
    "flatter": (0.25, 0.3, 16),
    "longer": (0.0, 1.0, 24),
    "chance": (-0.03, 1.05, 16),  # less than the seeds differ by
}
LEVELS = torch.tensor([[-0.04], [0.0], [0.04]])  # what each seed adds to its curve


def treatments(student: int) -> dict[str, str]:
    """Which of `CHANGES` each letter of `TREATMENTS` hides from a student."""
    order = torch.randperm(len(CHANGES), generator=_generator(student)).tolist()
    names = list(CHANGES)
    return {letter: names[i] for letter, i in zip(TREATMENTS, order, strict=True)}


def treated_curves(student: int) -> dict[str, list[list[float]]]:
    """Return the validation losses of three seeds, with each treatment and with none.

    They come from a formula. "none" overfits. A seed shakes in the same way under each treatment,
    so what only goes on for longer begins with the very curve of "none". Their levels differ, and
    come in the other order with the treatment that does next to nothing.
    """
    generator = _generator(student)
    level, climb = torch.rand(2, generator=generator).tolist()
    shakes = 0.04 * torch.rand((3, 24), generator=generator) - 0.02
    found = {}
    for name, change in {"none": "none", **treatments(student)}.items():
        shift, factor, count = CHANGES.get(change, (0.0, 1.0, 16))
        epochs = torch.arange(count)
        rise = factor * 0.005 * (1 + climb) * epochs**2
        smooth = 1.2 + 0.3 * level + shift + 0.9 * torch.exp(-epochs / 2) + rise
        levels = LEVELS.flip(0) if change == "chance" else LEVELS
        losses = (smooth + levels + shakes[:, :count]).double()
        found[name] = losses.round(decimals=2).tolist()
    return found


def _generator(student: int) -> torch.Generator:
    return torch.Generator().manual_seed(student % 2**64)  # what torch takes


def best_epoch(
    val_losses: Sequence[float], patience: int, *, shift: int = 0, take_equal: bool = False
) -> int:
    """The epoch that is kept, counted from 1, as `dlvlib.training` chooses it.

    Mistakes: waiting `shift` epochs longer, and taking an equal loss for a better one.
    """
    best = 1
    for epoch, loss in enumerate(val_losses, start=1):
        lowest = val_losses[best - 1]
        if loss < lowest or (take_equal and loss == lowest):
            best = epoch
        if epoch - best >= patience + shift:
            break
    return best


def last_epoch(val_losses: Sequence[float], patience: int) -> int:
    """The epoch after which training stops."""
    return min(best_epoch(val_losses, patience) + patience, len(val_losses))


def against_the_epoch_before(val_losses: Sequence[float], patience: int) -> int:
    """Stops after `patience` epochs in a row that are each no better than the one before."""
    bad, seen = 0, [val_losses[0]]
    for before, loss in pairwise(val_losses):
        seen.append(loss)
        bad = bad + 1 if loss >= before else 0
        if bad >= patience:
            break
    return 1 + seen.index(min(seen))


def draw_curve(generator: torch.Generator) -> tuple[list[float], int]:
    """A random curve of 1 to 25 epochs, rounded so that values are equal at times; a patience."""
    count = draw_int(generator, 1, 25)
    steps = torch.randn(count, generator=generator).cumsum(0) / 5 + 3
    return [round(loss, 1) for loss in steps.tolist()], draw_int(generator, 1, 5)


def gap(train_losses: Sequence[float], val_losses: Sequence[float]) -> float:
    """Validation loss minus training loss at the epoch with the lowest validation loss."""
    best = val_losses.index(min(val_losses))
    return val_losses[best] - train_losses[best]


def draw_pair(generator: torch.Generator) -> tuple[list[float], list[float]]:
    """Random (training losses, validation losses) of 3 to 19 epochs."""
    count = draw_int(generator, 3, 19)
    train = torch.rand(count, generator=generator) + 0.5
    return train.tolist(), (torch.rand(count, generator=generator) + 1).tolist()


Curves = Sequence[Sequence[float]]  # one curve for each seed


def low_and_rise(curves: Curves, *, origin: int | None = None) -> tuple[float, float]:
    """Mean of the lowest losses, and mean rise from there (or from epoch `origin`) to the end."""
    rises = [curve[-1] - (min(curve) if origin is None else curve[origin]) for curve in curves]
    return mean(map(min, curves)), mean(rises)


def effects(case: Curves, remedy: Curves, *, origin: int | None = None) -> tuple[float, float]:
    """How a remedy changes the lowest point and the rise after it: remedy minus case."""
    before, after = low_and_rise(case, origin=origin), low_and_rise(remedy, origin=origin)
    return after[0] - before[0], after[1] - before[1]


def mean_curve(curves: Curves) -> list[list[float]]:
    """The mean over the seeds, as the curve of one seed."""
    return [[mean(losses) for losses in zip(*curves, strict=True)]]


def draw_effects(generator: torch.Generator) -> tuple[list[list[float]], list[list[float]]]:
    """Random validation losses: 2 to 4 seeds of the case and of a remedy."""
    seeds, epochs = draw_int(generator, 2, 4), draw_int(generator, 4, 9)
    case, remedy = (torch.rand((2, seeds, epochs), generator=generator) + 1).tolist()
    return case, remedy

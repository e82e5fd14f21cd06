"""What changes from step to step: the learning rate, and the seeds of the random numbers.

Both are functions of the position in the run alone, so that a run that was
interrupted needs to remember only its position.
"""

import math

import numpy as np

from dlvlib.training.config import TrainConfig

START_DIVISOR, END_DIVISOR = 25, 25e4  # of one_cycle: from lr / 25 to lr / 250,000


def epoch_seeds(seed: int, epoch: int) -> list[int]:
    """Return three seeds for an epoch: the order of the images, dropout, and augmentation.

    NumPy mixes the pair, because torch's CPU generator reads only the lowest 32 bits of a seed.
    """
    return [int(word) for word in np.random.SeedSequence((seed, epoch)).generate_state(3)]


def learning_rate(step: int, total_steps: int, config: TrainConfig) -> float:
    """Return the learning rate of a step: a function of the step alone.

    The warm-up rises linearly and reaches `lr` with its last step. Then "constant" stays,
    "cosine" falls along half a cosine towards 0 at `total_steps`, and "step" divides by ten at
    each milestone, a fraction of the steps rounded up. "one_cycle" rises along half a cosine from
    lr / 25 to `lr`, which it reaches at the fraction `peak` of the steps, and falls along another
    to almost nothing. Steps count from 0 over the whole run.

    Raises:
        ValueError: if step is not in [0, total_steps), or the warm-up leaves no step after it.

    Source: one_cycle after Smith and Topin (2018), "Super-convergence",
        https://arxiv.org/abs/1708.07120, with the constants of torch's OneCycleLR.
    """
    warmup = config.warmup_steps
    if not 0 <= step < total_steps:
        raise ValueError(f"step must be in [0, {total_steps}), got {step}")
    if warmup >= total_steps:
        raise ValueError(f"warmup_steps must be below the {total_steps} steps, got {warmup}")
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.schedule == "cosine":
        progress = (step - warmup) / (total_steps - warmup)  # in [0, 1)
        return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
    if config.schedule == "step":
        # round first: 0.55 * 100 is 55.00000000000001
        drops = [math.ceil(round(fraction * total_steps, 6)) for fraction in config.milestones]
        return config.lr * 0.1 ** sum(step >= drop for drop in drops)
    if config.schedule == "one_cycle":
        top = config.peak * total_steps - 1  # the step of the highest rate
        if step < top:
            return _half_cosine(config.lr / START_DIVISOR, config.lr, step / top)
        progress = (step - top) / (total_steps - 1 - top)
        return _half_cosine(config.lr, config.lr / END_DIVISOR, progress)
    return config.lr


def learning_rates(total_steps: int, config: TrainConfig) -> list[float]:
    """Return the learning rate of every step of a run."""
    return [learning_rate(step, total_steps, config) for step in range(total_steps)]


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))

"""What changes from step to step: the learning rate, and the seeds of the random numbers.

Both are functions of the position in the run and nothing else, so that a run that was
interrupted needs to remember only where it was.
"""

import math

import numpy as np
import torch

from dlvlib.training.config import TrainConfig

START_DIVISOR, END_DIVISOR = 25, 25e4  # of one_cycle: lr / 25 at first, lr / 250,000 at last


def epoch_seeds(seed: int, epoch: int) -> list[int]:
    """Return two seeds for an epoch: one for the order of the images, one for dropout.

    NumPy mixes the pair, because torch's CPU generator reads only the lowest 32 bits of a seed.
    """
    return np.random.SeedSequence((seed, epoch)).generate_state(2).tolist()


def step_generator(seed: int, epoch: int, step: int) -> torch.Generator:
    """Return the generator that augments one batch; it depends on nothing that came before."""
    mixed = np.random.SeedSequence((seed, epoch, step)).generate_state(1).item()
    return torch.Generator().manual_seed(mixed)


def learning_rate(step: int, total_steps: int, config: TrainConfig) -> float:
    """Return the learning rate of a step: a function of the step and nothing else.

    The warm-up rises linearly and reaches `lr` with its last step. Then "constant" stays,
    "cosine" falls along half a cosine towards 0 at `total_steps`, and "step" divides by ten at
    each milestone. "one_cycle" rises along half a cosine from lr / 25 to `lr`, which it reaches
    at the fraction `peak` of the steps, and falls along another to almost nothing. Steps count
    from 0 over the whole run.

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
        passed = sum(step >= milestone * total_steps for milestone in config.milestones)
        return config.lr * 0.1**passed
    if config.schedule == "one_cycle":
        top = config.peak * total_steps - 1  # the step of the highest rate
        if step < top:
            return _half_cosine(config.lr / START_DIVISOR, config.lr, step / top)
        progress = (step - top) / (total_steps - 1 - top)
        return _half_cosine(config.lr, config.lr / END_DIVISOR, progress)
    return config.lr


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))

"""Take turns, compare within a round, and decide nothing when the machine was busy."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from dlvlib._common import write_atomically
from dlvlib.runtime import set_seed

Variant = Callable[[nn.Module], None]
FLOOR, LECTURE, FIT = "compute floor", "lecture's loop", "dlvlib.training.fit"
RESULTS = Path(__file__).parent / "results"
MAX_TIMES_FLOOR = 1.05  # what `fit` promises on a CPU
MAX_SPREAD = 1.25  # slowest over fastest round of the floor; beyond it the machine was busy
MIN_ROUNDS = 3  # fewer decide nothing


class StepClock:
    """Notes when each training step of a model begins; evaluation does not count."""

    def __init__(self, model: nn.Module) -> None:
        self.starts: list[float] = []
        self._hook = model.register_forward_pre_hook(self._tick)

    def _tick(self, model: nn.Module, _: tuple[Tensor, ...]) -> None:
        if model.training:
            self.starts.append(time.perf_counter())

    def ms_per_step(self, name: str, steps: int) -> float:
        """Return the mean from the first step to the last, so without setting up and closing.

        Raises:
            RuntimeError: if the variant took more or fewer steps than the others.
        """
        self._hook.remove()
        if len(self.starts) != steps:
            raise RuntimeError(f"{name} must take {steps} steps, got {len(self.starts)}")
        return (self.starts[-1] - self.starts[0]) * 1000 / (steps - 1)


@dataclass
class Timing:
    """What one variant did, round by round."""

    ms_per_step: list[float] = field(default_factory=list)
    setup_ms: list[float] = field(default_factory=list)  # of a call, all that is no step
    weights: list[Tensor] = field(default_factory=list)  # after each round, flat


def time_in_turns(
    build: Callable[[], nn.Module], variants: dict[str, Variant], steps: int, rounds: int
) -> dict[str, Timing]:
    """Train with every variant in each of the rounds, after one round that warms up."""
    timings = {name: Timing() for name in variants}
    names = list(variants)
    for turn in range(rounds + 1):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:  # no variant always comes first
            set_seed(turn)
            model = build()
            clock = StepClock(model)
            start = time.perf_counter()
            variants[name](model)
            total = (time.perf_counter() - start) * 1000
            ms = clock.ms_per_step(name, steps)
            if turn > 0:
                timings[name].ms_per_step.append(ms)
                timings[name].setup_ms.append(total - ms * steps)
                state = [t.detach().double().flatten() for t in model.state_dict().values()]
                timings[name].weights.append(torch.cat(state))
    return timings


def summarise(timings: dict[str, Timing], missing: dict[str, str]) -> list[dict]:
    """Return one row per variant; ratios are taken within a round, then the median of them.

    `weight_difference` is the largest distance of a weight or running average from that of the
    lecture's loop, over all rounds; the floor learns something else and has none.
    """
    floor, lecture = timings[FLOOR], timings[LECTURE]
    rows: list[dict] = []
    for name, timing in timings.items():
        pairs = zip(timing.weights, lecture.weights, strict=True)
        difference = max((a - b).abs().max().item() for a, b in pairs)
        rows.append(
            {
                "variant": name,
                "ms_per_step": median(timing.ms_per_step),
                "times_floor": ratio(timing.ms_per_step, floor.ms_per_step),
                "speedup_over_lecture": ratio(lecture.ms_per_step, timing.ms_per_step),
                "setup_ms": median(timing.setup_ms),
                "weight_difference": None if name == FLOOR else difference,
            }
        )
    return rows + [{"variant": name, "missing": reason} for name, reason in missing.items()]


def ratio(values: list[float], others: list[float]) -> float:
    """Return how many times as long as the others, round by round; the median of that."""
    return median(a / b for a, b in zip(values, others, strict=True))


def spread(values: list[float]) -> float:
    """Return slowest over fastest; 1 is a perfectly quiet machine."""
    return max(values) / min(values)


def judge(rows: list[dict], floor: list[float], min_speedup: float | None) -> dict[str, str]:
    """Return each promise of `fit` with "met", "missed", or "unknown" for a noisy measurement."""
    ours = next(row for row in rows if row["variant"] == FIT)
    kept = {f"fit at most {MAX_TIMES_FLOOR:.2f} x floor": ours["times_floor"] <= MAX_TIMES_FLOOR}
    if min_speedup is not None:
        promise = f"fit at least {min_speedup:.2f} x as fast as the lecture's loop"
        kept[promise] = ours["speedup_over_lecture"] >= min_speedup
    return {promise: verdict(yes, floor) for promise, yes in kept.items()}


def verdict(kept: bool, floor: list[float]) -> str:
    """Return "met" or "missed"; "unknown" where the rounds of the floor are too few or differ."""
    if len(floor) < MIN_ROUNDS or spread(floor) > MAX_SPREAD:
        return "unknown"
    return "met" if kept else "missed"


def table(rows: list[dict]) -> str:
    """Return the rows as text; a variant that could not run gives its reason."""
    lines = [
        f"{'variant':<25} {'ms/step':>8} {'x floor':>8} {'speed-up':>9} {'set-up ms':>10}  weights"
    ]
    for row in rows:
        if "missing" in row:
            lines.append(f"{row['variant']:<25} not measured ({row['missing']})")
            continue
        lines.append(
            f"{row['variant']:<25} {row['ms_per_step']:8.2f} {row['times_floor']:8.2f} "
            f"{row['speedup_over_lecture']:9.2f} {row['setup_ms']:10.0f}  {_agreement(row)}"
        )
    return "\n".join(lines)


def _agreement(row: dict) -> str:
    difference = row["weight_difference"]
    if difference is None:
        return "-"
    return "equal" if difference == 0 else f"within {difference:.0e}"


def save(name: str, result: dict, folder: Path | None) -> None:
    """Write the result as JSON; a trial of too few rounds never replaces a recorded one."""
    if folder is None and result["rounds"] < MIN_ROUNDS:
        print("a trial: nothing was written")
        return
    path = (folder or RESULTS) / f"{name}.json"
    write_atomically(path, json.dumps(result, indent=1).encode() + b"\n")

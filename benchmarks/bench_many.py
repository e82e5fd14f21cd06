"""Do several seeds at once pay? `fit_many` against one `fit` after the other, taking turns.

python benchmarks/bench_many.py          # a minute; on the scanned digits of scikit-learn
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import nn

from dlvlib.data import ImageSet, load
from dlvlib.models.lenet import LeNet5
from dlvlib.runtime import describe_machine
from dlvlib.training import TrainConfig, fit, fit_many
from timing import MIN_ROUNDS, spread, write

RESULTS = Path(__file__).parent / "results"
SEEDS = tuple(range(8))


def mlp() -> nn.Module:
    """Two dense layers on 32 x 32 pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))


CASES: dict[str, tuple[Callable[[], nn.Module], int]] = {  # name: network, batch size
    "two dense layers, batch 10": (mlp, 10),
    "two dense layers, batch 100": (mlp, 100),
    "LeNet-5, batch 10": (LeNet5, 10),
    "LeNet-5, batch 100": (LeNet5, 100),
}


def one_by_one(build: Callable, train: ImageSet, config: TrainConfig) -> None:
    """Train the seeds one after the other."""
    for seed in SEEDS:
        torch.manual_seed(seed)
        fit(build(), train, None, TrainConfig(**{**vars(config), "seed": seed}))


def measure(build: Callable, batch_size: int, train: ImageSet, rounds: int) -> dict:
    """Time both ways in turns, after a round that warms up; ratios are taken within a round."""
    config = TrainConfig(num_epochs=1, batch_size=batch_size, lr=0.01, progress=False)
    ways = {
        "separate": lambda: one_by_one(build, train, config),
        "together": lambda: fit_many(build, SEEDS, train, None, config),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name in sorted(ways, reverse=bool(turn % 2)):
            start = time.perf_counter()
            ways[name]()
            if turn > 0:
                seconds[name].append(time.perf_counter() - start)
    pairs = zip(seconds["separate"], seconds["together"], strict=True)
    return {
        "seconds_separate": median(seconds["separate"]),
        "seconds_together": median(seconds["together"]),
        "speedup": median(a / b for a, b in pairs),
        "spread": spread(seconds["separate"]),
    }


def main(arguments: list[str] | None = None) -> int:
    """Time all cases, print the table, write the JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="batches per round; all of them when left out")
    parser.add_argument("--results", type=Path, help="folder for the JSON")
    options = parser.parse_args(arguments)
    train, _ = load("digits", image_size=32)
    rows = {}
    for name, (build, batch_size) in CASES.items():
        images = len(train) if options.steps is None else options.steps * batch_size
        part = train.subset(torch.arange(min(images, len(train))))
        rows[name] = measure(build, batch_size, part, options.rounds)
        row = rows[name]
        print(
            f"{name:<28} {len(SEEDS)} seeds: one by one {row['seconds_separate']:6.2f} s, "
            f"at once {row['seconds_together']:6.2f} s, speed-up {row['speedup']:.2f}"
        )
    machine = describe_machine()
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    if options.results is None and options.rounds < MIN_ROUNDS:
        print("a trial: nothing was written")
        return 0
    result = {"seeds": len(SEEDS), "rounds": options.rounds, "rows": rows, "machine": machine}
    write((options.results or RESULTS) / "many_digits.json", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())

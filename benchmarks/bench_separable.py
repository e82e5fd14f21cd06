"""Do fewer multiplications take less time? A convolution against its separable form, alternating.

python benchmarks/bench_separable.py          # a minute; random maps, forward pass only

One thread, and the time of the processor: waiting for other programs does not count.
"""

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from torch import nn

from dlvlib.models.blocks import SeparableConv2d
from dlvlib.profile import cost
from dlvlib.runtime import describe_machine, set_seed
from timing import save, spread

BATCH_SIZE = 8


@dataclass(frozen=True)
class Case:
    """A layer with as many output as input channels, on square maps that keep their size."""

    channels: int
    kernel_size: int
    map_size: int


CASES = (  # the last three are the lecture's table, with 1024 for its 1028
    Case(64, 3, 56),
    Case(512, 3, 14),
    Case(1024, 3, 14),
    Case(1024, 5, 14),
)


def make_layers(case: Case) -> dict[str, nn.Module]:
    """Return the convolution, its separable form, and the two steps of that form alone."""
    options = {"padding": case.kernel_size // 2, "bias": False}
    separable = SeparableConv2d(case.channels, case.channels, case.kernel_size, **options)
    return {
        "convolution": nn.Conv2d(case.channels, case.channels, case.kernel_size, **options),
        "separable": separable,
        "depthwise": separable.depthwise,
        "pointwise": separable.pointwise,
    }


def count_macs(case: Case) -> dict[str, int]:
    """Return the multiply-accumulates of each layer for one image."""
    maps, size = (case.channels, case.map_size, case.map_size), case.kernel_size
    options = {"padding": size // 2, "bias": False}
    return {
        "convolution": cost.conv2d(maps, case.channels, size, **options).macs,
        "separable": cost.depthwise_separable(maps, case.channels, size, **options).macs,
        "depthwise": cost.conv2d(maps, case.channels, size, **options, groups=maps[0]).macs,
        "pointwise": cost.conv2d(maps, case.channels, 1, bias=False).macs,
    }


@torch.no_grad()
def measure(case: Case, steps: int, rounds: int) -> dict:
    """Time the layers in turn, after a round that warms up; ratios are taken within a round."""
    set_seed(0)
    layers, macs = make_layers(case), count_macs(case)
    maps = torch.randn(BATCH_SIZE, case.channels, case.map_size, case.map_size)
    ms: dict[str, list[float]] = {name: [] for name in layers}
    for turn in range(rounds + 1):
        for name in sorted(layers, reverse=bool(turn % 2)):
            start = time.process_time()
            for _ in range(steps):
                layers[name](maps)
            if turn > 0:
                ms[name].append((time.process_time() - start) * 1000 / steps)
    pairs = zip(ms["convolution"], ms["separable"], strict=True)
    return {
        **asdict(case),
        "macs": macs,
        "ms_per_batch": {name: median(values) for name, values in ms.items()},
        "fewer_macs": macs["convolution"] / macs["separable"],
        "speedup": median(a / b for a, b in pairs),
        "spread": spread(ms["convolution"]),
    }


def main(arguments: list[str] | None = None) -> int:
    """Time all cases, print the table, write the JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=1, help="forward passes per round")
    parser.add_argument("--results", type=Path, help="folder for the JSON")
    options = parser.parse_args(arguments)
    rows = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for case in CASES:
        row = measure(case, options.steps, options.rounds)
        rows.append(row)
        times = row["ms_per_batch"]
        print(
            f"{case.channels:5} channels, {case.kernel_size}x{case.kernel_size} on "
            f"{case.map_size}x{case.map_size}: convolution {times['convolution']:7.2f} ms, "
            f"separable {times['separable']:6.2f} ms; {row['fewer_macs']:5.2f} x fewer MACs, "
            f"{row['speedup']:5.2f} x as fast"
        )
    machine = describe_machine()
    torch.set_num_threads(threads)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    result = {
        "batch_size": BATCH_SIZE,
        "steps": options.steps,
        "rounds": options.rounds,
        "rows": rows,
        "machine": machine,
    }
    save("separable", result, options.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

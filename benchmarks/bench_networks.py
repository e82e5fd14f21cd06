"""How long does one forward pass take? Every network of the book, and separable convolutions.

    python benchmarks/bench_networks.py          # two minutes; random weights and images

One thread, and the time of the processor: waiting for other programs does not count.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
from torch import nn

from dlvlib.models import build
from dlvlib.models.blocks import SeparableConv2d
from dlvlib.profile import cost, receptive_field
from dlvlib.profile.summary import summarize
from dlvlib.runtime import describe_machine, set_seed
from timing import ratio, save, spread

ALEXNET_2014 = {"num_classes": 1000, "widths": [64, 192, 384, 256, 256], "batch_norm": False}
NETWORKS: dict[str, tuple[str, dict, list[int]]] = {  # model, options, image
    "LeNet-5": ("lenet5", {}, [1, 32, 32]),
    "AlexNet, 2012": ("alexnet_2012", {}, [3, 224, 224]),
    "AlexNet, 2014": ("alexnet", ALEXNET_2014, [3, 224, 224]),
    "VGG-16": ("vgg16", {}, [3, 224, 224]),
    "GoogLeNet": ("googlenet", {}, [3, 224, 224]),
    "ResNet-50": ("resnet50", {"stride_at": "3x3"}, [3, 224, 224]),
    "ResNet-152": ("resnet152", {"stride_at": "3x3"}, [3, 224, 224]),
    "ResNet-20": ("resnet20", {}, [3, 32, 32]),
    "ResNet-56": ("resnet56", {}, [3, 32, 32]),
    "Xception": ("xception", {}, [3, 299, 299]),
    "MobileNet": ("mobilenet_v1", {}, [3, 224, 224]),
    "MobileNet, half": ("mobilenet_v1", {"width": 0.5}, [3, 224, 224]),
    "EfficientNet-Lite0": ("efficientnet_lite0", {}, [3, 224, 224]),
}
BATCH_SIZE = 8  # of the separable convolutions
MEMORY = {  # settings of glibc, read when a process starts; other C libraries ignore them
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31)},
    "fresh": {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"},
}


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


@torch.inference_mode()
def time_calls(
    calls: dict[str, Callable[[], object]], rounds: int, steps: int = 1
) -> dict[str, list[float]]:
    """Return the CPU milliseconds of each call, round by round, after one that warms up."""
    ms: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name in sorted(calls, reverse=bool(turn % 2)):
            start = time.process_time()
            for _ in range(steps):
                calls[name]()
            if turn > 0:
                ms[name].append((time.process_time() - start) * 1000 / steps)
    return ms


def describe(name: str, model: str, options: dict, image: list[int]) -> dict:
    """Return what a network is and costs; the receptive field is that of its last maps."""
    with torch.device("meta"):
        net = build(model, **options)
    summary = summarize(net, tuple(image))
    return {
        "network": name,
        "model": model,
        "options": options,
        "image": image,
        "params": summary.params,
        "macs": summary.macs,
        "receptive_field": receptive_field.of(net.features, tuple(image))[-1].size,
    }


def measure_networks(rounds: int) -> list[dict]:
    """Return one row per network."""
    set_seed(0)
    ms = time_calls(
        {
            name: partial(build(model, **options).eval(), torch.randn(1, *shape))
            for name, (model, options, shape) in NETWORKS.items()
        },
        rounds,
    )
    return [
        {
            **describe(name, *NETWORKS[name]),
            "ms_per_image": median(ms[name]),
            "spread": spread(ms[name]),
        }
        for name in NETWORKS
    ]


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


def measure_layers(cases: Sequence[Case], steps: int, rounds: int) -> list[dict]:
    """Return a row per case: a convolution against its separable form, both with each memory.

    Where an output goes matters. *Kept*: to memory that an earlier one has left. *Fresh*: to
    memory that the system must clear first, page by page. What PyTorch does by itself lies
    between, and depends on what the process did before; so each memory has a process of its own.
    """
    times = {}
    for memory, settings in MEMORY.items():
        with (
            patch.dict(os.environ, settings),
            ProcessPoolExecutor(1, get_context("spawn")) as pool,
        ):
            times[memory] = pool.submit(time_layers, cases, steps, rounds).result()
    rows = []
    for number, case in enumerate(cases):
        macs = count_macs(case)
        row = asdict(case) | {"macs": macs, "fewer_macs": macs["convolution"] / macs["separable"]}
        rows.append(row | {memory: times[memory][number] for memory in MEMORY})
    return rows


def time_layers(cases: Sequence[Case], steps: int, rounds: int) -> list[dict]:
    """Return the times of each case on one thread; ratios are within a round."""
    torch.set_num_threads(1)
    found = []
    for case in cases:
        set_seed(0)
        maps = torch.randn(BATCH_SIZE, case.channels, case.map_size, case.map_size)
        calls = {name: partial(layer, maps) for name, layer in make_layers(case).items()}
        calls["copy"] = maps.clone  # as many values in and out as the depthwise step, no MAC
        ms = time_calls(calls, rounds, steps)
        found.append(
            {
                "ms_per_batch": {name: median(values) for name, values in ms.items()},
                "speedup": ratio(ms["convolution"], ms["separable"]),
                "spread": spread(ms["convolution"]),
            }
        )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Time all networks and layers, print a line each, write two JSON; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=1, help="passes of a layer per round")
    parser.add_argument("--results", type=Path, help="folder for the JSON")
    options = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        networks = measure_networks(options.rounds)
        layers = measure_layers(CASES, options.steps, options.rounds)
        machine = describe_machine()
    finally:
        torch.set_num_threads(threads)
    for row in networks:
        time_ms, slowest = row["ms_per_image"], row["spread"]
        print(f"{row['network']:20} {time_ms:8.2f} ms, slowest over fastest {slowest:.1f}")
    for case, row in zip(CASES, layers, strict=True):
        size, side = case.kernel_size, case.map_size
        print(f"{case.channels} channels, {size}x{size} on {side}x{side}:", end=" ")
        print(f"{row['fewer_macs']:.2f} x fewer MACs")
        for memory in MEMORY:
            times, speedup = row[memory]["ms_per_batch"], row[memory]["speedup"]
            print(f"   memory {memory}: convolution {times['convolution']:.2f} ms,", end=" ")
            print(f"separable {times['separable']:.2f} ms, {speedup:.2f} x as fast")
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    common = {"rounds": options.rounds, "machine": machine}
    save("networks", common | {"rows": networks}, options.results)
    sizes = {"batch_size": BATCH_SIZE, "steps": options.steps}
    save("separable", common | sizes | {"rows": layers}, options.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

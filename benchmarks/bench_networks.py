"""How long does one image take? Every network of the book, in turns, on one thread of a CPU.

python benchmarks/bench_networks.py          # a minute; random weights, forward pass only

The time is that of the processor, so that waiting for other programs does not count.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from dlvlib.models import build
from dlvlib.profile import receptive_field
from dlvlib.profile.summary import summarize
from dlvlib.runtime import describe_machine, set_seed
from timing import save, spread

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


@torch.inference_mode()
def measure(networks: dict[str, tuple[str, dict, list[int]]], rounds: int) -> list[dict]:
    """Return one row per network; a first round warms up and is not counted."""
    set_seed(0)
    models: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {}
    for name, (model, options, _) in networks.items():
        models[name] = build(model, **options).eval()
    ms: dict[str, list[float]] = {name: [] for name in networks}
    for turn in range(rounds + 1):
        for name, (_, _, shape) in networks.items():
            image = torch.randn(1, *shape)
            start = time.process_time()
            models[name](image)
            if turn > 0:
                ms[name].append((time.process_time() - start) * 1000)
    return [
        {
            **describe(name, *networks[name]),
            "ms_per_image": median(ms[name]),
            "spread": spread(ms[name]),
        }
        for name in networks
    ]


def main(arguments: list[str] | None = None) -> int:
    """Time all networks, print the table, write the JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--results", type=Path, help="folder for the JSON")
    options = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = measure(NETWORKS, options.rounds)
        machine = describe_machine()
    finally:
        torch.set_num_threads(threads)
    for row in rows:
        time_ms, slowest = row["ms_per_image"], row["spread"]
        print(f"{row['network']:20} {time_ms:8.2f} ms, slowest over fastest {slowest:.1f}")
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    save("networks", {"rounds": options.rounds, "rows": rows, "machine": machine}, options.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

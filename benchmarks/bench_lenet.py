"""What does the data path cost? LeNet-5 on MNIST, trained in four ways that take turns.

Run ``python benchmarks/bench_lenet.py``; it takes about a minute. MNIST is read from the folder
named by DLV_DATA. Without it, random images of the same shape go through the same steps.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Resize, ToTensor

from dlvlib.models.lenet import LeNet5
from dlvlib.runtime import describe_machine, set_seed
from dlvlib.training import TrainConfig, fit

BATCH_SIZE, LR = 100, 0.01
MAX_TIMES_FLOOR, MIN_SPEEDUP = 1.10, 1.70  # what `fit` promises
MAX_SPREAD = 1.25  # slowest over fastest round of the floor; beyond it the machine was busy
RESULTS = Path(__file__).parent / "results"


class RandomScans(Dataset):
    """Stands in for torchvision's MNIST: decodes and transforms one random image at a time."""

    def __init__(self, count: int, transform: Callable) -> None:
        generator = torch.Generator().manual_seed(0)
        self.data = torch.randint(256, (count, 28, 28), dtype=torch.uint8, generator=generator)
        self.targets = torch.randint(10, (count,), generator=generator)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.data[index].numpy())
        return self.transform(image), int(self.targets[index])


def load(count: int) -> tuple[str, Dataset]:
    """Return what the data is, and the first `count` images as the lecture reads them."""
    transform = Compose([ToTensor(), Resize((32, 32))])
    try:
        mnist = MNIST(os.environ["DLV_DATA"], train=True, transform=transform)
    except KeyError:
        return "random images (DLV_DATA is not set)", RandomScans(count, transform)
    except RuntimeError:
        return "random images (no MNIST in DLV_DATA)", RandomScans(count, transform)
    return "MNIST", Subset(mnist, range(count))


def step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, targets: Tensor):
    """Take one optimisation step; return the loss and the logits it started from."""
    optimizer.zero_grad()
    logits = model(images)
    loss = nn.functional.cross_entropy(logits, targets)
    loss.backward()
    optimizer.step()
    return loss, logits


def train_floor(model: nn.Module, images: Tensor, targets: Tensor, steps: int) -> None:
    """Compute only: the same resident batch again and again, nothing measured."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    for _ in range(steps):
        step(model, optimizer, images, targets)


def train_with_loader(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Train for one epoch as the lecture does: a loader, and two numbers fetched at each step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    losses, accuracies = [], []
    model.train()
    for images, targets in batches:
        loss, logits = step(model, optimizer, images, targets)
        losses.append(loss.item())
        accuracies.append((logits.argmax(dim=1) == targets).float().mean().item())
        _ = np.mean(losses), np.mean(accuracies)  # the running averages it reports


def time_in_turns(
    variants: dict[str, Callable[[nn.Module], None]], steps: int, rounds: int
) -> dict[str, list[float]]:
    """Return ms per step of each variant in each round, after one round that warms up."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for turn in range(rounds + 1):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:  # nobody always comes first
            set_seed(turn)
            model = LeNet5()
            start = time.perf_counter()
            variants[name](model)
            times[name].append((time.perf_counter() - start) * 1000 / steps)
    return {name: values[1:] for name, values in times.items()}


def summarise(times: dict[str, list[float]]) -> list[dict[str, str | float]]:
    """Return one row per variant; ratios are taken within a round, then the median of them."""
    floor, lecture = times["compute floor"], times["lecture's loop"]
    return [
        {
            "variant": name,
            "ms_per_step": median(values),
            "times_floor": median(a / b for a, b in zip(values, floor, strict=True)),
            "speedup_over_lecture": median(b / a for a, b in zip(values, lecture, strict=True)),
        }
        for name, values in times.items()
    ]


def main() -> None:
    """Time the variants, print the table, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="per variant and round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data_name, lecture_data = load(options.steps * BATCH_SIZE)

    start = time.perf_counter()
    images = torch.stack([image for image, _ in lecture_data])  # (N, 1, 32, 32) in [0, 1]
    targets = torch.tensor([target for _, target in lecture_data])
    preparing = time.perf_counter() - start
    pixels = SimpleNamespace(images=(images * 255).round().to(torch.uint8), targets=targets)
    config = TrainConfig(num_epochs=1, batch_size=BATCH_SIZE, lr=LR, device="cpu", progress=False)
    lecture_loader = DataLoader(lecture_data, batch_size=BATCH_SIZE, shuffle=True)
    tensor_loader = DataLoader(TensorDataset(images, targets), BATCH_SIZE, shuffle=True)
    batch = images[:BATCH_SIZE].clone(), targets[:BATCH_SIZE].clone()

    variants = {
        "compute floor": lambda model: train_floor(model, *batch, options.steps),
        "dlvlib.training.fit": lambda model: fit(model, pixels, None, config),
        "loop on a TensorDataset": lambda model: train_with_loader(model, tensor_loader),
        "lecture's loop": lambda model: train_with_loader(model, lecture_loader),
    }
    times = time_in_turns(variants, options.steps, options.rounds)
    rows = summarise(times)
    report(data_name, rows, times, preparing, options)


def report(data_name, rows, times, preparing, options) -> None:
    """Print the table and write the JSON; random data never overwrites a run on MNIST."""
    machine = describe_machine() | {"torchvision": torchvision.__version__}
    print(f"LeNet-5 on {data_name}, batch {BATCH_SIZE}, float32, CPU, no loader workers;")
    print(f"median of {options.rounds} rounds of {options.steps} steps, variants in turns\n")
    print(f"{'variant':<25} {'ms/step':>8} {'x floor':>8} {'speed-up':>9}")
    for row in rows:
        name, ms, ratio, speedup = row.values()
        print(f"{name:<25} {ms:8.2f} {ratio:8.2f} {speedup:9.2f}")
    floor = times["compute floor"]
    spread = max(floor) / min(floor)
    quiet = spread <= MAX_SPREAD
    ours = next(row for row in rows if row["variant"] == "dlvlib.training.fit")
    promises = {
        f"fit at most {MAX_TIMES_FLOOR:.2f} x floor": ours["times_floor"] <= MAX_TIMES_FLOOR,
        f"fit at least {MIN_SPEEDUP:.2f} x as fast as the lecture's loop": (
            ours["speedup_over_lecture"] >= MIN_SPEEDUP
        ),
    }
    print(f"\nfloor: slowest round {spread:.2f} x the fastest", end="")
    print("" if quiet else f" (over {MAX_SPREAD}: the machine was busy, nothing is decided)")
    for promise, kept in promises.items():
        print(f"{('met' if kept else 'MISSED') if quiet else 'unknown':<7} {promise}")
    print(f"\n{', '.join(f'{key} {value}' for key, value in machine.items())}")

    path = RESULTS / ("lenet_mnist.json" if data_name == "MNIST" else "lenet_random.json")
    result = {
        "data": data_name,
        "batch_size": BATCH_SIZE,
        "steps": options.steps,
        "rounds": options.rounds,
        "rows": rows,
        "floor_spread": spread,
        "promises": promises if quiet else "unknown: the machine was busy",
        "ms_per_step_of_each_round": times,
        "seconds_to_prepare_the_tensors": preparing,
        "machine": machine,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()

"""How fast do the CIFAR ResNets train on this GPU, and what do compilation and bf16 bring?

    python benchmarks/bench_gpu.py resnet20        # or several; without a name, all three

Needs a CUDA GPU; without one it prints so and ends. Each network trains with `dlvlib.training.fit`
on random images that lie on the GPU. After each epoch the floor takes its turn: as many steps on
one batch, computed in the same way, with nothing measured.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from itertools import product
from statistics import median
from types import SimpleNamespace

import torch
from torch.nn import functional as F

from dlvlib import models
from dlvlib.runtime import describe_machine, set_seed
from dlvlib.training import TrainConfig, fit
from timing import save, spread

BATCH_SIZE, STEPS, ROUNDS = 128, 200, 5
NETWORKS = ("resnet20", "resnet56", "resnet110")
PRECISIONS = ("float32", "bf16")
MODES = {"eager": "none", "compiled": "default", "graphs": "reduce-overhead"}
SGD = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}


def make_floor(network: str, precision: str, mode: str, device: str) -> Callable[[int], float]:
    """Return a function that takes so many steps on one batch and returns the seconds."""
    model = models.build(network).to(device, memory_format=torch.channels_last)
    forward = model if mode == "none" else torch.compile(model, mode=mode)
    optimizer = torch.optim.SGD(model.parameters(), **SGD, fused=True)
    images = torch.rand(BATCH_SIZE, 3, 32, 32, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    targets = torch.randint(10, (BATCH_SIZE,), device=device)

    def run(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                logits = forward(images)
            loss = F.cross_entropy(logits.float(), targets)
            loss.backward()
            optimizer.step()
        next(model.parameters()).sum().item()  # waits for the last step
        return time.perf_counter() - start

    run(10)  # compiles and warms up
    return run


def measure(network: str, precision: str, mode: str, device: str = "cuda") -> dict:
    """Return the speed of `fit` and of its floor, as medians over the rounds."""
    set_seed(0)
    images = torch.randint(256, (STEPS * BATCH_SIZE, 3, 32, 32), dtype=torch.uint8)
    data = SimpleNamespace(images=images, targets=torch.randint(10, (len(images),)))
    run_floor, floor = make_floor(network, precision, mode, device), []
    options = {"precision": precision, "compile": mode, "channels_last": True, "device": device}
    epochs = ROUNDS + 1  # the first one warms up
    config = TrainConfig(
        num_epochs=epochs, batch_size=BATCH_SIZE, progress=False, **SGD, **options
    )
    model = models.build(network)
    history = fit(model, data, None, config, on_epoch=lambda _: floor.append(run_floor(STEPS)))
    seconds, floor = history.column("seconds")[1:], floor[1:]
    return {
        "images_per_second": STEPS * BATCH_SIZE / median(seconds),
        "seconds_per_1000_iterations": 1000 / STEPS * median(seconds),
        "times_floor": median(a / b for a, b in zip(seconds, floor, strict=True)),
        "floor_spread": spread(floor),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure every combination, print the table, and write one JSON per network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="by default all three")
    networks = parser.parse_args(arguments).networks
    if not torch.cuda.is_available():
        print("no CUDA GPU here: nothing to measure, no file written")
        return 0
    warnings.filterwarnings("error", "compile=")  # never time eager training as something else
    machine = describe_machine() | {"cuda": torch.version.cuda}
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print("network    format  mode      images/s  s/1000 it   x floor  x eager")
    for network in networks:
        rows = []
        for precision, (name, mode) in product(PRECISIONS, MODES.items()):
            torch.compiler.reset()  # each combination is compiled by itself
            row = {"precision": precision, "mode": name} | measure(network, precision, mode)
            rows.append(row)
            eager = next(r for r in rows if (r["precision"], r["mode"]) == (precision, "eager"))
            row["times_eager"] = row["images_per_second"] / eager["images_per_second"]
            print(
                f"{network:<10} {precision:<7} {name:<8} {row['images_per_second']:9.0f} "
                f"{row['seconds_per_1000_iterations']:10.2f} {row['times_floor']:9.2f} "
                f"{row['times_eager']:8.2f}",
                flush=True,
            )
        sizes = {"batch_size": BATCH_SIZE, "steps": STEPS, "rounds": ROUNDS}
        result = {"network": network} | sizes | {"rows": rows, "machine": machine}
        save(f"{network}_gpu", result, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

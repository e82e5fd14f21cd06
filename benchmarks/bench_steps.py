"""What does a training step cost beside the same step with nothing around it?

    python benchmarks/bench_steps.py               # or the names of networks

On a CUDA GPU: the floor, which is the whole step (crop and flip, forward, backward, optimizer)
compiled and replayed as one CUDA graph, against `fit` in each of its ways; then several seeds in
as many processes against one after the other. Without a GPU it prints so, and measures the floor
and `fit` on the CPU. The images are random: what they show takes no time. It needs torch, NumPy
and tqdm, of any recent version, and no installation. Its GPU rows have not run on a GPU yet.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this dlvlib, installed or not

import torch
from torch.nn import functional as F

import processes
from dlvlib import models
from dlvlib.runtime import describe_machine, scale_pixels, set_seed
from dlvlib.training import TrainConfig, captured, predict
from dlvlib.training.augment import Batches, gather
from dlvlib.training.checkpoint import Checkpoint, TrainState
from dlvlib.training.distributed import Processes
from dlvlib.training.loop import train_epoch, train_step
from dlvlib.training.precision import autocast, choose_precision, make_optimizer, prepare_forward
from timing import ratio, save, spread, verdict

CIFAR_SGD = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "crop_padding": 4, "flip": True}
EPOCH_STEPS = 391  # of CIFAR-10
WARM_UP = 10  # steps of the floor


@dataclass(frozen=True)
class Case:
    """A network with its images and its recipe."""

    network: str
    shape: tuple[int, int, int] = (3, 32, 32)
    recipe: dict[str, Any] = field(default_factory=lambda: {"batch_size": 128} | CIFAR_SGD)

    def config(self, device: torch.device, **options: Any) -> TrainConfig:
        """Return the recipe, in the format that the device computes fast."""
        precision = "bf16" if choose_precision("auto", device) == "bf16" else "float32"
        fixed = {"precision": precision, "channels_last": True, "progress": False}
        return TrainConfig(device=str(device), **fixed | self.recipe | options)

    def build(self, device: torch.device) -> torch.nn.Module:
        """Return the network, always with the same weights."""
        set_seed(0)
        model = models.build(self.network, in_channels=self.shape[0])
        return model.to(device, memory_format=torch.channels_last)

    def images(self, count: int) -> SimpleNamespace:
        """Return random images with random targets."""
        generator = torch.Generator().manual_seed(0)
        shape = (count, *self.shape)
        images = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
        targets = torch.randint(10, (count,), generator=generator)
        return SimpleNamespace(images=images, targets=targets)


CASES = {
    "resnet20": Case("resnet20"),
    "resnet56": Case("resnet56"),
    "lenet5": Case("lenet5", (1, 32, 32), {"batch_size": 100, "lr": 0.01}),  # as on MNIST
}
COMPILED, FLOOR, EAGER = "fit, graph and compiled", "floor", "fit, step by step"
GPU_ROWS = {  # options of `fit`; the first takes workspaces away from graphs that exist already
    "fit, reduce-overhead": {"compile": "reduce-overhead"},
    "fit, graph": {},
    COMPILED: {"compile": "default"},
    EAGER: {"graph": False},
}
CPU_ROWS = {EAGER: {}}
Run = Callable[[], Any]  # takes the steps of a round, and waits for them


def make_floor(case: Case, device: torch.device, steps: int) -> Run:
    """Return the step alone: always the same positions of the epoch, nothing checked or kept."""
    config, data = case.config(device), case.images(steps * case.recipe["batch_size"])
    model = case.build(device)
    forward = torch.compile(model, dynamic=False) if device.type == "cuda" else model
    optimizer = make_optimizer(model.parameters(), config)
    images, targets = data.images.to(device), data.targets.to(device)
    index = torch.arange(config.batch_size, device=device)
    draws = torch.full((5, config.batch_size), config.crop_padding, device=device)
    draws[2] = 0
    sums = torch.zeros(2, dtype=torch.float64, device=device)

    def step() -> None:
        optimizer.zero_grad()
        batch = gather(images, index, draws, config) if config.crop_padding else images[index]
        batch = scale_pixels(batch).contiguous(memory_format=torch.channels_last)
        with autocast(config.precision, device):
            logits = forward(batch)
        wanted = targets[index]
        loss = F.cross_entropy(logits.float(), wanted)
        loss.backward()
        sums[0].add_(loss.detach() * len(wanted))
        sums[1].add_((logits.argmax(1) == wanted).sum())
        optimizer.step()

    if device.type == "cpu":
        return lambda: [step() for _ in range(steps)]
    with captured.on_side_stream(device):
        for _ in range(WARM_UP):
            step()
        graph = captured.capture(step, optimizer)
    assert graph is not None
    return lambda: ([graph.replay() for _ in range(steps)], sums.tolist())


def make_fit(case: Case, device: torch.device, steps: int, rounds: int, options: dict) -> Run:
    """Return the training of `fit`, epoch by epoch, so that it can take turns with others."""
    config = case.config(device, num_epochs=rounds + 1, **options)
    data, model, alone = case.images(steps * config.batch_size), case.build(device), Processes()
    batches = Batches(data, config, device, torch.float32, alone)
    state = TrainState(model, config, device, alone, batches.num_steps)
    forward = prepare_forward(model, config, state.precision, batches)
    graph = captured.prepare(train_step, state, forward, batches)
    file = Checkpoint(None, 0, state, data, None)

    def epoch() -> list[float]:
        train_epoch(state, forward, batches, graph, file)
        sums: list[float] = state.sums.tolist()
        state.epoch, state.step = state.epoch + 1, 0
        state.sums.zero_()
        return sums

    return epoch


def measure(case: Case, device: torch.device, steps: int, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds per step of every row, in every round, after one to warm up."""
    torch.compiler.reset()
    rows = GPU_ROWS if device.type == "cuda" else CPU_ROWS
    runs: dict[str, Run] = {}
    for name, options in rows.items():
        runs[name] = make_fit(case, device, steps, rounds, options)
        runs[name]()  # warms up, and records what it records
    runs[FLOOR] = make_floor(case, device, steps)
    runs[FLOOR]()
    names = [FLOOR, *rows]
    ms: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            runs[name]()
            ms[name].append((time.perf_counter() - start) * 1000 / steps)
    return ms


def time_validation(case: Case, device: torch.device, count: int, rounds: int) -> float:
    """Return the median seconds of a prediction for so many images, which are on the device."""
    model, images = case.build(device), case.images(count).images.to(device)
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        predict(model, images)  # the logits come back, so nothing is under way
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


def summarise(ms: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return one row each: medians, with ratios taken within a round."""
    rows = []
    for name, values in ms.items():
        row = {
            "variant": name,
            "ms_per_step": median(values),
            "times_floor": ratio(values, ms[FLOOR]),
            "speedup_over_eager": ratio(ms[EAGER], values),
            "seconds_per_64000_steps": 64 * median(values),
            "ms_of_each_round": values,
        }
        rows.append(row)
    return rows


def judge(
    network: str, ms: dict[str, list[float]], rows: list[dict[str, Any]], validation: float
) -> dict[str, str]:
    """Return what is promised on an H100 or H200, and whether it is kept.

    Args:
        network: only ResNets have promises.
        ms, rows: of `measure` and `summarise`.
        validation: seconds for a fifth as many images as an epoch has.
    """
    if COMPILED not in ms or not network.startswith("resnet"):
        return {}
    ours = next(row for row in rows if row["variant"] == COMPILED)
    kept = {
        "graph at most 1.10 x floor": ours["times_floor"] <= 1.10,
        "graph at least 3 x as fast as step by step": ours["speedup_over_eager"] >= 3,
    }
    epoch = EPOCH_STEPS * ours["ms_per_step"] / 1000
    kept["validation at most a tenth of an epoch"] = validation <= epoch / 10
    if network == "resnet20":
        kept["64,000 steps under 90 s"] = ours["seconds_per_64000_steps"] < 90
    return {promise: verdict(yes, ms[FLOOR]) for promise, yes in kept.items()}


def table(network: str, rows: list[dict[str, Any]]) -> str:
    """Return the rows as text."""
    lines = [f"{network:<25} {'ms/step':>8} {'x floor':>8} {'x eager':>8} {'64,000 steps':>14}"]
    lines += [
        f"{row['variant']:<25} {row['ms_per_step']:8.3f} {row['times_floor']:8.2f} "
        f"{row['speedup_over_eager']:8.2f} {row['seconds_per_64000_steps']:12.0f} s"
        for row in rows
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the tables, and write one JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(CASES)}; by default all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="per row and round")
    parser.add_argument("--seeds", type=int, default=8, help="processes that share the GPU; or 0")
    parser.add_argument("--results", type=Path, help="folder for the JSON")
    options = parser.parse_args(arguments)
    networks = options.networks or list(CASES)
    if unknown := set(networks) - CASES.keys():
        parser.error(f"networks must be of {', '.join(CASES)}, got {', '.join(unknown)}")
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    steps = options.steps or (200 if on_gpu else 10)
    machine = describe_machine() | {"cuda": torch.version.cuda or "none"}
    machine["cudnn"] = torch.backends.cudnn.version() or "none"
    result = {"steps": steps, "rounds": options.rounds, "machine": machine, "networks": {}}
    if on_gpu:
        warnings.filterwarnings("error", ".* is not possible here")  # never time one for another
        torch.backends.cudnn.benchmark = True  # of all rows; the sizes never change
        if options.seeds:
            result["processes"] = processes.measure(options.seeds)
            print(processes.report(result["processes"]), flush=True)
    else:
        print("no CUDA GPU here: these are the rows of the CPU")
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    for network in networks:
        ms = measure(CASES[network], device, steps, options.rounds)
        rows = summarise(ms)
        count = 10_000 if on_gpu else 1000
        validation = time_validation(CASES[network], device, count, options.rounds)
        promises = judge(network, ms, rows, validation)
        result["networks"][network] = {
            "rows": rows,
            "floor_spread": spread(ms[FLOOR]),
            "validation": {"images": count, "seconds": validation},
            "promises": promises,
        }
        print(f"\n{table(network, rows)}\nfloor: slowest round {spread(ms[FLOOR]):.2f} x fastest")
        print(f"validation of {count} images: {validation:.3f} s")
        print(
            "\n".join(f"{state:<7} {promise}" for promise, state in promises.items()), flush=True
        )
    save(f"steps_{device.type}", result, options.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

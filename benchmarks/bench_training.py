"""What does the loop cost? The same training, done in several ways that take turns.

    python benchmarks/bench_training.py lenet      # or resnet20; some minutes each

MNIST is read from the folder named by DLV_DATA, CIFAR-10 from the folder of JPEG files named by
DLV_CIFAR; without them, random images of the same shape go through the same steps. Frameworks
that are not installed are named in the table; `make bench` installs them for the occasion.
"""

import argparse
import sys
import time
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import timing
from dlvlib.runtime import describe_machine
from variants import make_variants
from workloads import WORKLOADS, Workload, make_data

PACKAGES = ("torchvision", "lightning", "fastai", "skorch")


def measure(workload: Workload, steps: int, rounds: int) -> dict:
    """Time all variants of a workload; return everything that belongs into the JSON."""
    start = time.perf_counter()
    data = make_data(workload, steps)
    preparing = time.perf_counter() - start
    variants, missing = make_variants(workload, data)
    timings = timing.time_in_turns(workload.build, variants, steps, rounds)
    rows = timing.summarise(timings, missing)
    floor = timings[timing.FLOOR].ms_per_step
    versions = {name: metadata.version(name) for name in PACKAGES if find_spec(name)}
    return {
        "model": workload.title,
        "data": data.name,
        "batch_size": workload.batch_size,
        "sgd": workload.sgd,
        "steps": steps,
        "rounds": rounds,
        "rows": rows,
        "floor_spread": timing.spread(floor),
        "promises": timing.judge(rows, floor, workload.min_speedup),
        "ms_per_step_of_each_round": {name: t.ms_per_step for name, t in timings.items()},
        "seconds_to_prepare_the_tensors": preparing,
        "machine": describe_machine() | versions,
    }


def report(result: dict) -> str:
    """Return the table with all that is needed to read it."""
    lines = [
        f"{result['model']} on {result['data']} images, batch {result['batch_size']}, float32, "
        f"CPU, no loader workers; median of {result['rounds']} rounds of {result['steps']} steps",
        "",
        timing.table(result["rows"]),
        "",
        f"floor: slowest round {result['floor_spread']:.2f} x the fastest; nothing is decided "
        f"beyond {timing.MAX_SPREAD}, or with fewer than {timing.MIN_ROUNDS} rounds",
        *(f"{verdict:<7} {promise}" for promise, verdict in result["promises"].items()),
        ", ".join(f"{key} {value}" for key, value in result["machine"].items()),
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Time the variants, print the table, and write it as JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--steps", type=int, help="per variant and round; 2 at least")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, help="folder for the JSON")
    options = parser.parse_args(arguments)
    workload = WORKLOADS[options.workload]
    steps = workload.steps if options.steps is None else options.steps
    if steps < 2 or options.rounds < 1:
        got = f"{steps} steps, {options.rounds} rounds"
        parser.error(f"there must be 2 steps and 1 round at least, got {got}")
    result = measure(workload, steps, options.rounds)
    print(report(result))
    # random images never replace real ones
    timing.save(f"{options.workload}_{result['data']}", result, options.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

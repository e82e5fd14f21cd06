"""Several seeds of one small network: in as many processes that share a GPU, or one by one.

Processes share a GPU only under MPS, NVIDIA's Multi-Process Service; without it they take turns.
Each process trains one epoch to warm up, prints that it is ready, and waits for a line.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NETWORK, READY, DONE = "lenet5", "ready", "done"
TRY = "import torch; torch.ones(1, device='cuda').item()"


@contextmanager
def mps() -> Iterator[dict[str, str]]:
    """Start the service where there is one; yield the environment of the processes."""
    command = shutil.which("nvidia-cuda-mps-control")
    if command is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        names = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
        places = dict.fromkeys(names, folder)
        environment = os.environ | places
        commands = ([command, "-d"], [sys.executable, "-c", TRY])
        works = all(subprocess.run(c, env=environment).returncode == 0 for c in commands)
        try:
            yield places if works else {}
        finally:
            subprocess.run([command], input=b"quit\n", env=environment)


def time_together(
    count: int, places: dict[str, str], device: str, epochs: int, steps: int
) -> float:
    """Return the seconds in which so many processes train, from the word to the last one."""
    command = [sys.executable, str(Path(__file__)), device, str(epochs), str(steps)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = os.environ | places | {"OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([*command, str(seed)], env=environment, **pipes) for seed in range(count)
    ]
    try:
        for worker in workers:
            wait_for(READY, worker)
        start = time.perf_counter()
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        for worker in workers:
            wait_for(DONE, worker)
        return time.perf_counter() - start
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def wait_for(word: str, worker: Any) -> None:
    """Read what a process prints, up to this word."""
    for line in worker.stdout:
        if line.strip() == word:
            return
    raise RuntimeError(f"a process ended with status {worker.wait()} before it was {word}")


def measure(
    count: int, *, device: str = "cuda", epochs: int = 5, steps: int = 600
) -> dict[str, Any]:
    """Time one process, and `count` of them at once; 600 steps are an epoch of MNIST."""
    with mps() as places:
        alone, together = (time_together(n, places, device, epochs, steps) for n in (1, count))
    return {
        "network": NETWORK,
        "epochs": epochs,
        "steps": steps,
        "processes": count,
        "mps": bool(places),
        "seconds_alone": alone,
        "seconds_together": together,
        "speedup": count * alone / together,
    }


def report(found: dict[str, Any]) -> str:
    """Return the result in one line."""
    service = "under MPS" if found["mps"] else "without MPS, which is not there"
    return (
        f"{found['processes']} seeds of {found['network']}, {found['epochs']} epochs of "
        f"{found['steps']} steps, {service}: {found['seconds_together']:.1f} s at once; one alone "
        f"{found['seconds_alone']:.1f} s, so {found['speedup']:.1f} x as fast as one by one"
    )


def work(device: str, epochs: int, steps: int, seed: int) -> None:
    """Train a network: what each process does."""
    import torch

    from bench_steps import CASES  # finds dlvlib

    case, chosen = CASES[NETWORK], torch.device(device)
    config = case.config(chosen, num_epochs=epochs + 1, seed=seed)

    def wait_for_a_line(record: Any) -> None:
        if record.epoch == 1:
            print(READY, flush=True)
            input()

    from dlvlib.training import fit

    data = case.images(steps * config.batch_size)
    fit(case.build(chosen), data, None, config, on_epoch=wait_for_a_line)
    print(DONE, flush=True)


if __name__ == "__main__":
    work(sys.argv[1], *map(int, sys.argv[2:]))

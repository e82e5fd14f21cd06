"""Run by test_training_checkpoint: train, kill, go on, and print what came out as JSON lines.

Importing torch takes longer than the training here. So this process imports it once and computes
nothing; each attempt is a forked child, and SIGKILL ends it without a last word.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch._dynamo  # optimizers import it: not in every child again
from torch import nn
from training_helpers import config, digits

from dlvlib.training import fit

TRAIN, VAL = digits(600), digits(100)
SETTINGS = config(
    num_epochs=8,
    batch_size=30,
    lr=0.05,
    momentum=0.9,
    schedule="cosine",
    crop_padding=1,
    keep="best",
    monitor="val_top1",
)


def run(checkpoint: Path | None, every: int, result: Path) -> None:
    """Train a net with dropout and BatchNorm to the end, and write down what it has become."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3)
    )
    model.append(nn.Linear(144, 10))
    history = fit(model, TRAIN, VAL, SETTINGS, checkpoint=checkpoint, checkpoint_every=every)
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    records = [replace(record, seconds=0.0) for record in history.epochs]
    result.write_text(json.dumps({"weights": digest.hexdigest(), "history": repr(records)}))


def die_at_replace(count: int) -> None:
    """Let the process kill itself between the write and the rename of its count-th save."""
    real, calls = os.replace, 0

    def replace_or_die(source, target):
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)

    os.replace = replace_or_die


def attempt(arguments: tuple, *, kill_after: float | None = None, at_replace: int = 0) -> str:
    """Fork a child that trains; return "done", or "killed" if it was."""
    child = os.fork()
    if child == 0:
        if at_replace:
            die_at_replace(at_replace)
        try:
            run(*arguments)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)  # a child that is done waits to be collected: no harm
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return "killed"
    assert os.WEXITSTATUS(status) == 0, "the training failed"
    return "done"


def main() -> None:
    """Print one line for the uninterrupted run, then one for each run that was killed."""
    folder, chance = Path(sys.argv[1]), random.Random(0)
    whole = folder / "whole.json"
    attempt((None, 0, whole))
    start = time.perf_counter()
    attempt((folder / "timing.pt", 5, whole))
    duration = time.perf_counter() - start
    print(json.dumps({"kills": 0, **json.loads(whole.read_text())}))
    for name, every in (("steps", 5), ("epochs", 0), ("often", 1), ("rename", 5)):
        checkpoint, result, kills = folder / f"{name}.pt", folder / f"{name}.json", 0
        for _ in range(6):
            options = {"kill_after": chance.uniform(0, duration / 2)}
            if name == "rename":
                options = {"at_replace": chance.randint(1, 6)}
            if attempt((checkpoint, every, result), **options) == "done":
                break
            kills += 1
        attempt((checkpoint, every, result))
        assert kills, f"{name}: no attempt was killed"
        print(json.dumps({"kills": kills, **json.loads(result.read_text())}))


if __name__ == "__main__":
    main()

"""Run by test_training_checkpoint: train, kill, go on, and print what came out as JSON lines.

Importing torch takes longer than the training here. So this process imports it once and computes
nothing; each attempt is a forked child that ends itself with SIGKILL, without a last word, after
so many steps or in the middle of a save.
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

import torch
import torch._dynamo  # optimizers import it: not in every child again
from training_helpers import bn_net, config, digits, without_time

from dlvlib.training import fit, loop
from dlvlib.training.checkpoint import digest

TRAIN, VAL = digits(600), digits(100)
SETTINGS = config(
    num_epochs=5,  # of 20 steps
    batch_size=30,
    lr=0.05,
    momentum=0.9,
    schedule="cosine",
    crop_padding=1,
    keep="best",
    monitor="val_top1",
)
KILLS = 2  # of each run, of which no part is longer than two fifths


def train(checkpoint: Path | None, every: int, result: Path) -> None:
    """Train a net with dropout and BatchNorm to the end, and write down what it has become."""
    torch.set_num_threads(1)
    model = bn_net()
    history = fit(model, TRAIN, VAL, SETTINGS, checkpoint=checkpoint, checkpoint_every=every)
    values = {"weights": digest(model.state_dict()), "history": repr(without_time(history))}
    result.write_text(json.dumps(values))


def die_at_call(owner: object, name: str, count: int) -> None:
    """Let this process kill itself instead of calling the function for the count-th time."""
    function, calls = getattr(owner, name), 0

    def call_or_die(*arguments):
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    setattr(owner, name, call_or_die)


def attempt(arguments: tuple, kill: tuple | None = None) -> bool:
    """Fork a child that trains; return whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            if kill:
                die_at_call(*kill)
            train(*arguments)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the training failed"
    return os.WIFSIGNALED(status)


def main() -> None:
    """Print one line for the uninterrupted run, then one for each run that was killed."""
    folder, chance = Path(sys.argv[1]), random.Random(0)
    whole = folder / "whole.json"
    attempt((None, 0, whole))
    print(whole.read_text())
    steps, saves = range(1, 41), range(1, 9)
    for name, every, owner, function, counts in (
        ("steps", 5, loop, "train_step", steps),
        ("epochs", 0, loop, "train_step", steps),
        ("often", 1, loop, "train_step", steps),
        ("before the file is on the disk", 5, os, "fsync", saves),
        ("before the file has its name", 5, Path, "replace", saves),
    ):
        arguments = (folder / f"{name}.pt", every, folder / f"{name}.json")
        for _ in range(KILLS):
            kill = (owner, function, chance.choice(counts))
            assert attempt(arguments, kill), f"{name}: the run ended before it was killed"
        assert not attempt(arguments)
        print(arguments[-1].read_text())


if __name__ == "__main__":
    main()

"""What the tests of dlvlib.training share: a tiny net, real digits, a recipe of two epochs."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from sklearn.datasets import load_digits
from torch import nn

from dlvlib import models
from dlvlib.training import TrainConfig


def config(**changes):
    return TrainConfig(**{"num_epochs": 2, "batch_size": 32, "device": "cpu"} | changes)


def digits(count):
    bunch = load_digits()
    images = torch.from_numpy(bunch.images[:count] / 16 * 255).round().to(torch.uint8)[:, None]
    return SimpleNamespace(images=images, targets=torch.from_numpy(bunch.target[:count]).long())


def small_net(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Dropout(dropout), nn.Linear(32, 10)
    )


def bn_net(seed=0, dropout=0.3):
    """With what changes between training and evaluation: BatchNorm and dropout."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(144, 10))


def googlenet():
    torch.manual_seed(0)
    return models.build("googlenet_small", in_channels=1, aux=True)


class Spy(nn.Module):
    """Passes its input on, and notes a copy of it with the mode it was seen in."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, maps):
        self.seen.append((self.training, maps.detach().clone()))
        return maps

    def training_batches(self):
        return [maps for training, maps in self.seen if training]


def run_script(*arguments):
    """Run Python in a process of its own, where dlvlib and this folder are found; its output."""
    folder = Path(__file__).parent
    path = os.pathsep.join([str(folder.parents[1]), str(folder)])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    line = [sys.executable, *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(model):
    """A copy of what the model has learned and measured."""
    return [tensor.clone() for tensor in model.state_dict().values()]


def same(first, second):
    """Whether two models, or two lists of tensors, hold the same numbers."""
    both = (weights(x) if isinstance(x, nn.Module) else x for x in (first, second))
    return all(torch.equal(a, b) for a, b in zip(*both, strict=True))


def without_time(history):
    return [dataclasses.replace(record, seconds=0.0) for record in history.epochs]

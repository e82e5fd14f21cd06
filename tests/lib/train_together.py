"""Run by test_training_processes: the agent of torchrun starts two processes.

They train by the command line that follows; then they stop in mid-epoch, and go on.
"""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch
import torch._dynamo  # optimizers import it: not in both processes again
import torch.distributed as dist
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from training_helpers import bn_net, config, digits, small_net, without_time

from dlvlib.training import checkpoint, evaluate, fit, predict
from dlvlib.training.__main__ import main as train_command
from dlvlib.training.distributed import current

SETTINGS = config(batch_size=32, lr=0.05, momentum=0.9, num_epochs=3, precision="bf16")


def train(data, **options) -> tuple[str, str]:
    """Train a net with BatchNorm and dropout; return what it and its history have become."""
    model = bn_net(seed=dist.get_rank(), dropout=0.5)  # the first one's weights count
    history = fit(model, data, data, SETTINGS, **options)
    return checkpoint.digest(model.state_dict()), repr(without_time(history))


def means_of_batch_norm() -> list[float]:
    """Return what BatchNorm keeps of one batch."""
    model = bn_net(dropout=0.0)
    settings = replace(SETTINGS, num_epochs=1, precision="float32")
    fit(model, digits(32), None, settings)
    return model[1].running_mean.tolist()


def measure_shares(data) -> tuple[float, float, float]:
    """Train a net that is right about every image and hardly moves, and measure it twice.

    Returns:
        Its training accuracy, and its loss on five images from `fit` and from `evaluate`.
    """
    model = small_net()
    right = SimpleNamespace(images=data.images, targets=predict(model, data.images).argmax(1))
    settings = replace(SETTINGS, lr=1e-12, precision="float32")
    few = digits(5)
    record = fit(model, right, few, settings).epochs[0]
    return record.train_top1, record.val_loss, evaluate(model, few, device="cpu").loss


def main() -> None:
    """Write what each process found: uninterrupted, while saving, resumed; and the shares."""
    folder, data = Path(sys.argv[1]), digits(97)  # the last batch has one image for two
    leave, dist.destroy_process_group = dist.destroy_process_group, lambda: None
    if train_command(sys.argv[2:]):
        sys.exit(1)
    plain = train(data)
    write = checkpoint.write_atomically

    def write_and_keep(path, content):
        write(path, content)
        values = torch.load(path, weights_only=True)
        if (values["epoch"], values["step"]) == (2, 3):
            shutil.copy(path, folder / "middle.pt")

    checkpoint.write_atomically = write_and_keep
    saving = train(data, checkpoint=folder / "run.pt", checkpoint_every=1)
    checkpoint.write_atomically = write
    resumed = train(data, checkpoint=folder / "middle.pt")
    shares = (*measure_shares(data), means_of_batch_norm())
    found = current().gather([plain, saving, resumed, shares])
    if current().rank == 0:
        (folder / "found.json").write_text(json.dumps(found))
    leave()


if __name__ == "__main__":
    fork = "fork" if sys.platform == "linux" else "spawn"
    address = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}
    elastic_launch(LaunchConfig(1, 1, nproc_per_node=2, start_method=fork, **address), main)()

"""Train a network of the course: python -m dlvlib train --model resnet20 --data cifar10.

Without --config it follows a recipe for the network and the data, which it prints.
Under torchrun, on two GPUs or two CPU cores of one machine:
torchrun --nproc-per-node 2 -m dlvlib.training --model resnet20 --data cifar10 --config c.yaml
"""

import argparse
import inspect
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import torch
from torch import nn

from dlvlib import data, models
from dlvlib._common import writable, write_atomically
from dlvlib.runtime import choose_device, describe_machine, set_seed
from dlvlib.training.checkpoint import digest
from dlvlib.training.config import TrainConfig
from dlvlib.training.distributed import Processes, joined
from dlvlib.training.evaluation import OutOfMemoryError, evaluate
from dlvlib.training.history import EpochRecord
from dlvlib.training.loop import fit

SPLIT_SEED = 0  # of train and val: the same for every seed of the training
USER_ERRORS = (  # one line, exit status 2
    ValueError,
    OSError,
    FloatingPointError,
    OutOfMemoryError,
    data.DownloadError,
    data.CorruptFileError,
)
ONE_CYCLE = {"schedule": "one_cycle", "momentum": 0.9, "weight_decay": 5e-4}
DATA_RECIPES: dict[str, dict[str, Any]] = {
    "digits": {"num_epochs": 20, "batch_size": 50},
    "mnist": {"num_epochs": 10, "batch_size": 100},
    "fashion_mnist": {"num_epochs": 20, "batch_size": 100, "flip": True},
    "cifar10": {"num_epochs": 40, "batch_size": 128, "crop_padding": 4, "flip": True},
}
FOLDER_RECIPE = {"num_epochs": 30, "batch_size": 32, "flip": True}


def recipe(name: str, model: nn.Module) -> TrainConfig:
    """Return the recipe for a data set (any unknown name is a folder) and a network.

    A network with batch normalisation gets five times the learning rate.
    """
    has_norm = any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    lr = 0.1 if has_norm else 0.02
    return TrainConfig.from_dict({"lr": lr, **ONE_CYCLE, **DATA_RECIPES.get(name, FOLDER_RECIPE)})


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; return 0, 2 after one line about an error, or 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        config = TrainConfig.from_yaml(options.config) if options.config else None
        with joined(choose_device(config.device if config else "auto")) as processes:
            _train(options, config, processes)
    except USER_ERRORS as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        rest = (
            f"; the same command continues from {options.checkpoint}" if options.checkpoint else ""
        )
        print(f"interrupted{rest}", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m dlvlib train", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--model", required=True, help="a name in dlvlib.models.MODELS")
    add("--data", required=True, help="digits, mnist, fashion_mnist, cifar10 or a folder")
    add("--config", help="a YAML file with fields of TrainConfig, in place of the printed recipe")
    add(
        "--image-size",
        type=int,
        help="resample to this width and height; default: as they are, or as the model needs",
    )
    add("--root", help="where downloaded data lies")
    add("--val-fraction", type=float, default=0.1, help="of the training images; 0 for no val")
    add("--checkpoint", help="a file to save to after each epoch, and to resume from")
    add("--checkpoint-every", type=int, default=0, metavar="STEPS", help="also save this often")
    add("--output", help="a JSON file for configuration, history and test result")
    return parser


def _train(options: argparse.Namespace, config: TrainConfig | None, processes: Processes) -> None:
    if options.output:
        writable(options.output)  # before hours of training
    with torch.device("meta"):
        outline = models.build(options.model)  # rejects an unknown name before a download
    config = config or recipe(options.data, outline)
    train, test = _load(options, outline, processes)
    if processes.rank == 0:
        _print_recipe(options.model, train, config)
    val = None
    if options.val_fraction:
        train, val = data.split(train, fraction=options.val_fraction, seed=SPLIT_SEED)
    set_seed(config.seed)
    model = _build(options.model, config, train)
    history = fit(
        model,
        train,
        val,
        config,
        on_epoch=_print_epoch,
        checkpoint=options.checkpoint,
        checkpoint_every=options.checkpoint_every,
    )
    result = evaluate(model, test, device=config.device)
    digests = processes.gather(digest(model.state_dict()))
    if len(set(digests)) > 1:
        raise ValueError(f"all processes must end with the same weights, got {digests}")
    if processes.rank > 0:
        return
    print(f"test: loss {result.loss:.4f}, top-1 {result.top1:.2%} of {len(test)} images")
    if options.output:
        values = {
            "model": options.model,
            "data": {"name": train.name, "train": train.checksum, "test": test.checksum},
            "config": asdict(config),
            "history": history.to_list(),
            "test": {"loss": result.loss, "top1": result.top1},
            "weights": digests,
            "machine": describe_machine(),
        }
        write_atomically(options.output, json.dumps(values, indent=1).encode() + b"\n")


def _load(
    options: argparse.Namespace, model: nn.Module, processes: Processes
) -> tuple[data.ImageSet, data.ImageSet]:
    """Load the data, first in process 0: it may have to download.

    Images too small for the network are resampled to the next multiple of 32 pixels.
    """
    if processes.rank > 0:
        processes.gather("waits for process 0")
    sets = data.load(options.data, root=options.root, image_size=options.image_size)
    least = getattr(model, "min_size", 0)
    if options.image_size is None and min(sets[0].images.shape[2:]) < least:
        size = math.ceil(least / 32) * 32
        sets = data.load(options.data, root=options.root, image_size=size)
    if processes.rank == 0:
        processes.gather("done")
    return sets


def _print_recipe(model: str, train: data.ImageSet, config: TrainConfig) -> None:
    changes = {
        field.name: value
        for field in fields(config)
        if (value := getattr(config, field.name)) != field.default
    }
    print(f"{model} on {len(train)} images {tuple(train.images.shape[1:])} of {train.name}")
    print("recipe:", ", ".join(f"{name} {value}" for name, value in changes.items()), flush=True)


def _build(name: str, config: TrainConfig, train: data.ImageSet) -> nn.Module:
    """Build the network for these images, with auxiliary heads where they are trained."""
    has_aux = "aux" in inspect.signature(models.MODELS[name]).parameters
    heads = {"aux": True} if config.aux_weight and has_aux else {}
    channels = train.images.shape[1]
    return models.build(name, num_classes=train.num_classes, in_channels=channels, **heads)


def _print_epoch(record: EpochRecord) -> None:
    line = (
        f"epoch {record.epoch}: train loss {record.train_loss:.4f}, top-1 {record.train_top1:.2%}"
    )
    if record.val_loss is not None:
        line += f"; val loss {record.val_loss:.4f}, top-1 {record.val_top1:.2%}"
    print(f"{line} ({record.seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())

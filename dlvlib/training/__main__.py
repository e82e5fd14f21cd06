"""Train a network of the course: python -m dlvlib.training --model resnet20 --data cifar10.

The same under torchrun, on two GPUs or two CPU cores of one machine:
torchrun --nproc-per-node 2 -m dlvlib.training --model resnet20 --data cifar10 --config c.yaml
"""

import argparse
import hashlib
import inspect
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from torch import nn

from dlvlib import data, models
from dlvlib.runtime import choose_device, describe_machine, set_seed
from dlvlib.training.config import TrainConfig
from dlvlib.training.distributed import Processes, joined
from dlvlib.training.evaluation import OutOfMemoryError, evaluate
from dlvlib.training.history import EpochRecord
from dlvlib.training.loop import fit

SPLIT_SEED = 0  # of train and val: the same for every seed of the training
EXPECTED = (  # errors that are the user's to mend
    ValueError,
    OSError,
    FloatingPointError,
    OutOfMemoryError,
    data.DownloadError,
    data.CorruptFileError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say; return 0, or 2 after one line about what was wrong."""
    options = _parser().parse_args(arguments)
    try:
        config = TrainConfig.from_yaml(options.config) if options.config else TrainConfig()
        with joined(choose_device(config.device)) as processes:
            _train(options, config, processes)
    except EXPECTED as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m dlvlib.training", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--model", required=True, help="a name in dlvlib.models.MODELS")
    add("--data", required=True, help="digits, mnist, fashion_mnist, cifar10 or a folder")
    add("--config", help="a YAML file with fields of TrainConfig; without it the defaults")
    add("--image-size", type=int, help="resample the images to this width and height")
    add("--root", help="where downloaded data lies")
    add("--val-fraction", type=float, default=0.1, help="of the training images; 0 for no val")
    add("--checkpoint", help="a file to save to after each epoch, and to go on from")
    add("--checkpoint-every", type=int, default=0, metavar="STEPS", help="save in between, too")
    add("--output", help="a JSON file for configuration, history and test result")
    return parser


def _train(options: argparse.Namespace, config: TrainConfig, processes: Processes) -> None:
    train, test = _load(options, processes)
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
        on_epoch=_report,
        checkpoint=options.checkpoint,
        checkpoint_every=options.checkpoint_every,
    )
    result = evaluate(model, test, device=config.device)
    digests = processes.gather(digest(model))
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
        Path(options.output).write_text(json.dumps(values, indent=1) + "\n", encoding="utf8")


def _load(
    options: argparse.Namespace, processes: Processes
) -> tuple[data.ImageSet, data.ImageSet]:
    """Load the data, first in process 0: it may have to download."""
    sets = None
    for turn in (True, False):
        if (processes.rank == 0) == turn:
            sets = data.load(options.data, root=options.root, image_size=options.image_size)
        processes.gather("done")
    assert sets is not None
    return sets


def _build(name: str, config: TrainConfig, train: data.ImageSet) -> nn.Module:
    """Build the network for these images, with auxiliary heads where they are trained."""
    has_aux = "aux" in inspect.signature(models.MODELS.get(name, object)).parameters
    heads = {"aux": True} if config.aux_weight and has_aux else {}
    channels = train.images.shape[1]
    return models.build(name, num_classes=train.num_classes, in_channels=channels, **heads)


def digest(model: nn.Module) -> str:
    """Return the SHA-256 of all weights and buffers."""
    total = hashlib.sha256()
    for tensor in model.state_dict().values():
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def _report(record: EpochRecord) -> None:
    line = (
        f"epoch {record.epoch}: train loss {record.train_loss:.4f}, top-1 {record.train_top1:.2%}"
    )
    if record.val_loss is not None:
        line += f"; val loss {record.val_loss:.4f}, top-1 {record.val_top1:.2%}"
    print(f"{line} ({record.seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Save a run so that it can be killed at any moment and go on as if nothing had happened.

A checkpoint is written beside the old one, forced to the disk, and then takes its place in one
atomic step: at every moment there is either the old file or the new one, and it is whole.
"""

import hashlib
import os
import re
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlvlib.training.evaluation import Dataset
from dlvlib.training.history import EpochRecord
from dlvlib.training.state import TrainState

FORMAT = "dlvlib.training checkpoint 1"
FREE = ("progress",)  # fields of the config that may differ between the parts of a run


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged, or belongs to another run."""


class Checkpoint:
    """The file of one run; without a path every method is idle.

    Args:
        path: where the checkpoint lies or will lie; its folder is made if missing.
        every: save after so many steps, too; 0 for never.
        state: what is saved and restored.
        train, val: the data; the checkpoint remembers a digest of it.
    """

    def __init__(
        self,
        path: str | Path | None,
        every: int,
        state: TrainState,
        train: Dataset,
        val: Dataset | None,
    ) -> None:
        if type(every) is not int or every < 0 or (every and path is None):
            rule = "an int >= 0, and 0 without a checkpoint"
            raise ValueError(f"checkpoint_every must be {rule}, got {every!r}")
        self.path = None if path is None else Path(path)
        self.every, self.state = every, state
        if self.path is not None:
            self.identity = _identity(state, train, val)

    def load(self) -> None:
        """Bring the state to where the file says; without a file it stays at the beginning.

        Raises:
            CheckpointError: before anything is changed.
        """
        if self.path is None or not self.path.exists():
            return
        content = _read(self.path)
        _compare(self.path, content["identity"], self.identity)
        state = self.state
        state.model.load_state_dict(content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.scaler.load_state_dict(content["scaler"])
        state.history.epochs = [EpochRecord(**record) for record in content["history"]]
        state.epoch, state.step = content["epoch"], content["step"]
        state.seconds, state.best = content["seconds"], content["best"]
        state.random = content["random"] and content["random"][state.processes.rank]
        if state.processes.rank == 0:  # the sums of all processes; the others go on from zero
            state.sums.copy_(content["sums"])

    def save_every(self) -> None:
        """Save in the middle of an epoch, if it is time to."""
        if self.every and self.state.step % self.every == 0:
            self.save(in_epoch=True)

    def save(self, *, in_epoch: bool = False) -> None:
        """Write the state; the file of before is replaced at once or not at all."""
        if self.path is None:
            return
        state = self.state
        content = {
            "format": FORMAT,
            "identity": self.identity,
            "model": state.model.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "scaler": state.scaler.state_dict(),
            "history": state.history.to_list(),
            "epoch": state.epoch,
            "step": state.step,
            "seconds": state.elapsed() if in_epoch else 0.0,
            "sums": state.processes.sum(state.sums).cpu(),
            "random": state.processes.gather(state.random_state()) if in_epoch else None,
            "best": state.best,
        }
        if state.processes.rank == 0:
            _write(self.path, content)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    with beside.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())  # else the new name could reach the disk before the bytes
    beside.replace(path)
    if os.name == "posix":  # the folder holds the name; elsewhere folders cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # compares the checksum of every part
        if damaged is not None:
            raise ValueError(f"{damaged} is damaged")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each kind of damage fails in its own way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path.name} must be a whole checkpoint, but cannot be read ({reason}); "
            "it was left as it is: move it away to start anew"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path.name} must be a checkpoint that fit wrote ({FORMAT!r}), but holds something "
            "else; it was left as it is: give another name"
        )
    return content


def _identity(state: TrainState, train: Dataset, val: Dataset | None) -> dict[str, Any]:
    """Return what must not change between the parts of a run."""
    config = {name: value for name, value in asdict(state.config).items() if name not in FREE}
    return {
        "config": config | {"milestones": list(config["milestones"])},
        "model": _describe(state.model),
        "train": _digest(train),
        "val": None if val is None else _digest(val),
        "processes": state.processes.world,
        "device": state.sums.device.type,
        "precision": state.precision,
    }


def _describe(model: nn.Module) -> dict[str, str]:
    """Return each tensor's type and shape, and how the model prints, without addresses."""
    tensors = {name: f"{t.dtype} {tuple(t.shape)}" for name, t in model.state_dict().items()}
    return tensors | {"modules": re.sub(r" at 0x[0-9a-f]+", "", str(model))}


def _digest(dataset: Dataset) -> str:
    digest = hashlib.sha256(f"{tuple(dataset.images.shape)} {dataset.images.dtype}".encode())
    for tensor in (dataset.images, dataset.targets):
        for part in tensor.split(4096):  # no second copy of a large set
            digest.update(part.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def _compare(path: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse the file if it belongs to another run, and name the first difference."""
    for part, now in wanted.items():
        was = saved[part]
        if was == now:
            continue
        name = f"another {part}"
        if isinstance(now, dict):
            key = next(k for k in {**was, **now} if was.get(k) != now.get(k))
            name, was, now = f"{name} ({key})", was.get(key), now.get(key)
        was, now = (" ".join(str(value).split())[:60] for value in (was, now))
        raise CheckpointError(
            f"{path.name} must belong to this run, but is of {name}: saved with {was}, now {now}; "
            "it was left as it is: give another name"
        )

"""The state of a run, and how it survives being killed at any moment.

A checkpoint is written beside the old one, forced to the disk, and then takes its place in one
atomic step: at every moment there is either the old file or the new one, and it is whole.
"""

import hashlib
import io
import re
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlvlib._common import check_int, writable, write_atomically
from dlvlib.training.config import TrainConfig
from dlvlib.training.distributed import Processes
from dlvlib.training.evaluation import Dataset
from dlvlib.training.history import EpochRecord, History, best_epoch
from dlvlib.training.precision import choose_precision, gpus, grad_scaler, make_optimizer
from dlvlib.training.schedules import learning_rates

FORMAT = "dlvlib.training checkpoint 3"
FREE = ("progress", "graph")  # fields of the config that may differ between the parts of a run


class CheckpointError(ValueError):
    """A file is not a checkpoint, is damaged, or belongs to another run."""


class TrainState:
    """Everything about a run that changes from step to step.

    `step` counts the steps done in the epoch that is under way, and `sums` holds the loss and the
    number of correct predictions of its images so far, on the device: the CPU waits for the
    device once per epoch, not at each step.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrainConfig,
        device: torch.device,
        processes: Processes,
        num_steps: int,
    ) -> None:
        self.model, self.config, self.processes = model, config, processes
        self.num_steps = num_steps  # of an epoch
        self.rates = learning_rates(config.num_epochs * num_steps, config)
        self.precision = choose_precision(config.precision, device)
        self.optimizer = make_optimizer(model.parameters(), config)
        self.scaler = grad_scaler(self.precision, device)
        self.gpus = gpus(device)
        dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self.sums = torch.zeros(2, dtype=dtype, device=device)
        self.history = History()
        self.epoch = 1
        self.step = 0
        self.seconds = 0.0  # spent on the epoch under way before an interruption
        self.best: dict[str, Tensor] | None = None
        self.random: list[Tensor] | None = None  # generator states to resume from

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self.rates[(self.epoch - 1) * self.num_steps + self.step]

    def start_clock(self) -> None:
        """Measure the epoch from here, plus the seconds spent on it before an interruption."""
        self.started = time.perf_counter() - self.seconds
        self.seconds = 0.0

    def elapsed(self) -> float:
        """Return the seconds spent on the epoch under way."""
        return time.perf_counter() - self.started

    def seed_dropout(self, seed: int) -> None:
        """Seed the epoch's random numbers, or resume those of an interrupted epoch."""
        torch.manual_seed((seed + self.processes.rank) % 2**32)
        if self.random is not None:
            torch.set_rng_state(self.random[0])
            for gpu, state in zip(self.gpus, self.random[1:], strict=True):
                torch.cuda.set_rng_state(state, gpu)
            self.random = None

    def random_state(self) -> list[Tensor]:
        """Return the states of the CPU's and the GPU's generator."""
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(gpu) for gpu in self.gpus)]

    def finish_epoch(self, record: EpochRecord) -> None:
        """Add the record to the history, keep the best weights, and begin the next epoch."""
        self.history.epochs.append(record)
        if self.config.keep == "best" and best_epoch(self.history, self.config) == self.epoch:
            tensors = self.model.state_dict().items()
            self.best = {name: tensor.cpu().clone() for name, tensor in tensors}
        self.epoch += 1
        self.step = 0
        self.sums.zero_()


class Checkpoint:
    """The file of one run; without a path, its methods do nothing.

    It is saved after each epoch, and after `every` steps unless that is 0. Its folder is made if
    missing, a link is followed, and a digest of the data is part of it.
    """

    def __init__(
        self,
        path: str | Path | None,
        every: int,
        state: TrainState,
        train: Dataset,
        val: Dataset | None,
    ) -> None:
        self.every = check_int("checkpoint_every", every)
        if self.every and path is None:
            raise ValueError(f"checkpoint_every must be 0 without a checkpoint, got {every}")
        self.path = None if path is None else writable(path)
        self.state = state
        if self.path is not None:
            self.identity = _identity(state, train, val)
            self.version = _version(self.path)

    def load(self) -> None:
        """Restore the state from the file; without a file it stays at the beginning.

        Raises:
            CheckpointError: before anything is changed.
        """
        if self.path is None or self.version is None:
            return
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            if content["format"] != FORMAT or content.pop("digest") != digest(content):
                raise ValueError(f"another format than {FORMAT!r}, or a changed field")
        except Exception as error:  # each kind of damage fails in its own way
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            rule = f"must be a whole checkpoint that fit wrote, got {reason}"
        else:
            difference = _difference(content["identity"], self.identity)
            if difference is None:
                return self._restore(content)
            rule = f"must belong to this run, but is of {difference}"
        raise CheckpointError(
            f"{self.path.name} {rule}; it was left as it is: move it, or give another name"
        )

    def _restore(self, content: dict[str, Any]) -> None:
        state = self.state
        state.model.load_state_dict(content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.scaler.load_state_dict(content["scaler"])
        state.history.epochs = [EpochRecord(**record) for record in content["history"]]
        state.epoch, state.step = content["epoch"], content["step"]
        state.seconds, state.best = content["seconds"], content["best"]
        state.random = content["random"] and content["random"][state.processes.rank]
        if state.processes.rank == 0:  # the sums of all processes; the others continue from zero
            state.sums.copy_(content["sums"])

    def save_every(self) -> None:
        """Save in the middle of an epoch, if it is time to."""
        if self.every and self.state.step % self.every == 0:
            self.save(in_epoch=True)

    def save(self, *, in_epoch: bool = False) -> None:
        """Write the state; the previous file is replaced whole or not at all.

        Raises:
            CheckpointError: if another process has written the file meanwhile.
            OSError: if it cannot be written, for instance because the disk is full.
        """
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
            self._write(self.path, content)

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        if _version(path) not in (None, self.version):
            raise CheckpointError(
                f"{path.name} was written by another process meanwhile: it was left as it is; "
                "give each run a checkpoint of its own"
            )
        buffer = io.BytesIO()
        torch.save(content | {"digest": digest(content)}, buffer)
        try:
            write_atomically(path, buffer.getvalue())
        except OSError as error:
            raise OSError(error.errno, f"{path.name} cannot be saved: {error.strerror}") from error
        self.version = _version(path)


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever somebody writes the file; None without a file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def digest(value: object) -> str:
    """Return the SHA-256 of nested dictionaries and lists of tensors and plain values."""
    total = hashlib.sha256()
    if isinstance(value, Tensor):
        total.update(f"{value.dtype} {tuple(value.shape)}".encode())
        data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        total.update(data.numpy().data)
    elif isinstance(value, Mapping):
        total.update(digest([list(value), *value.values()]).encode())
    elif isinstance(value, list | tuple):
        total.update("".join(map(digest, value)).encode())
    else:
        total.update(repr(value).encode())
    return total.hexdigest()


def _identity(state: TrainState, train: Dataset, val: Dataset | None) -> dict[str, Any]:
    """Return what must not change between the parts of a run."""
    modules = re.sub(r" at 0x[0-9a-f]+", "", str(state.model))  # without addresses
    tensors = state.model.state_dict().items()
    return {
        "config": {name: x for name, x in asdict(state.config).items() if name not in FREE},
        "model": {name: f"{t.dtype} {tuple(t.shape)}" for name, t in tensors}
        | {"modules": modules},
        "train": digest([train.images, train.targets]),
        "val": None if val is None else digest([val.images, val.targets]),
        "processes": state.processes.world,
        "device": state.sums.device.type,
        "precision": state.precision,
    }


def _difference(saved: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """Return the first difference between two identities in words; None if they are equal."""
    for part, now in wanted.items():
        name, was = f"another {part}", saved[part]
        if was == now:
            continue
        if isinstance(now, dict):
            key = next(k for k in {**was, **now} if was.get(k) != now.get(k))
            name, was, now = f"{name} ({key})", was.get(key), now.get(key)
        was, now = (" ".join(str(value).split())[:60] for value in (was, now))
        return f"{name}: saved with {was}, now {now}"
    return None

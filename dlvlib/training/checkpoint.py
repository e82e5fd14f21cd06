"""The state of a run, and how it survives being killed at any moment.

A checkpoint is written beside the old one, forced to the disk, and then takes its place in one
atomic step: at every moment there is either the old file or the new one, and it is whole.
"""

import hashlib
import io
import re
import time
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlvlib._common import check_int, write_atomically
from dlvlib.training.config import TrainConfig
from dlvlib.training.distributed import Processes
from dlvlib.training.evaluation import Dataset
from dlvlib.training.history import EpochRecord, History, best_epoch
from dlvlib.training.precision import choose_precision, gpus, grad_scaler, make_optimizer
from dlvlib.training.schedules import learning_rates

FORMAT = "dlvlib.training checkpoint 2"
FREE = ("progress",)  # fields of the config that may differ between the parts of a run


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged, or belongs to another run."""


class TrainState:
    """Everything about a run that changes from step to step.

    `step` counts the steps done in the epoch that is under way, and `sums` holds loss, correct
    and seen of its images so far, on the device: one wait for the device per epoch, not per step.
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
        self.sums = torch.zeros(3, dtype=dtype, device=device)
        self.history = History()
        self.epoch = 1
        self.step = 0
        self.seconds = 0.0  # spent on the epoch under way before an interruption
        self.start_clock()
        self.best: dict[str, Tensor] | None = None
        self.random: list[Tensor] | None = None  # generator states to go on from

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
        """Start the epoch's random numbers, or go on with those of an interrupted epoch."""
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
    """The file of one run; without a path every method is idle.

    Args:
        path: of the file; its folder is made if missing, and a link is followed.
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
        self.every = check_int("checkpoint_every", every)
        if self.every and path is None:
            raise ValueError(f"checkpoint_every must be 0 without a checkpoint, got {every}")
        self.path = None if path is None else Path(path)
        self.state = state
        if self.path is not None:
            self.identity = _identity(state, train, val)
            self.version = _version(self.path)

    def load(self) -> None:
        """Bring the state to where the file is; without a file it stays at the beginning.

        Raises:
            CheckpointError: before the model is changed.
        """
        if self.path is None or self.version is None:
            return
        try:
            content = _read(self.path)
            difference = _difference(content["identity"], self.identity)
            if difference is None:
                self._restore(content)
                return
        except Exception as error:  # each kind of damage fails in its own way
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            rule = f"must be a whole checkpoint that fit wrote, got {reason}"
        else:
            rule = f"must belong to this run, but is of {difference}"
        raise CheckpointError(
            f"{self.path.name} {rule}; it was left as it is: move it, or give another name"
        )

    def _restore(self, content: dict[str, Any]) -> None:
        """Fill the state from a file of this run; the model, which is the caller's, at last."""
        state = self.state
        state.history.epochs = [EpochRecord(**record) for record in content["history"]]
        state.epoch = check_int("epoch", content["epoch"], 1, state.config.num_epochs + 1)
        state.step = check_int("step", content["step"], 0, state.num_steps)
        state.seconds = float(content["seconds"])
        values = [value for record in content["history"] for value in record.values()]
        if not all(value is None or isinstance(value, int | float) for value in values):
            raise ValueError("history must hold numbers")
        if state.history.column("epoch") != list(range(1, state.epoch)):
            raise ValueError(f"history must hold the epochs before {state.epoch}")
        state.optimizer.load_state_dict(content["optimizer"])
        for parameter, values in state.optimizer.state.items():
            for name, value in values.items():
                if value is not None and value.ndim and value.shape != parameter.shape:
                    raise ValueError(f"{name} must have shape {tuple(parameter.shape)}")
        if content["scaler"].keys() != state.scaler.state_dict().keys():
            raise ValueError("scaler must hold the fields of this run's")
        state.scaler.load_state_dict(content["scaler"])
        if content["random"] is not None:
            state.random = content["random"][state.processes.rank]
            torch.Generator("cpu").set_state(state.random[0])
        if content["sums"].shape != (3,):
            raise ValueError("sums must have shape (3,)")
        if state.processes.rank == 0:  # the sums of all processes; the others go on from zero
            state.sums.copy_(content["sums"])
        shapes = _shapes(state.model.state_dict())
        has_best = state.config.keep == "best" and state.epoch > 1
        for name, expected in {"model": shapes, "best": shapes if has_best else None}.items():
            if (content[name] and _shapes(content[name])) != expected:
                raise ValueError(f"{name} must hold the tensors of the model")
        state.best = content["best"]
        state.model.load_state_dict(content["model"])

    def save_every(self) -> None:
        """Save in the middle of an epoch, if it is time to."""
        if self.every and self.state.step % self.every == 0:
            self.save(in_epoch=True)

    def save(self, *, in_epoch: bool = False) -> None:
        """Write the state; the file of before is replaced at once or not at all.

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
        torch.save(content, buffer)
        try:
            write_atomically(path, buffer.getvalue())
        except OSError as error:
            raise OSError(error.errno, f"{path.name} cannot be saved: {error.strerror}") from error
        self.version = _version(path)


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever somebody writes the file; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _read(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()  # compares the checksum of every part
    if damaged is not None:
        raise ValueError(f"{damaged} is damaged")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if content["format"] != FORMAT:
        raise ValueError(f"format must be {FORMAT!r}, got {content['format']!r}")
    return content


def _identity(state: TrainState, train: Dataset, val: Dataset | None) -> dict[str, Any]:
    """Return what must not change between the parts of a run."""
    modules = re.sub(r" at 0x[0-9a-f]+", "", str(state.model))  # without addresses
    return {
        "config": {name: x for name, x in asdict(state.config).items() if name not in FREE},
        "model": _shapes(state.model.state_dict()) | {"modules": modules},
        "train": _digest(train),
        "val": None if val is None else _digest(val),
        "processes": state.processes.world,
        "device": state.sums.device.type,
        "precision": state.precision,
    }


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: f"{t.dtype} {tuple(t.shape)}" for name, t in tensors.items()}


def _digest(dataset: Dataset) -> str:
    digest = hashlib.sha256(f"{tuple(dataset.images.shape)} {dataset.images.dtype}".encode())
    for tensor in (dataset.images, dataset.targets):
        for part in torch.split(tensor, 4096):  # no second copy of a large set
            digest.update(part.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


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

"""Where a run stands: everything that must survive when the process does not."""

import time

import torch
from torch import Tensor, nn

from dlvlib.training.config import TrainConfig
from dlvlib.training.distributed import Processes
from dlvlib.training.history import EpochRecord, History, best_epoch
from dlvlib.training.precision import choose_precision, grad_scaler, make_optimizer


class TrainState:
    """The state of one run between two steps.

    `step` counts the steps done in the epoch that is under way, and `sums` holds loss, correct
    and seen of its images so far, on the device: one wait for the device per epoch, not per step.
    """

    def __init__(
        self, model: nn.Module, config: TrainConfig, device: torch.device, processes: Processes
    ) -> None:
        self.model, self.config, self.processes = model, config, processes
        self.precision = choose_precision(config.precision, device)
        self.optimizer = make_optimizer(model.parameters(), config)
        self.scaler = grad_scaler(self.precision, device)
        self.gpus = [device] if device.type == "cuda" else []
        dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self.sums = torch.zeros(3, dtype=dtype, device=device)
        self.history = History()
        self.epoch = 1
        self.step = 0
        self.seconds = 0.0  # spent on the epoch under way before an interruption
        self.start_clock()
        self.best: dict[str, Tensor] | None = None
        self.random: list[Tensor] | None = None  # generator states to go on from

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
        """Put the record into the history and stand at the beginning of the next epoch."""
        self.history.epochs.append(record)
        is_best = (
            self.config.keep == "best" and best_epoch(self.history, self.config) == self.epoch
        )
        if is_best:
            tensors = self.model.state_dict().items()
            self.best = {name: tensor.cpu().clone() for name, tensor in tensors}
        self.epoch += 1
        self.step = 0
        self.sums.zero_()

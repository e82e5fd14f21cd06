"""What happened in a run, epoch by epoch, and what follows from it."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dlvlib.training.config import TrainConfig


@dataclass(frozen=True)
class EpochRecord:
    """One epoch in numbers; losses in nats, top-1 accuracies in [0, 1].

    `train_loss` and `train_top1` are running averages over the images of the epoch, each
    measured just before the step that learns from it. The weights move meanwhile, so early in
    training they look worse than `val_loss` and `val_top1`, measured when the epoch is over.
    `train_loss` includes label smoothing, `val_loss` never does; neither includes auxiliary
    losses. `lr` is that of the last step.
    """

    epoch: int  # counted from 1
    lr: float
    train_loss: float
    train_top1: float
    val_loss: float | None  # None if there is no validation set
    val_top1: float | None
    seconds: float  # training and validation


@dataclass
class History:
    """The records of a run, one per epoch, in order."""

    epochs: list[EpochRecord] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Wall time of all epochs together."""
        return sum(record.seconds for record in self.epochs)

    def column(self, name: str) -> list[Any]:
        """Return one field of every epoch, for instance ``column("val_top1")``."""
        names = [f.name for f in fields(EpochRecord)]
        if name not in names:
            raise ValueError(f"column must be one of {', '.join(names)}, got {name!r}")
        return [getattr(record, name) for record in self.epochs]

    def to_list(self) -> list[dict[str, Any]]:
        """Return the epochs as dictionaries, ready for JSON."""
        return [asdict(record) for record in self.epochs]


def best_epoch(history: History, config: TrainConfig) -> int:
    """Return the epoch with the best `config.monitor`, the first of equals; 0 without epochs."""
    values = history.column(config.monitor)
    if not values:
        return 0
    choose = min if config.monitor == "val_loss" else max
    return 1 + values.index(choose(values))


def is_out_of_patience(history: History, config: TrainConfig) -> bool:
    """Whether the last `config.patience` epochs were all no better than one before them."""
    if config.patience == 0:
        return False
    return len(history.epochs) - best_epoch(history, config) >= config.patience

"""Training: mini-batch gradient descent, written to be read.

`loop.py` is the lecture; every file beside it answers one question that the loop asks: which
learning rate, which precision, how to crop a batch, how to survive being killed.
"""

from dlvlib.training.checkpoint import CheckpointError
from dlvlib.training.config import TrainConfig
from dlvlib.training.evaluation import Dataset, Evaluation, OutOfMemoryError, evaluate, predict
from dlvlib.training.history import EpochRecord, History
from dlvlib.training.loop import fit
from dlvlib.training.schedules import epoch_seeds, learning_rate

__all__ = [
    "CheckpointError",
    "Dataset",
    "EpochRecord",
    "Evaluation",
    "History",
    "OutOfMemoryError",
    "TrainConfig",
    "epoch_seeds",
    "evaluate",
    "fit",
    "learning_rate",
    "predict",
]

"""The training loop of the course: mini-batch gradient descent, written to be read.

The data is on the device once, a batch is picked by index, and the sums stay on the device.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from dlvlib.metrics import predicted_classes
from dlvlib.runtime import choose_device, mode
from dlvlib.training import captured, distributed, evaluation, precision
from dlvlib.training.augment import Batches
from dlvlib.training.captured import StepGraph, in_epoch
from dlvlib.training.checkpoint import Checkpoint, TrainState
from dlvlib.training.config import TrainConfig
from dlvlib.training.distributed import Shard
from dlvlib.training.evaluation import Dataset, check_finite
from dlvlib.training.history import EpochRecord, History, is_out_of_patience
from dlvlib.training.precision import Forward
from dlvlib.training.schedules import epoch_seeds


def fit(
    model: nn.Module,
    train: Dataset,
    val: Dataset | None,
    config: TrainConfig,
    *,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 0,
) -> History:
    """Train `model` in place and return what happened, epoch by epoch.

    The order of the images, their augmentation and the dropout masks follow from `config.seed`.
    On a CPU with a fixed number of threads, the same initial weights and config give the same
    weights to the last bit, also when the run was killed and resumed. The model ends up on the
    device, its modules in the modes they came in; the images and torch's random state are left
    alone. On a CUDA GPU the model's Python code runs in the first steps only, see `captured`.

    Args:
        model: maps images (B, C, H, W) to logits (B, K). With `config.aux_weight` its method
            `forward_with_aux` maps them to the logits and a list of auxiliary logits.
        train: learned from, one pass in a new order per epoch; uint8 pixels are scaled.
        val: measured in the type of the weights after each epoch and never learned from, or None.
        on_epoch: called with each new record (in several processes, in the first).
        checkpoint: a file that holds the state of the run after each epoch. If it exists, the
            run resumes from it.
        checkpoint_every: save also after so many steps; 0 for never.

    Raises:
        TypeError, ValueError: if data, model and config do not fit together.
        CheckpointError: if the file is not a checkpoint, or of another run. It is left as it is.
        OSError: if the checkpoint cannot be written. The one before is left as it is.
        FloatingPointError: if the loss of an epoch is infinite or NaN: the weights are lost.
        OutOfMemoryError: if a batch does not fit.
    """
    processes = distributed.current()
    device = processes.local_device(choose_device(config.device))
    evaluation.check_trainable(model)
    model.to(device)
    if config.channels_last:
        model.to(memory_format=torch.channels_last)
    evaluation.check_dataset(model, "train", train)
    val = evaluation.prepare_val(model, val, device, config)
    batches = Batches(train, config, device, evaluation.float_type(model), processes)
    state = TrainState(model, config, device, processes, batches.num_steps)
    file = Checkpoint(checkpoint, checkpoint_every, state, train, val)
    file.load()
    processes.broadcast(model)
    forward = precision.prepare_forward(model, config, state.precision, batches)
    graph = captured.prepare(train_step, state, forward, batches)
    while state.epoch <= config.num_epochs and not is_out_of_patience(state.history, config):
        state.start_clock()
        with evaluation.explain_out_of_memory(device, config):
            train_epoch(state, forward, batches, graph, file)
        sums = processes.sum(state.sums).tolist()  # waits for the device
        train_loss, train_top1 = (total / len(train.targets) for total in sums)
        check_finite(train_loss, f"the training loss of epoch {state.epoch}", config)
        val_loss, val_top1 = evaluation.validate(model, val, processes, state.epoch, config)
        lr, seconds = state.rates[state.epoch * state.num_steps - 1], state.elapsed()
        record = EpochRecord(state.epoch, lr, train_loss, train_top1, val_loss, val_top1, seconds)
        state.finish_epoch(record)
        file.save()
        if on_epoch is not None and processes.rank == 0:
            on_epoch(record)
    if state.best is not None:
        model.load_state_dict(state.best)
    return state.history


def train_epoch(
    state: TrainState,
    forward: Forward,
    batches: Batches,
    graph: StepGraph | None,
    file: Checkpoint,
) -> None:
    """Take one step per batch over all images; on a GPU, replay those on whole batches."""
    config, epoch = state.config, state.epoch
    silent = None if config.progress and state.processes.rank == 0 else True  # None: on a terminal
    rarely = {"disable": silent, "miniters": 50, "maxinterval": math.inf}  # every 50 steps
    batches.start_epoch(epoch)
    with mode(state.model, training=True), torch.random.fork_rng(state.gpus), in_epoch(graph):
        state.seed_dropout(epoch_seeds(config.seed, epoch)[1])
        steps = range(state.step, state.num_steps)
        for step in tqdm(steps, f"epoch {epoch}/{config.num_epochs}", **rarely):
            if graph and step < batches.num_whole_steps:
                graph.take()
            else:
                train_step(state, forward, batches, batches.shards(step), state.lr)
            state.step += 1
            file.save_every()


def train_step(
    state: TrainState, forward: Forward, batches: Batches, shards: list[Shard], lr: float | Tensor
) -> None:
    """Learn from one batch; in a CUDA graph, this Python code does not run for every batch."""
    config = state.config
    for group in state.optimizer.param_groups:
        group["lr"] = lr
    state.optimizer.zero_grad()
    for shard in shards:
        images, targets = batches.load(shard.rows)  # (b, C, H, W), (b,)
        logits, aux_logits = forward(images)  # (b, K)
        loss = total = _loss(logits, targets, config)
        for aux in aux_logits:
            total = total + config.aux_weight * _loss(aux, targets, config)
        state.scaler.scale(total * shard.weight).backward()  # type: ignore[no-untyped-call]
        if shard.count:
            state.sums[0].add_(loss.detach() * shard.count)  # weighted: shards differ in size
            state.sums[1].add_((predicted_classes(logits) == targets).sum())
    state.processes.all_reduce(state.model)
    state.scaler.step(state.optimizer)
    state.scaler.update()


def _loss(logits: Tensor, targets: Tensor, config: TrainConfig) -> Tensor:
    logits = logits if logits.dtype == torch.float64 else logits.float()  # of bf16 and fp16
    return F.cross_entropy(logits, targets, label_smoothing=config.label_smoothing)

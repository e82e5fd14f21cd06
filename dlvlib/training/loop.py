"""The training loop of the course: mini-batch gradient descent, written to be read.

The data is moved to the device once, a batch is picked by index, and the running sums stay on
the device, so that the time goes into the network and not into feeding it.
"""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from dlvlib.metrics import cross_entropy, top_k_accuracy
from dlvlib.runtime import choose_device, mode
from dlvlib.training import augment, distributed, precision
from dlvlib.training.checkpoint import Checkpoint
from dlvlib.training.config import TrainConfig
from dlvlib.training.evaluation import Dataset, check_dataset, check_finite, predict
from dlvlib.training.history import EpochRecord, History, is_out_of_patience
from dlvlib.training.memory import explain, is_out_of_memory
from dlvlib.training.schedules import epoch_seeds, learning_rate
from dlvlib.training.state import TrainState


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

    The order of the images, their augmentation and the dropout masks follow from `config.seed`
    alone; initialising the model is the caller's. On a CPU with a fixed number of threads, the
    same start and the same config give the same weights to the last bit, also when the run was
    killed and resumed. The model ends up on the device, its modules in the modes they came in;
    torch's random state on the CPU and CUDA is left alone.

    Args:
        model: maps images (B, C, H, W) to logits (B, K). With `config.aux_weight` its method
            `forward_with_aux` maps them to the logits and a list of auxiliary logits.
        train: learned from, one pass in a new order per epoch; uint8 pixels are scaled.
        val: measured in float32 after each epoch and never learned from, or None.
        on_epoch: called with each record as soon as it exists (in several processes, in the
            first). The records of a run that is resumed are not repeated.
        checkpoint: a file that holds the state of the run after each epoch. If it exists, the
            run goes on from there.
        checkpoint_every: save also after so many steps; 0 for never.

    Raises:
        TypeError: if images or targets are of a wrong type.
        ValueError: if a data set is empty or of a wrong shape, a target is not one of the
            model's K classes, the model does not return (B, K), or the config asks for what
            the model, the device or the missing val does not give.
        CheckpointError: if the file is no checkpoint, or of another run. It is left as it is.
        FloatingPointError: if the loss becomes infinite or NaN. Looked for once per epoch, and
            the model is left as it is then, usually beyond repair.
        OutOfMemoryError: if the batch does not fit; the message estimates which would.
    """
    processes = distributed.current()
    device = processes.place(choose_device(config.device))
    model.to(device)
    if config.channels_last:
        model.to(memory_format=torch.channels_last)
    check_dataset(model, "train", train)
    if val is not None:
        check_dataset(model, "val", val)
    elif config.patience or config.keep == "best":
        raise ValueError("val must be given for patience and for keep='best', got None")

    state = TrainState(model, config, device, processes)
    file = Checkpoint(checkpoint, checkpoint_every, state, train, val)
    file.load()
    processes.start_equal(model)
    images, targets = train.images.to(device), train.targets.to(device)  # once, not per batch
    if val is not None:  # each process measures a part of it
        piece = processes.pieces(len(val.targets), 1)[0]
        weight = piece.count / len(val.targets)
        val_images, val_targets = val.images[piece.where].to(device), val.targets[piece.where]
        val_share = SimpleNamespace(images=val_images, targets=val_targets.cpu())
    with mode(model, training=True):
        forward = precision.make_forward(model, config)
        if config.compile != "none":
            count = min(config.batch_size, len(images))
            trial = images[processes.pieces(count, config.accumulate)[0].where]
            forward = precision.compile_or_not(forward, state, augment.as_input(trial, config))
    while state.epoch <= config.num_epochs and not is_out_of_patience(state.history, config):
        epoch, failure = state.epoch, None
        state.start_clock()
        try:
            train_epoch(state, forward, images, targets, file)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error)
        if failure is not None:  # out of the handler, which would hold on to the memory
            raise explain(failure, state, images)
        loss_sum, correct, seen = processes.sum(state.sums).tolist()  # waits for the device
        check_finite(loss_sum / seen, f"the training loss of epoch {epoch}", config)
        val_loss = val_top1 = None
        if val is not None:
            val_loss, val_top1 = _validate(state, val_share, weight)
        lr = state.optimizer.param_groups[0]["lr"]
        train_loss, train_top1 = loss_sum / seen, correct / seen
        seconds = state.elapsed()
        record = EpochRecord(epoch, lr, train_loss, train_top1, val_loss, val_top1, seconds)
        state.finish_epoch(record)
        file.save()
        if on_epoch is not None and processes.rank == 0:
            on_epoch(record)
    if state.best is not None:
        model.load_state_dict(state.best)
    return state.history


def train_epoch(
    state: TrainState,
    forward: precision.Forward,
    images: Tensor,
    targets: Tensor,
    file: Checkpoint,
) -> None:
    """Take one step per batch over all images, and add up loss, correct and seen."""
    config, device, epoch = state.config, images.device, state.epoch
    order_seed, dropout_seed = epoch_seeds(config.seed, epoch)
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(order_seed))
    batches = order.to(device).split(config.batch_size)  # the last one may be smaller
    total_steps = config.num_epochs * len(batches)
    silent = None if config.progress and state.processes.rank == 0 else True  # None: on a terminal
    rarely = {"miniters": 50, "maxinterval": math.inf}  # redraw at most every 50 steps
    bar = tqdm(
        batches[state.step :], f"epoch {epoch}/{config.num_epochs}", disable=silent, **rarely
    )

    with mode(state.model, training=True), torch.random.fork_rng(state.gpus):
        state.seed_dropout(dropout_seed)
        for batch in bar:
            step = (epoch - 1) * len(batches) + state.step
            for group in state.optimizer.param_groups:
                group["lr"] = learning_rate(step, total_steps, config)
            train_step(state, forward, images, targets, batch)
            state.step += 1
            file.save_every()


def train_step(
    state: TrainState, forward: precision.Forward, images: Tensor, targets: Tensor, batch: Tensor
) -> None:
    """Learn from the images whose numbers are in `batch`, (B,) int64."""
    config, device = state.config, images.device
    size = images.shape[2:]
    draws = augment.draw(len(batch), size, config, epoch=state.epoch, step=state.step)
    state.optimizer.zero_grad()
    for piece in state.processes.pieces(len(batch), config.accumulate):
        piece_targets = targets[batch[piece.where]]  # (b,), b = B unless the batch is shared out
        pixels = augment.load_batch(images, batch, draws, piece.where, config)
        with precision.autocast(state.precision, device):
            logits, aux_logits = forward(pixels)  # (b, K)
        loss = _loss(logits, piece_targets, config)
        total = loss
        for aux in aux_logits:
            total = total + config.aux_weight * _loss(aux, piece_targets, config)
        state.scaler.scale(total * (piece.count / len(batch))).backward()

        if piece.count:
            state.sums[0] += loss.detach() * piece.count  # weighted: pieces differ in size
            state.sums[1] += (logits.argmax(dim=1) == piece_targets).sum()
            state.sums[2] += piece.count
    state.processes.combine(state.model)
    state.scaler.step(state.optimizer)
    state.scaler.update()


def _loss(logits: Tensor, targets: Tensor, config: TrainConfig) -> Tensor:
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    return F.cross_entropy(logits, targets, label_smoothing=config.label_smoothing)


def _validate(state: TrainState, val: Dataset, weight: float) -> tuple[float, float]:
    """Return loss and top-1 of all images, of which `val` is this process's share."""
    logits = predict(state.model, val.images)
    largest = logits.abs().max().item()
    check_finite(largest, f"a logit after epoch {state.epoch}", state.config)
    loss, top1 = cross_entropy(logits, val.targets), top_k_accuracy(logits, val.targets)
    if state.processes.world > 1:
        shares = weight * torch.tensor([loss, top1], dtype=torch.float64)
        loss, top1 = state.processes.sum(shares.to(state.sums.device)).tolist()
    return loss, top1

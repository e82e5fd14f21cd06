"""What to say when a batch does not fit into memory; the recipe itself is never changed."""

import os

import torch
from torch import Tensor

from dlvlib.runtime import scale_pixels
from dlvlib.training.precision import autocast, make_forward
from dlvlib.training.state import TrainState

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")


class OutOfMemoryError(RuntimeError):
    """A batch does not fit; the message says how many images would, by an estimate."""


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed because there was no memory left; the CPU says so only in words."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(s in str(error) for s in _SIGNS)


def explain(reason: str, state: TrainState, images: Tensor) -> OutOfMemoryError:
    """Return the error to raise after `reason`; what the failed step held is released first."""
    config = state.config
    state.optimizer.zero_grad()
    tried = state.processes.pieces(config.batch_size, config.accumulate)[0].count
    what = f"{tried} images at once (batch_size {config.batch_size}"
    what += f", {state.processes.world} process(es), accumulate {config.accumulate})"
    try:
        per_image = bytes_per_image(state, images)
        free = _free_bytes(images.device) - _bytes_still_needed(state)
    except RuntimeError:  # not even two images fit
        per_image, free = 1, 0
    fitting = min(max(free, 0) // max(per_image, 1), tried // 2)  # never what has just failed
    if fitting < 1:
        advice = "by the estimate not even one image fits: take a smaller model"
    else:
        share = -(-config.batch_size // state.processes.world)
        advice = (
            f"by the estimate of {per_image / 2**20:.3g} MiB an image and {free / 2**20:.0f} MiB "
            f"free, {fitting} would fit: set accumulate to {-(-share // fitting)} for the same "
            f"recipe in smaller pieces, or batch_size to {fitting * state.processes.world}"
        )
    first_line = reason.splitlines()[0][:120]
    return OutOfMemoryError(f"{images.device} has no room for {what}; {advice} ({first_line})")


def bytes_per_image(state: TrainState, images: Tensor) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, per image.

    Counted by letting autograd show what it saves for two images. Each block of memory
    counts once, and parameters do not count. The gradients on their way back come on top of it
    for one layer at a time, and are left out.
    """
    model = state.model
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    buffers = [buffer.clone() for buffer in model.buffers()]
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor  # autograd keeps it, so no address is used twice

    few = images[:2]
    with (
        torch.random.fork_rng(state.gpus),
        autocast(state.precision, images.device),
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
    ):
        kept = make_forward(model, state.config)(scale_pixels(few))
    del kept
    with torch.no_grad():
        for buffer, before in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(before)
    return sum(saved.values()) // len(few)


def _bytes_still_needed(state: TrainState) -> int:
    """Return the bytes of the gradients, and of the optimizer's memory where it has none yet."""
    weights = sum(p.numel() * p.element_size() for p in state.model.parameters())
    if state.optimizer.state:
        return weights
    copies = 2 if state.config.optimizer == "adamw" else bool(state.config.momentum)
    return weights * (1 + copies)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0

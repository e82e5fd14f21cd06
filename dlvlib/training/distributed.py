"""Several processes, each with a share of every batch; started by torchrun.

Each process holds the whole model and all images. It computes the gradient of its share; the
shares' gradients are added up, and every process takes the same step. PyTorch's wrapper
DistributedDataParallel averages instead, which is right only for shares of equal size, and would
lose or repeat images of the last batch; in return it sends while it still computes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Shard:
    """Some images of a batch, computed in one go by one process."""

    rows: slice | Tensor  # positions in the epoch
    count: int  # images that count; 0 for a stand-in, see `Processes.shards`
    weight: float  # count as a fraction of the batch


@dataclass(frozen=True)
class Processes:
    """How many processes train together, and which one this is; alone, its methods do nothing."""

    rank: int = 0
    world: int = 1

    def shards(self, batch: range, accumulate: int = 1) -> list[Shard]:
        """Return this process's share of a batch, cut into at most `accumulate` shards.

        All shares together hold every image once, also where the numbers do not divide. A
        process without an image works on the first one and counts it 0 times, so that
        its gradients exist and are zero.
        """
        first = batch.start + len(batch) * self.rank // self.world
        stop = batch.start + len(batch) * (self.rank + 1) // self.world
        if first == stop:
            return [Shard(slice(batch.start, batch.start + 1), 0, 0.0)]
        size = -(-(stop - first) // accumulate)  # rounded up
        ends = [(start, min(start + size, stop)) for start in range(first, stop, size)]
        return [Shard(slice(a, b), b - a, (b - a) / len(batch)) for a, b in ends]

    def local_device(self, device: torch.device) -> torch.device:
        """Return the GPU of this process where `device` is only "cuda"."""
        if self.world > 1 and device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))
            torch.cuda.set_device(device)
        return device

    def broadcast(self, model: nn.Module) -> None:
        """Give every process the weights and buffers of process 0."""
        if self.world > 1:
            for tensor in model.state_dict().values():
                message = tensor.contiguous()  # channels_last tensors are not
                dist.broadcast(message, src=0)
                tensor.copy_(message)

    def all_reduce(self, model: nn.Module) -> None:
        """Add up the gradients, and average the statistics of BatchNorm, in one message.

        BatchNorm normalises with the images of its own process, as is usual; only the averages
        that it keeps for later are shared here.
        """
        if self.world == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        statistics = [b for b in model.buffers() if b.is_floating_point()]
        tensors = [*gradients, *statistics]
        message = torch.cat([t.detach().flatten() for t in tensors])
        dist.all_reduce(message)
        parts = torch.split(message, [t.numel() for t in tensors])
        with torch.no_grad():
            for i, (tensor, part) in enumerate(zip(tensors, parts, strict=True)):
                mean = part if i < len(gradients) else part / self.world
                tensor.copy_(mean.view_as(tensor))

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes; the argument is not changed."""
        if self.world == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, in order of their rank."""
        if self.world == 1:
            return [value]
        values = [None] * self.world
        dist.all_gather_object(values, value)
        return values


def current() -> Processes:
    """Return the processes that train together now."""
    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    return Processes()


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the other processes if torchrun started this one: nccl on GPUs, gloo on CPUs."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield current()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield current()
    finally:
        dist.destroy_process_group()

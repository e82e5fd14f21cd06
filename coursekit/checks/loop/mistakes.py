"""Training and evaluation loops, right ones and wrong ones, and what can be seen of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coursekit.checks.engine.functions import call, draw_int

Batches = Sequence[tuple[Tensor, Tensor]]


def make_step(*calls: str, softmax: bool = False, graph: bool = False) -> Callable[..., Any]:
    """A training step that makes these calls in this order: "zero", "backward", "step".

    Mistakes: give the loss probabilities, and return it with its graph.
    """

    def train_step(net: nn.Module, optimizer: Any, images: Tensor, targets: Tensor) -> Any:
        logits = net(images)
        loss = F.cross_entropy(logits.softmax(dim=1) if softmax else logits, targets)
        does = {"zero": optimizer.zero_grad, "backward": loss.backward, "step": optimizer.step}
        for name in calls:
            does[name]()
        return loss if graph else loss.item()

    return train_step


def make_epoch(
    step: Callable[..., Any], *, train_mode: bool = True, weigh: bool = True
) -> Callable[..., Any]:
    """A training epoch made of these steps; `weigh` batches by their number of images."""

    def train_epoch(net: nn.Module, optimizer: Any, batches: Batches) -> Any:
        if train_mode:
            net.train()
        sizes = [len(targets) if weigh else 1 for _, targets in batches]
        losses = [step(net, optimizer, *batch) for batch in batches]
        return sum(n * loss for n, loss in zip(sizes, losses, strict=True)) / sum(sizes)

    return train_epoch


def make_evaluate(
    *, eval_mode: bool = True, grad: bool = False, dim: int = 1, weigh: bool = True
) -> Callable[..., tuple[float, float]]:
    """An evaluation that returns (loss, top-1); `dim` is the axis of the largest logit."""

    def evaluate(net: nn.Module, batches: Batches) -> tuple[float, float]:
        net.train(not eval_mode)
        sums, seen = torch.zeros(2), 0
        with torch.set_grad_enabled(grad):
            for images, targets in batches:
                logits = net(images)
                count = len(targets) if weigh else 1
                hits = (logits.argmax(dim=dim) == targets).sum() / len(targets)
                sums += count * torch.stack([F.cross_entropy(logits, targets), hits]).detach()
                seen += count
        return sums[0].item() / seen, sums[1].item() / seen

    return evaluate


def make_batches(
    *, own: bool = False, short: bool = False, drop: bool = False, move: str = "images targets"
) -> Callable[..., list[tuple[Tensor, Tensor]]]:
    """Shuffled batches of a data set.

    Mistakes: an order of its own for each tensor, one batch too few, no smaller batch at the end.
    """

    def shuffled_batches(
        images: Tensor, targets: Tensor, batch_size: int, seed: int
    ) -> list[tuple[Tensor, Tensor]]:
        draw = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(targets), generator=draw)
        other = torch.randperm(len(targets), generator=draw) if own else order
        images = images[order] if "images" in move else images
        targets = targets[other] if "targets" in move else targets
        lost = short * batch_size + drop * (len(targets) % batch_size)
        starts = range(0, len(targets) - lost, batch_size)
        return [(images[s : s + batch_size], targets[s : s + batch_size]) for s in starts]

    return shuffled_batches


def watch_steps(
    train_step: Callable[..., Any], net: nn.Module, batches: Batches
) -> dict[str, Any]:
    """Take two steps, each on its batch; return the losses and the weights after each."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses, weights = [], []
    for images, targets in batches:
        losses.append(train_step(net, optimizer, images, targets))
        weights.append(_flat(net.parameters()))
    return {
        "the loss returned by the first step": losses[0],
        "the weights after the first step": weights[0],
        "the weights after the second step": weights[1],
        "the loss holds a graph": any(map(_holds_graph, losses)),
    }


def watch_epoch(
    train_epoch: Callable[..., Any], net: nn.Module, batches: Batches
) -> dict[str, Any]:
    """Train for one epoch, beginning in eval mode; return the loss, weights and statistics."""
    optimizer = torch.optim.SGD(net.eval().parameters(), lr=0.1)
    loss = train_epoch(net, optimizer, batches)
    return {
        "the loss returned": loss,
        "the weights after the epoch": _flat(net.parameters()),
        "the statistics of batch normalisation": _flat(net.buffers()),
        "the loss holds a graph": _holds_graph(loss),
    }


def watch_evaluate(
    evaluate: Callable[..., Any], net: nn.Module, batches: Batches
) -> dict[str, Any]:
    """Evaluate, beginning in train mode; return the metrics and what was done to the network."""
    recorded = []
    net.register_forward_hook(lambda *_: recorded.append(torch.is_grad_enabled()))
    return {
        "(loss, top1)": evaluate(net.train(), batches),
        "the weights and statistics of the network": _flat([*net.parameters(), *net.buffers()]),
        "all weights can still be trained": all(p.requires_grad for p in net.parameters()),
        "a graph was recorded": any(recorded),
    }


def watch_batches(
    make: Callable[..., Any], images: Tensor, targets: Tensor, batch_size: int, seed: int
) -> dict[str, Any]:
    """Cut a data set into batches; pixel (0, 0, 0) of each image is its number."""

    def orders(seed: int) -> tuple[Tensor, Tensor, list[int]]:
        batches = call(make, images, targets, batch_size, seed)
        if batches is None:
            raise TypeError("it should return the batches, it returned nothing (None)")
        parts = list(batches)
        order = torch.cat([part[0][:, 0, 0, 0] for part in parts])
        return order, torch.cat([part[1] for part in parts]), [len(part[1]) for part in parts]

    def is_cut_first(order: Tensor) -> bool:
        """Whether each batch holds images that are neighbours in the data set."""
        before = (order // batch_size).tolist()  # the batch of each image, were nothing shuffled
        starts = range(0, len(before), batch_size)
        return all(len(set(before[start : start + batch_size])) == 1 for start in starts)

    (order, wanted, sizes), (other, *_) = orders(seed), orders(seed + 1)
    return {
        "the sizes of the batches": sizes,
        "every image is there once": sorted(order.tolist()) == list(range(len(images))),
        "the targets, in the order of the images": wanted[order.argsort()],
        "the order is random": len(set((order.diff() % len(images)).tolist())) > 1,
        "the images are shuffled before they are cut": not all(map(is_cut_first, (order, other))),
        "the same seed gives the same order": torch.equal(order, orders(seed)[0]),
        "another seed gives another order": not torch.equal(order, other),
    }


def draw_batches(generator: torch.Generator, sizes: Sequence[int] = (12, 9, 2)) -> tuple[Any, ...]:
    """A random network with batch normalisation, and batches (images (B, 1, 4, 4), targets)."""
    num_classes = draw_int(generator, 3, 7)
    net = nn.Sequential(
        *(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, num_classes))
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    images = [torch.randn(size, 1, 4, 4, generator=generator) for size in sizes]
    targets = [torch.randint(num_classes, (size,), generator=generator) for size in sizes]
    return net, list(zip(images, targets, strict=True))


def draw_images(generator: torch.Generator) -> tuple[Tensor, Tensor, int, int]:
    """Random (images, targets, batch_size, seed); some batch sizes divide the number of images."""
    pairs = ((12, 4), (13, 4), (20, 7), (15, 5))
    count, batch_size = pairs[draw_int(generator, 0, 3)]
    images = torch.arange(count, dtype=torch.float)[:, None, None, None].repeat(1, 1, 2, 2)
    targets = torch.randint(10, (count,), generator=generator)
    return images, targets, batch_size, draw_int(generator, 0, 98)


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten().double() for tensor in tensors])


def _holds_graph(loss: object) -> bool:
    return isinstance(loss, Tensor) and loss.requires_grad

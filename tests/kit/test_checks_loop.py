from functools import partial

import numpy as np
import shorter
import torch
from torch.nn import functional as F

from coursekit.checks.loop.questions import BUGS


def by_nll(logits, targets, dim=1):
    return F.nll_loss(logits.log_softmax(dim), targets)


def step(order, *, measure=F.cross_entropy, returned=torch.Tensor.item):
    """A training step with forward first; `order` holds the initials of the calls after it."""

    def train_step(net, optimizer, images, targets):
        loss = measure(net(images), targets)
        calls = {"z": optimizer.zero_grad, "b": loss.backward, "s": optimizer.step}
        for initial in order:
            calls[initial]()
        return returned(loss)

    return train_step


tidy = step("bsz", measure=by_nll, returned=torch.Tensor.detach)  # clears last, which is right
softmax_twice = step(
    "zbs", measure=lambda logits, targets: F.cross_entropy(logits.softmax(1), targets)
)


def step_with_closure(net, optimizer, images, targets):
    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), targets)
        loss.backward()
        return loss

    return optimizer.step(closure).item()


def step_with_groups(net, optimizer, images, targets):
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1)
    loss = F.cross_entropy(net(images), targets)
    loss.backward()
    optimizer.step()
    schedule.step()
    return loss.item()


def epoch_of(step, *, train=True, mean=False):
    def train_epoch(net, optimizer, batches):
        if train:
            net.train()
        total = 0
        for images, targets in batches:
            total = total + step(net, optimizer, images, targets) * (1 if mean else len(targets))
        return total / (len(batches) if mean else sum(len(t) for _, t in batches))

    return train_epoch


def measure(*, model=lambda net: net.eval(), axis=1, mean=False, factor=1):
    def evaluate(net, batches):
        model(net)
        losses, hits, counts = [], [], []
        for images, targets in batches:
            logits = net(images)
            losses.append(F.cross_entropy(logits, targets, reduction="sum").item())
            hits.append((logits.argmax(axis) == targets).sum().item())
            counts.append(len(targets))
        if mean:
            losses = [loss / n for loss, n in zip(losses, counts, strict=True)]
            hits = [hit / n for hit, n in zip(hits, counts, strict=True)]
            counts = [1] * len(counts)
        return sum(losses) / sum(counts), factor * sum(hits) / sum(counts)

    return evaluate


def cut(images, targets, batch_size, seed, *, order=True, pair=True, drop=False):
    """A generator of batches; the mistakes are switched on one by one."""
    draw = torch.Generator().manual_seed(seed + 1)
    index = torch.randperm(len(images), generator=draw) if order else torch.arange(len(images))
    other = index if pair else torch.randperm(len(images), generator=draw)
    end = len(images) // batch_size * batch_size if drop else len(images)
    for start in range(0, end, batch_size):
        stop = start + batch_size
        yield images[index[start:stop]], targets[other[start:stop]]


def with_mistake(**mistakes):
    return lambda *arguments: cut(*arguments, **mistakes)


def by_place(place):
    """Batches in an order that is a function of the place of each image, the size and the seed."""

    def shuffled_batches(images, targets, size, seed):
        order = place(torch.arange(len(images)), size, torch.Generator().manual_seed(seed))
        return [(images[part], targets[part]) for part in order.split(size)]

    return shuffled_batches


def inside(places, size, draw):
    parts = places.split(size)
    return torch.cat([part[torch.randperm(len(part), generator=draw)] for part in parts])


def rotated(places, size, draw):
    return (places + 1 + draw.initial_seed() % 3) % len(places)


def frozen(net, batches):
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    return torch.no_grad()(measure())(net, batches)


def forgetful(net, batches):
    found = torch.no_grad()(measure())(net, batches)
    net[1].reset_parameters()
    return found


RIGHT = [
    ("step_bugs", "{'zero_grad' and 'softmax'}"),
    ("step_bugs", np.array(["zero_grad", "softmax"])),
    ("step_bugs", {"zero_grad", "softmax"}),
    ("step_bugs", ["Softmax ", "zero_grad"]),
    ("evaluate_bugs", ("axis", "mode", "no_grad", "batch means")),
    ("evaluate_bugs", {"axis", "mode", "no-grad", "batch_means"}),
    ("batches_bugs", "shuffle, last_batch"),
    ("step", tidy),
    ("step", step_with_closure),
    ("step", step_with_groups),
    ("epoch", epoch_of(tidy)),
    ("evaluate", torch.no_grad()(measure())),
    ("evaluate", torch.inference_mode()(measure())),
    ("batches", cut),
    ("batches", lambda *arguments: list(cut(*arguments))),
]


WRONG = [
    ("step_bugs", "softmax", "There is another"),
    ("step_bugs", {"softmax", "zero_grad", "mode"}, "may leave the mode"),
    ("step_bugs", {"softmax", "axis"}, "1 missing, 1 too many"),
    ("step_bugs", {"softmax", "leak"}, "not one of the words"),
    ("evaluate_bugs", {"mode"}, "There are 3 more"),
    ("evaluate_bugs", {}, "should be a set of words"),
    ("step", step("bs"), "still there in the second"),
    ("step", softmax_twice, "receives probabilities"),
    ("step", step("zsb"), "weights never move"),
    ("step", step("zbs", returned=lambda loss: loss), "holds the graph"),
    ("step", step("zbs", measure=partial(by_nll, dim=0)), "the loss returned by the first step"),
    ("step", lambda *arguments: None, "it returned nothing"),
    ("epoch", epoch_of(step("bs")), "clears the gradients is missing"),
    ("epoch", epoch_of(step("zsb")), "weights never move"),
    ("epoch", epoch_of(step("bzs")), "weights never move"),
    ("epoch", epoch_of(step("zbs", returned=lambda loss: loss)), "with their graphs"),
    ("epoch", epoch_of(tidy, train=False), "sets the mode is missing"),
    ("epoch", epoch_of(tidy, mean=True), "means of the batches"),
    ("epoch", epoch_of(softmax_twice), "the loss returned"),
    ("evaluate", measure(), "records a graph"),
    ("evaluate", torch.no_grad()(measure(model=lambda net: net)), "still in train mode"),
    ("evaluate", torch.no_grad()(measure(axis=0)), "axis of the images"),
    ("evaluate", torch.no_grad()(measure(mean=True)), "means of batches"),
    ("evaluate", torch.no_grad()(measure(factor=100)), "percentage"),
    ("evaluate", measure(model=lambda net: net), "Train mode and the graph"),
    ("evaluate", frozen, "all weights can still be trained: this should be true"),
    ("evaluate", forgetful, "the weights and statistics of the network"),
    ("batches", lambda images, *others: cut(images.neg_(), *others), "changes its input"),
    ("batches", by_place(inside), "shuffled before they are cut: this should be true"),
    ("batches", by_place(lambda places, *_: places[torch.randperm(len(places))]), "the same seed"),
    ("batches", by_place(rotated), "the order is random: this should be true"),
    ("batches", with_mistake(pair=False), "the targets, in the order of the images"),
    ("batches", with_mistake(order=False), "Nothing is shuffled"),
    ("batches", with_mistake(drop=True), "the sizes of the batches"),
    ("batches", lambda images, targets, size, seed: cut(images, targets, size, 0), "the same"),
    ("batches", lambda images, *others: cut(images[:-1], *others), "the sizes"),
]


def test_the_table_of_the_page_holds_each_bug():
    notebook = shorter.page("solutions/04_training_loop").read_text(encoding="utf8")
    for word, meaning in BUGS.items():
        assert f"| `{word}` | {meaning} |" in notebook

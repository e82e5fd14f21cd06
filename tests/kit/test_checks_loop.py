import shorter
import torch
from torch.nn import functional as F

from coursekit.checks import check
from coursekit.checks.loop.questions import BUGS


def step_tidy(net, optimizer, images, targets):
    """Clears after the step, which is right too, and returns a tensor without a graph."""
    loss = F.nll_loss(net(images).log_softmax(1), targets)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def step_piles_up(net, optimizer, images, targets):
    loss = F.cross_entropy(net(images), targets)
    loss.backward()
    optimizer.step()
    return loss.item()


def step_twice_softmax(net, optimizer, images, targets):
    optimizer.zero_grad()
    loss = F.cross_entropy(F.softmax(net(images), dim=-1), targets)
    loss.backward()
    optimizer.step()
    return loss.item()


def step_too_soon(net, optimizer, images, targets):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), targets)
    optimizer.step()
    loss.backward()
    return loss.item()


def step_attached(net, optimizer, images, targets):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images), targets)
    loss.backward()
    optimizer.step()
    return loss


def step_wrong_axis(net, optimizer, images, targets):
    loss = F.nll_loss(net(images).log_softmax(0), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


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


def step_set_to_none(net, optimizer, images, targets):
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(net(images), targets)
    loss.backward()
    optimizer.step()
    return loss.item()


def step_cleared(net, optimizer, images, targets):
    loss = F.cross_entropy(net(images), targets)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


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


RIGHT = [
    ("step_bugs", {"zero_grad", "softmax"}),
    ("step_bugs", ["Softmax ", "zero_grad"]),
    ("evaluate_bugs", ("axis", "mode", "no_grad", "batch means")),
    ("evaluate_bugs", {"axis", "mode", "no-grad", "batch_means"}),
    ("batches_bugs", "shuffle, last_batch"),
    ("step", step_tidy),
    ("step", step_set_to_none),
    ("step", step_with_closure),
    ("step", step_with_groups),
    ("epoch", epoch_of(step_tidy)),
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
    ("epoch_bugs", {"batch means"}, "multiplied"),
    ("epoch_bugs", {"order", "graph", "no_grad"}, "needs the gradients"),
    ("evaluate_bugs", {"mode", "axis"}, "2 missing"),
    ("evaluate_bugs", {"mode"}, "There are 3 more"),
    ("evaluate_bugs", {}, "should be a set of words"),
    ("batches_bugs", {"shuffle"}, "There is another"),
    ("step", step_piles_up, "still there in the second"),
    ("step", step_twice_softmax, "receives probabilities"),
    ("step", step_too_soon, "weights never move"),
    ("step", step_attached, "holds the graph"),
    ("step", step_wrong_axis, "the loss returned by the first step"),
    ("step", lambda *arguments: None, "it returned nothing"),
    ("epoch", epoch_of(step_piles_up), "clears the gradients is missing"),
    ("epoch", epoch_of(step_too_soon), "weights never move"),
    ("epoch", epoch_of(step_cleared), "weights never move"),
    ("epoch", epoch_of(step_attached), "with their graphs"),
    ("epoch", epoch_of(step_tidy, train=False), "sets the mode is missing"),
    ("epoch", epoch_of(step_tidy, mean=True), "means of the batches"),
    ("epoch", epoch_of(step_twice_softmax), "the loss returned"),
    ("evaluate", measure(), "records a graph"),
    ("evaluate", torch.no_grad()(measure(model=lambda net: net)), "still in train mode"),
    ("evaluate", torch.no_grad()(measure(axis=0)), "axis of the images"),
    ("evaluate", torch.no_grad()(measure(mean=True)), "means of batches"),
    ("evaluate", torch.no_grad()(measure(factor=100)), "percentage"),
    ("evaluate", measure(model=lambda net: net), "Train mode and the graph"),
    ("batches", with_mistake(pair=False), "the targets, in the order of the images"),
    ("batches", with_mistake(order=False), "Nothing is shuffled"),
    ("batches", with_mistake(drop=True), "the sizes of the batches"),
    ("batches", lambda images, targets, size, seed: cut(images, targets, size, 0), "the same"),
    ("batches", lambda images, *others: cut(images[:-1], *others), "the sizes"),
    ("batches", lambda *arguments: None, "returned nothing"),
]


def test_an_order_that_comes_from_nowhere_is_refused():
    def unseeded(images, targets, batch_size, seed):
        order = torch.randperm(len(images))
        return [(images[i], targets[i]) for i in order.split(batch_size)]

    assert "same seed" in check("loop.batches", unseeded).message


def test_the_table_of_the_page_holds_each_bug():
    notebook = shorter.page("solutions/04_training_loop").read_text(encoding="utf8")
    for word, meaning in BUGS.items():
        assert f"| `{word}` | {meaning} |" in notebook

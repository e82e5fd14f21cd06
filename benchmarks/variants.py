"""The loops that are compared: each trains a model for one epoch and returns nothing.

All follow the loss, as their tutorials do; the lecture's loop, `fit` and Lightning follow the
accuracy too. The frameworks get the preloaded TensorDataset, so that their own loop is compared.
"""

import logging
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from dlvlib.training import fit
from timing import FIT, FLOOR, LECTURE, Variant
from workloads import Workload


def train_floor(model: nn.Module, workload: Workload, data: SimpleNamespace) -> None:
    """Compute only: the same resident batch again and again, nothing measured."""
    optimizer = workload.optimizer(model)
    for _ in range(len(data.tensor_loader)):
        _step(model, optimizer, *data.batch)


def _train_with_loader(
    model: nn.Module, workload: Workload, data: SimpleNamespace, loader: str
) -> None:
    """Train as the lecture does: a loader, and two numbers fetched at each step."""
    optimizer = workload.optimizer(model)
    losses, accuracies = [], []
    model.train()
    for images, targets in getattr(data, loader):
        loss, logits = _step(model, optimizer, images, targets)
        losses.append(loss.item())
        accuracies.append((logits.argmax(dim=1) == targets).float().mean().item())
        _ = np.mean(losses), np.mean(accuracies)  # the running averages it reports


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Take one optimisation step; return the loss and the logits it started from."""
    optimizer.zero_grad()
    logits = model(images)
    loss = F.cross_entropy(logits, targets)
    loss.backward()
    optimizer.step()
    return loss, logits


def train_lightning(model: nn.Module, workload: Workload, data: SimpleNamespace) -> None:
    """Use Lightning, with no logger, no checkpoint and no progress bar."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            images, targets = batch
            logits = self.model(images)
            loss = F.cross_entropy(logits, targets)
            top1 = (logits.argmax(dim=1) == targets).float().mean()
            self.log_dict({"loss": loss, "top1": top1}, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return workload.optimizer(self.model)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    options = {"accelerator": "cpu", "devices": 1, "max_epochs": 1} | dict.fromkeys(off, False)
    lightning.Trainer(**options).fit(Module(), data.tensor_loader)


def train_fastai(model: nn.Module, workload: Workload, data: SimpleNamespace) -> None:
    """Use fastai, with torch's own SGD and no progress bar."""
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    def make_optimizer(groups: list[list[nn.Parameter]], lr: float) -> OptimWrapper:
        return OptimWrapper(opt=workload.optimizer(model))

    loaders = DataLoaders(data.tensor_loader, [])  # nothing to validate on
    learner = Learner(loaders, model, loss_func=F.cross_entropy, opt_func=make_optimizer)
    with learner.no_logging():
        learner.fit(1, lr=workload.sgd["lr"])


def train_skorch(model: nn.Module, workload: Workload, data: SimpleNamespace) -> None:
    """Use skorch, which makes its own loader of the two tensors."""
    from skorch import NeuralNetClassifier

    options = {f"optimizer__{key}": value for key, value in workload.sgd.items() if key != "lr"}
    network = NeuralNetClassifier(
        model,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=workload.sgd["lr"],
        batch_size=workload.batch_size,
        max_epochs=1,
        train_split=None,
        verbose=0,
        iterator_train__sampler=data.order,
        **options,
    )
    network.fit(data.images, data.targets)


OURS = {
    FLOOR: train_floor,
    FIT: lambda model, workload, data: fit(model, data.pixels, None, workload.config()),
    "loop on a TensorDataset": lambda *given: _train_with_loader(*given, "tensor_loader"),
    LECTURE: lambda *given: _train_with_loader(*given, "lecture_loader"),  # images one by one
}
FRAMEWORKS = {"Lightning": train_lightning, "fastai": train_fastai, "skorch": train_skorch}


def make_variants(
    workload: Workload, data: SimpleNamespace
) -> tuple[dict[str, Variant], dict[str, str]]:
    """Return the variants that work here, and for each framework that does not, why."""
    reasons = {name: _why_not(train, workload, data) for name, train in FRAMEWORKS.items()}
    missing = {name: reason for name, reason in reasons.items() if reason is not None}
    variants = {name: train for name, train in (OURS | FRAMEWORKS).items() if name not in missing}
    return {name: _quietly(train, workload, data) for name, train in variants.items()}, missing


def _quietly(train: Callable, workload: Workload, data: SimpleNamespace) -> Variant:
    def run(model: nn.Module) -> None:
        with warnings.catch_warnings():  # frameworks warn of their own deprecated calls
            warnings.simplefilter("ignore")
            train(model, workload, data)

    return run


def _why_not(train: Callable, workload: Workload, data: SimpleNamespace) -> str | None:
    """Take one step on four images; return the error in one line, or None."""
    images, targets = data.images[:4], data.targets[:4]
    loader = DataLoader(TensorDataset(images, targets), batch_size=4)
    few = SimpleNamespace(tensor_loader=loader, images=images, targets=targets, order=range(4))
    try:
        _quietly(train, workload, few)(workload.build())
    except Exception as error:  # not installed, or not made for this torch
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None

"""What the benchmark trains: a network, its recipe, and images in the two forms of the loops.

Every variant sees the same images in the same order from the same weights, so that each must end
with the same weights; the benchmark records how far they are apart.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from torchvision.datasets import MNIST, ImageFolder
from torchvision.transforms import Compose, Resize, ToTensor

from dlvlib import models
from dlvlib.training import TrainConfig, epoch_seeds


@dataclass(frozen=True)
class Workload:
    """A training recipe; `load` returns a name of the data and the first images of it."""

    title: str
    build: Callable[[], nn.Module]
    load: Callable[[int], tuple[str, Dataset]]
    batch_size: int
    sgd: dict[str, float]  # lr, momentum, weight_decay
    steps: int  # by default, per variant and round
    min_speedup: float | None = None  # what `fit` promises over the lecture's loop

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return plain SGD, the same for every variant."""
        return torch.optim.SGD(model.parameters(), **self.sgd)

    def config(self) -> TrainConfig:
        """Return one epoch of the recipe for `dlvlib.training.fit`."""
        common = {"num_epochs": 1, "device": "cpu", "progress": False}
        return TrainConfig(batch_size=self.batch_size, **self.sgd, **common)


class RandomImages(Dataset):
    """A stand-in for a data set: transforms one random image at a time, decodes nothing."""

    def __init__(self, count: int, shape: tuple[int, ...], transform: Callable) -> None:
        generator = torch.Generator().manual_seed(0)
        self.pixels = torch.randint(256, (count, *shape), dtype=torch.uint8, generator=generator)
        self.targets = torch.randint(10, (count,), generator=generator)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.pixels[index].numpy())
        return self.transform(image), int(self.targets[index])


def load_mnist(count: int) -> tuple[str, Dataset]:
    """Return the first images of MNIST, read and resized as the lecture does."""
    transform = Compose([ToTensor(), Resize((32, 32))])
    folder = os.environ.get("DLV_DATA")
    try:
        if folder:
            return "mnist", _first(MNIST(folder, train=True, transform=transform), count)
    except RuntimeError:  # torchvision found no MNIST there
        pass
    return "random", RandomImages(count, (28, 28), transform)


def load_cifar(count: int) -> tuple[str, Dataset]:
    """Return CIFAR-10 images, mixed, read from one JPEG file each."""
    folder = Path(os.environ.get("DLV_CIFAR") or "nowhere") / "train"
    if not folder.is_dir():
        return "random", RandomImages(count, (32, 32, 3), ToTensor())
    files = ImageFolder(str(folder), transform=ToTensor())  # sorted by class
    mixed = torch.randperm(len(files), generator=torch.Generator().manual_seed(0))
    return "cifar10_jpeg", _first(Subset(files, mixed.tolist()), count)


def _first(dataset: Dataset, count: int) -> Dataset:
    if count > len(dataset):
        rule = f"steps x batch size must be at most the {len(dataset)} images"
        raise ValueError(f"{rule}, got {count}")
    return Subset(dataset, range(count))


def make_data(workload: Workload, steps: int) -> SimpleNamespace:
    """Return the images of one epoch of `steps` steps in every form that a variant needs.

    `images` are the floats that the lecture's transform returns. `pixels` are the same, rounded
    to uint8, as `dlvlib.data` holds them: for images resized as floats that changes the input
    by up to 1/510.
    """
    name, one_by_one = workload.load(steps * workload.batch_size)
    images = torch.stack([image for image, _ in one_by_one])  # (N, C, 32, 32) in [0, 1]
    targets = torch.tensor([target for _, target in one_by_one])
    seed = epoch_seeds(workload.config().seed, 1)[0]  # as `fit` draws the first epoch
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed)).tolist()
    size = workload.batch_size
    return SimpleNamespace(
        name=name,
        lecture_loader=DataLoader(one_by_one, size, sampler=order),
        tensor_loader=DataLoader(TensorDataset(images, targets), size, sampler=order),
        batch=(images[:size].clone(), targets[:size].clone()),
        pixels=SimpleNamespace(images=(images * 255).round().to(torch.uint8), targets=targets),
        images=images,
        targets=targets,
        order=order,
    )


WORKLOADS = {
    "lenet": Workload(
        title="LeNet-5",
        build=lambda: models.build("lenet5"),
        load=load_mnist,
        batch_size=100,
        sgd={"lr": 0.01, "momentum": 0.0, "weight_decay": 0.0},
        steps=200,
        min_speedup=1.70,
    ),
    "resnet20": Workload(
        title="ResNet-20",
        build=lambda: models.build("resnet20"),
        load=load_cifar,
        batch_size=128,
        sgd={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
        steps=30,
    ),
}

"""Data sets as tensors: whole, uint8, in memory, ready to be moved to a device once.

``digits`` (1,797 scans that scikit-learn ships) needs no network. ``mnist``, ``fashion_mnist``
and ``cifar10`` come through torchvision, with its mirrors and checksums. Any folder with ``train``
and ``test`` folders of one folder per class is a data set too.
"""

import hashlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional as F

DOWNLOADED = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
DOWNLOAD_TIMEOUT_SECONDS = 30
RESIZE_CHUNK = 2048  # images; bounds the float copy that a resize needs


class DataError(RuntimeError):
    """A data set is missing, damaged, or not laid out as it must be."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their classes, on the CPU.

    Shape:
        images: (N, C, H, W) uint8, C = 1 for grey and 3 for RGB.
        targets: (N,) int64 indices into `class_names`.
    """

    images: Tensor
    targets: Tensor
    class_names: tuple[str, ...]
    name: str

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.class_names)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over shape, pixels, targets and class names; equal data, equal checksum."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.class_names)).encode())
        digest.update(self.images.contiguous().numpy())
        digest.update(self.targets.contiguous().numpy())
        return digest.hexdigest()

    def subset(self, indices: Tensor) -> "ImageSet":
        """Return the images at `indices`, a (M,) int64 or (N,) bool tensor, in that order."""
        return ImageSet(self.images[indices], self.targets[indices], self.class_names, self.name)


def load(
    name: str | Path, *, root: str | Path | None = None, image_size: int | None = None
) -> tuple[ImageSet, ImageSet]:
    """Return the training and the test set called `name`.

    Args:
        name: "digits", "mnist", "fashion_mnist", "cifar10", or the path of a folder that holds
            ``train/<class>/`` and ``test/<class>/`` folders of images.
        root: where downloads are looked for and kept; by default the environment variable
            DLV_DATA, then a cache folder of the user.
        image_size: height and width after a bilinear, antialiased resize, rounded to whole grey
            levels; None keeps the native size.

    Raises:
        ValueError: if the name is unknown, or `image_size` is not a positive integer.
        DataError: if the data is missing, damaged, or laid out in another way.
    """
    if image_size is not None and (type(image_size) is not int or image_size < 1):
        raise ValueError(f"image_size must be a positive int or None, got {image_size!r}")
    if name == "digits":
        train, test = _load_digits()
    elif name in DOWNLOADED:
        train, test = _load_downloaded(str(name), _data_root(root))
    elif Path(name).is_dir():
        return _load_folder(Path(name), image_size)
    else:
        known = ", ".join(["digits", *DOWNLOADED])
        raise ValueError(f"name must be one of {known}, or an existing folder, got {str(name)!r}")
    if image_size is None:
        return train, test
    return _resized(train, image_size), _resized(test, image_size)


def split(dataset: ImageSet, *, fraction: float = 0.1, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Split off a validation set with the same share of every class; return (rest, validation).

    Raises:
        ValueError: if `fraction` is not in (0, 1), or a class is too small to be on both sides.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be in (0, 1), got {fraction}")
    rest, held_out = _stratified(dataset.targets.numpy(), fraction, seed)
    return dataset.subset(rest), dataset.subset(held_out)


def _stratified(targets: np.ndarray, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    indices = np.arange(len(targets))
    try:
        parts = train_test_split(indices, test_size=fraction, random_state=seed, stratify=targets)
    except ValueError as error:
        counts = np.bincount(targets).tolist()
        raise ValueError(
            f"every class must be on both sides of a split with fraction {fraction}, "
            f"got {counts} images per class"
        ) from error
    first, second = (torch.from_numpy(np.sort(part)) for part in parts)
    return first, second


def _load_digits() -> tuple[ImageSet, ImageSet]:
    bunch = load_digits()
    images = torch.from_numpy(bunch.images)[:, None]  # (1797, 1, 8, 8), values 0 to 16
    images = (images * (255 / 16)).round().to(torch.uint8)
    whole = ImageSet(images, torch.from_numpy(bunch.target).long(), tuple("0123456789"), "digits")
    train, test = _stratified(bunch.target, fraction=0.2, seed=0)
    return whole.subset(train), whole.subset(test)


def _data_root(root: str | Path | None) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlvlib"
    return Path(root or os.environ.get("DLV_DATA") or cache).expanduser()


def _load_downloaded(name: str, root: Path) -> tuple[ImageSet, ImageSet]:
    from torchvision import datasets  # takes a second, and the digits do without it

    dataset_class = getattr(datasets, DOWNLOADED[name])
    parts = []
    for is_train in (True, False):
        try:
            part = _open_or_download(dataset_class, root, is_train)
            images, targets = torch.as_tensor(part.data), torch.as_tensor(part.targets)
            if len(images) != len(targets):
                raise ValueError(f"{len(images)} images and {len(targets)} labels")
        except ConnectionError as error:
            raise DataError(
                f"{name} was looked for in {root}; it is missing or incomplete there and could "
                f"not be downloaded ({error}). Go online and load again, or name the folder that "
                "holds it with root= or DLV_DATA. The data set digits needs nothing."
            ) from error
        except Exception as error:  # torchvision meets damage with whatever error comes first
            raise DataError(
                f"the files of {name} in {root} are damaged ({type(error).__name__}: {error}). "
                "Delete them and load again. The data set digits needs nothing."
            ) from error
        images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
        class_names = tuple(label.partition(" - ")[0] for label in part.classes)
        parts.append(ImageSet(images, targets.long(), class_names, name))
    return parts[0], parts[1]


def _open_or_download(dataset_class: type, root: Path, is_train: bool) -> Any:
    """Open the files that are there; go to the network only where they are not."""
    try:
        return dataset_class(root, train=is_train, download=False)
    except RuntimeError as error:
        if "not found" not in str(error):
            raise
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        root.mkdir(parents=True, exist_ok=True)
        return dataset_class(root, train=is_train, download=True)
    except Exception as error:
        raise ConnectionError(str(error).strip().partition("\n")[0]) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _load_folder(root: Path, image_size: int | None) -> tuple[ImageSet, ImageSet]:
    classes = {part: _class_folders(root / part) for part in ("train", "test")}
    if classes["train"] != classes["test"]:
        only = sorted(set(classes["train"]) ^ set(classes["test"]))
        raise DataError(
            f"train/ and test/ of {root} must hold the same classes; on one side only: {only}"
        )
    class_names = classes["train"]
    parts = []
    for part in ("train", "test"):
        files = [sorted(_image_files(root / part / name)) for name in class_names]
        paths = [path for of_class in files for path in of_class]
        targets = torch.tensor([label for label, group in enumerate(files) for _ in group])
        parts.append((_read_images(paths, image_size), targets))
    if len({images.shape[1] for images, _ in parts}) > 1:  # grey on one side, RGB on the other
        parts = [(images.expand(-1, 3, -1, -1).contiguous(), targets) for images, targets in parts]
    sizes = {tuple(images.shape[2:]) for images, _ in parts}
    if len(sizes) > 1:
        raise DataError(f"train/ and test/ of {root} must have images of one size, got {sizes}")
    train, test = (ImageSet(*part, tuple(class_names), root.name) for part in parts)
    return train, test


def _class_folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(f"a data set folder must hold train/ and test/; there is no {folder}")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if not names:
        raise DataError(f"{folder} must hold one folder for each class, it holds none")
    return names


def _image_files(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    if not files:
        raise DataError(f"the class folder {folder} must hold at least one image, it holds none")
    return files


def _read_images(paths: list[Path], image_size: int | None) -> Tensor:
    """Decode files in parallel into (N, C, H, W) uint8; grey only if every image is grey."""
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda path: _read_image(path, image_size), paths))
    shapes = {image.shape[1:]: path for path, image in zip(paths, images, strict=True)}
    if len(shapes) > 1:
        examples = ", ".join(f"{path.name} is {h}x{w}" for (h, w), path in sorted(shapes.items()))
        raise DataError(f"images must have one size unless image_size is given: {examples[:200]}")
    channels = max(image.shape[0] for image in images)
    return torch.stack([image.expand(channels, -1, -1) for image in images])


def _read_image(path: Path, image_size: int | None) -> Tensor:
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} is not a readable image: {error}") from error
    tensor = torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1)  # (C, H, W)
    return tensor if image_size is None else _resize(tensor[None], image_size)[0]


def _resized(dataset: ImageSet, image_size: int) -> ImageSet:
    chunks = dataset.images.split(RESIZE_CHUNK)
    images = torch.cat([_resize(chunk, image_size) for chunk in chunks])
    return replace(dataset, images=images)


def _resize(images: Tensor, size: int) -> Tensor:
    resized = F.interpolate(images.float(), (size, size), mode="bilinear", antialias=True)
    return resized.round_().clamp_(0, 255).to(torch.uint8)

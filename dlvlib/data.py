"""The data sets of the course as tensors: every image of a set in one block of uint8 pixels.

The sets of the course fit into memory, and a batch is then one indexing operation. Libraries
are imported where they are used: `digits` need not wait for torchvision.
"""

import hashlib
import math
import operator
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlvlib._common import check_int, downloading
from dlvlib._image_files import CorruptFileError, read_folder, read_image, readable, resize
from dlvlib._photographs import Photograph, photographs

__all__ = ["NAMES", "CorruptFileError", "DownloadError", "ImageSet", "Photograph"]
__all__ += ["describe", "load", "photographs", "read_image", "split"]

_DOWNLOADED = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
NAMES = ("digits", *_DOWNLOADED)
_IDX_FILES = {  # MD5 of the unpacked files; torchvision knows those of the archives only
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}


class DownloadError(RuntimeError):
    """A data set is not on the disk and could not be downloaded."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their classes.

    Shape:
        images: (N, C, H, W) uint8 in [0, 255], C = 1 for grey and 3 for RGB.
        targets: (N,) int64, indices into `class_names`.

    Raises:
        ValueError: if the tensors break these rules or do not belong together.
    """

    images: Tensor
    targets: Tensor
    class_names: tuple[str, ...]
    name: str  # "digits", "mnist", ..., or the name of the user's folder

    def __post_init__(self) -> None:
        images, targets = self.images, self.targets
        if images.dtype != torch.uint8 or images.ndim != 4:
            found = f"{type(images).__name__} {tuple(images.shape)} {images.dtype}"
            raise ValueError(f"images must be (N, C, H, W) uint8, got {found}")
        if targets.dtype != torch.int64 or targets.shape != images.shape[:1]:
            found = f"{type(targets).__name__} {tuple(targets.shape)} {targets.dtype}"
            raise ValueError(f"targets must be ({len(images)},) int64, got {found}")
        if len(targets) and not 0 <= targets.min() <= targets.max() < self.num_classes:
            found = f"{targets.min()} to {targets.max()}"
            raise ValueError(f"targets must be in [0, {self.num_classes}), got {found}")

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def num_classes(self) -> int:
        """How many classes there are, including those without an image here."""
        return len(self.class_names)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over pixels, targets and class names, in order; the same on every machine."""
        names = tuple(map(str, self.class_names))
        digest = hashlib.sha256(repr((tuple(self.images.shape), names)).encode())
        digest.update(self.images.cpu().contiguous().flatten().numpy().data)
        digest.update(self.targets.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def subset(self, indices: Tensor | NDArray[Any] | Iterable[int] | slice) -> "ImageSet":
        """Return the images at `indices`, in that order, with all class names."""
        if not isinstance(indices, Tensor | np.ndarray | slice):
            indices = [operator.index(i) for i in indices]  # a tuple would be one place
        return replace(self, images=self.images[indices], targets=self.targets[indices])


def load(
    name: str | Path,
    *,
    root: str | Path | None = None,
    image_size: int | None = None,
    download: bool = True,
) -> tuple[ImageSet, ImageSet]:
    """Return a data set as (train, test), on the CPU.

    In a folder of images, class folders may be nested and may hold links. Files and folders
    whose name begins with a dot, and those that Windows, macOS and network storage leave behind
    (Thumbs.db, desktop.ini, __MACOSX, @eaDir, ...) are ignored; every other file must be an
    image. Classes and files are sorted by name, in every locale alike; é is one name whether
    stored as one character or two. Photos are turned upright, transparent pixels lie on white,
    an animation gives its first frame, and unless every image is grey, all become RGB.

    Args:
        name: "digits" (1,797 scans of 8 x 8 that come with scikit-learn, a fifth of each class
            for the test); "mnist", "fashion_mnist" or "cifar10", downloaded the first time; or
            a folder with `train/` and `test/`, each holding one folder of images per class.
        root: where downloaded sets are stored; by default the environment variable DLV_DATA, or
            else `dlvlib` in the user's cache folder.
        image_size: width and height to resample to (bilinear with antialiasing; an oblong
            image is squeezed). Without it, images stay as they are.
        download: False never uses the network: what is not on the disk is a DownloadError.

    Raises:
        ValueError: if a name or size is not one of these, or the folders break a rule.
        FileNotFoundError: if `train/` or `test/` is missing.
        DownloadError: if a set is neither on the disk nor available from the network.
        CorruptFileError: if a file is truncated, altered, not an image, or has more pixels than
            PIL.Image.MAX_IMAGE_PIXELS (89 million). Downloaded files and PNG images are compared
            with their checksums. No file is ever deleted.
    """
    if image_size is not None:
        image_size = check_int("image_size", image_size, 1)
    if name == "digits" or name in _DOWNLOADED:
        sets = _load_digits() if name == "digits" else _load_downloaded(str(name), root, download)
        if image_size is not None:
            sets = [replace(s, images=resize(s.images, image_size)) for s in sets]
        return sets[0], sets[1]
    folder = Path(os.path.expanduser(name))  # noqa: PTH111 - Path's fails where there is no home
    if not folder.is_dir():
        rule = f"one of {', '.join(NAMES)}, or an existing folder with train/ and test/"
        raise ValueError(f"name must be {rule}, got {str(name)!r}")
    images, targets, class_names, num_train = read_folder(folder, image_size)
    both = ImageSet(images, targets, class_names, readable(folder.resolve().name))
    return both.subset(slice(num_train)), both.subset(slice(num_train, None))


def describe(train: ImageSet, test: ImageSet) -> dict[str, str | int]:
    """Return what a record holds about its data: name, checksums, sizes."""
    return {
        "name": train.name,
        "checksum": train.checksum,
        "test_checksum": test.checksum,
        "num_train": len(train),
        "num_test": len(test),
        "image_size": train.images.shape[-1],
    }


def split(dataset: ImageSet, *, fraction: float = 0.1, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Return (train, val): `fraction` of each class, drawn at random, goes to val.

    Together they hold every image once, each in the order of `dataset`. Val has
    ``fraction * len(dataset)`` images, rounded up, and each class gets its share of them to
    within one image. The same seed gives the same split on every machine.

    Raises:
        ValueError: if fraction is not between 0 and 1, seed is not in [0, 2**32), or a class
            would be missing from one of the parts.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, Real) or not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, both excluded, got {fraction!r}")
    seed = check_int("seed", seed, 0, 2**32 - 1)
    targets = dataset.targets.cpu().numpy()
    counts = np.bincount(targets, minlength=dataset.num_classes)  # (K,)
    shares = fraction * counts
    num_val = np.floor(shares).astype(int)
    total = math.ceil(round(fraction * len(targets), 6))  # 0.07 * 100 is 7.000000000000001
    by_remainder = np.argsort(num_val - shares, kind="stable")  # the largest remainder first
    num_val[by_remainder[: total - num_val.sum()]] += 1

    generator = np.random.RandomState(seed)  # the one whose numbers NumPy promises never to change
    in_val = np.zeros(len(targets), dtype=bool)
    for label, count in enumerate(counts):
        if count and not 0 < num_val[label] < count:
            found = f"{num_val[label]} of the {count} of class {dataset.class_names[label]!r}"
            rule = f"both parts must hold every class, but fraction {fraction} sends"
            raise ValueError(f"{rule} {found} to val: change it or add images")
        in_val[generator.permutation(np.flatnonzero(targets == label))[: num_val[label]]] = True
    chosen = torch.from_numpy(in_val)
    return dataset.subset(~chosen), dataset.subset(chosen)


def _load_digits() -> list[ImageSet]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images)[:, None] * (255 / 16)  # the scans range from 0 to 16
    images = pixels.round().to(torch.uint8)  # (1797, 1, 8, 8)
    targets = torch.from_numpy(bunch.target).long()
    whole = ImageSet(images, targets, tuple("0123456789"), "digits")
    return list(split(whole, fraction=0.2, seed=0))


def _load_downloaded(name: str, root: str | Path | None, download: bool) -> list[ImageSet]:
    from torchvision import datasets

    kind = getattr(datasets, _DOWNLOADED[name])
    root = _find_root(name, root)
    if name == "cifar10":
        folder = root / kind.base_folder
        meta = (kind.meta["filename"], kind.meta["md5"])
        md5s = dict([*kind.train_list, *kind.test_list, meta])
    else:
        folder, md5s = root / kind.__name__ / "raw", _IDX_FILES[name]
    missing = _check_files(name, folder, md5s)
    if missing:
        found = f"{name!r} is not complete in {folder} (missing: {', '.join(missing)})"
        if not download:
            raise DownloadError(f"{found} and download=False")
        reason = ""
        try:
            with downloading():
                downloader = object.__new__(kind)  # its __init__ would look for `processed`
                downloader.root = str(root)
                downloader.download()
        except ConnectionError as error:
            reason = str(error)
        if reason or _check_files(name, folder, md5s):
            raise DownloadError(
                f"{found} and could not be downloaded ({reason}). Load it once with a network, or "
                f"set root= or DLV_DATA to a folder with {folder.relative_to(root)} in it; "
                "'digits' needs no download"
            )
    if name == "cifar10":
        batches = [kind(root, train=train) for train in (True, False)]
        class_names = tuple(batches[0].classes)
        parts = [(np.moveaxis(batch.data, 3, 1), batch.targets) for batch in batches]
    else:
        class_names = tuple(label.partition(" - ")[0] for label in kind.classes)  # "0 - zero"
        parts = [_read_idx(folder, part) for part in ("train", "t10k")]
    tensors = ([torch.from_numpy(np.ascontiguousarray(x)) for x in part] for part in parts)
    return [ImageSet(images, targets.long(), class_names, name) for images, targets in tensors]


def _read_idx(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images (N, 1, 28, 28) and labels (N,) of files whose content has been checked.

    torchvision would take them from an old `processed` folder beside `raw`, if there is one.
    """
    pixels = np.fromfile(folder / f"{part}-images-idx3-ubyte", np.uint8, offset=16)
    labels = np.fromfile(folder / f"{part}-labels-idx1-ubyte", np.uint8, offset=8)
    return pixels.reshape(-1, 1, 28, 28), labels


def _find_root(name: str, root: str | Path | None) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "dlvlib"
    try:
        return Path(root or os.environ.get("DLV_DATA") or cache).expanduser()
    except RuntimeError:
        advice = "set root= or DLV_DATA to a folder for downloads"
        raise DownloadError(f"{name!r} has no folder: there is no home folder; {advice}") from None


def _check_files(name: str, folder: Path, md5s: dict[str, str]) -> list[str]:
    """Return the names of the missing files; reject files with the wrong content."""
    missing = []
    for file, md5 in md5s.items():
        path = folder / file
        if not path.exists():
            missing.append(file)
            continue
        digest = hashlib.md5(usedforsecurity=False)
        if path.is_file():  # reading a pipe would block forever
            digest.update(path.read_bytes())
        if digest.hexdigest() != md5:
            advice = f"delete it and load {name!r} again"
            raise CorruptFileError(f"{path} is truncated or altered: {advice}")
    return missing

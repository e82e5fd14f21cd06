"""The data sets of the course as tensors: every image of a set in one block of uint8 pixels.

The sets of the course fit into memory, and a batch is then one indexing operation. Libraries
are imported where they are used: `digits` need not wait for torchvision.
"""

import hashlib
import math
import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_DOWNLOADED = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
NAMES = ("digits", *_DOWNLOADED)
_TIMEOUT_SECONDS = 30  # without an answer; a dead connection would otherwise hang for ever
_RESIZE_CHUNK = 256  # images as float32 at a time: 150 MB for colour at 224 x 224


class DownloadError(RuntimeError):
    """A data set is not on the disk and could not be downloaded."""


class CorruptFileError(RuntimeError):
    """A file is there, but its content is not what it must be."""


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
            found = f"{tuple(images.shape)} {images.dtype}"
            raise ValueError(f"images must be (N, C, H, W) uint8, got {found}")
        if targets.dtype != torch.int64 or targets.shape != images.shape[:1]:
            found = f"{tuple(targets.shape)} {targets.dtype}"
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
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.class_names)).encode())
        digest.update(self.images.cpu().contiguous().flatten().numpy())
        digest.update(self.targets.cpu().contiguous().numpy())
        return digest.hexdigest()

    def subset(self, indices: Tensor | Sequence[int] | slice) -> "ImageSet":
        """Return the images at `indices`, in that order, with all class names."""
        return replace(self, images=self.images[indices], targets=self.targets[indices])


def load(
    name: str | Path,
    *,
    root: str | Path | None = None,
    image_size: int | None = None,
    download: bool = True,
) -> tuple[ImageSet, ImageSet]:
    """Return a data set as (train, test).

    Args:
        name: "digits" (1,797 scans of 8 x 8 that come with scikit-learn, a fifth of each class
            for the test); "mnist", "fashion_mnist" or "cifar10", downloaded the first time; or
            a folder with `train/` and `test/`, each holding one folder of images per class.
        root: where downloaded sets lie. Without it, the environment variable DLV_DATA; without
            that, `dlvlib` in the user's cache folder.
        image_size: width and height to resample to (bilinear with antialiasing; an oblong
            image is squeezed). Without it, images stay as they are.
        download: False never uses the network: what is not on the disk is a DownloadError.

    Raises:
        ValueError: if a name or size is not one of these, or the folders break a rule.
        FileNotFoundError: if `train/` or `test/` is missing.
        DownloadError: if a set is neither on the disk nor to be had from the network.
        CorruptFileError: if a file is truncated, altered or no image. No file is ever deleted.
    """
    if image_size is not None and (type(image_size) is not int or image_size < 1):
        raise ValueError(f"image_size must be an int >= 1 or None, got {image_size!r}")
    if name == "digits" or name in _DOWNLOADED:
        sets = _load_digits() if name == "digits" else _load_downloaded(str(name), root, download)
        if image_size is not None:
            sets = [replace(s, images=_resize(s.images, image_size)) for s in sets]
        return sets[0], sets[1]
    folder = Path(name).expanduser()
    if not folder.is_dir():
        rule = f"one of {', '.join(NAMES)}, or an existing folder with train/ and test/"
        raise ValueError(f"name must be {rule}, got {str(name)!r}")
    return _load_folder(folder, image_size)


def describe(train: ImageSet, test: ImageSet) -> dict[str, str | int]:
    """Return what a record says of its data: name, checksums, sizes."""
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
            would be absent from one of the parts.
    """
    if isinstance(fraction, bool) or not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, both excluded, got {fraction!r}")
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an int in [0, 2**32), got {seed!r}")
    targets = dataset.targets.cpu().numpy()
    counts = np.bincount(targets, minlength=dataset.num_classes)  # (K,)
    shares = fraction * counts
    num_val = np.floor(shares).astype(int)
    total = math.ceil(round(fraction * len(targets), 6))  # 0.07 * 100 is 7.000000000000001
    robbed = np.argsort(num_val - shares, kind="stable")  # most by rounding down comes first
    num_val[robbed[: total - num_val.sum()]] += 1

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


def _load_digits() -> tuple[ImageSet, ImageSet]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images)[:, None] * (255 / 16)  # the scans reach from 0 to 16
    images = pixels.round().to(torch.uint8)  # (1797, 1, 8, 8)
    targets = torch.from_numpy(bunch.target).long()
    return split(ImageSet(images, targets, tuple("0123456789"), "digits"), fraction=0.2, seed=0)


def _load_downloaded(name: str, root: str | Path | None, download: bool) -> list[ImageSet]:
    from torchvision import datasets
    from torchvision.datasets.utils import check_integrity

    kind = getattr(datasets, _DOWNLOADED[name])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "dlvlib"
    root = Path(root or os.environ.get("DLV_DATA") or cache).expanduser()
    if name == "cifar10":
        folder = root / kind.base_folder
        meta = (kind.meta["filename"], kind.meta["md5"])
        md5s = {folder / file: md5 for file, md5 in [*kind.train_list, *kind.test_list, meta]}
    else:  # torchvision has checksums for the archives only, not for what comes out of them
        folder = root / kind.__name__ / "raw"
        md5s = {folder / Path(archive).stem: None for archive, _ in kind.resources}
    missing = []
    for path, md5 in md5s.items():
        if not path.exists():
            missing.append(path.name)
        elif not (check_integrity(path, md5) if md5 else _is_whole_idx(path)):
            advice = f"delete it and load {name!r} again"
            raise CorruptFileError(f"{path} is truncated or altered: {advice}")
    if missing and not download:
        found = f"missing: {', '.join(missing)}"
        raise DownloadError(f"{name!r} is not complete in {folder} ({found}) and download=False")
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        parts = [kind(root, train=train, download=bool(missing)) for train in (True, False)]
    except (RuntimeError, OSError, EOFError, HTTPException) as error:
        if not missing:
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise DownloadError(
            f"{name!r} is not complete in {folder} (missing: {', '.join(missing)}) and could not "
            f"be downloaded ({reason}). Load it once with a network, or set root= or DLV_DATA to "
            f"a folder with {folder.relative_to(root)} in it; 'digits' needs no download"
        ) from None
    finally:
        socket.setdefaulttimeout(timeout)
    names = tuple(label.partition(" - ")[0] for label in parts[0].classes)  # "0 - zero"
    return [ImageSet(_as_channels(p.data), torch.as_tensor(p.targets), names, name) for p in parts]


def _is_whole_idx(path: Path) -> bool:
    """Whether a file of the MNIST format has the size that its header announces."""
    ndim = 3 if "idx3" in path.name else 1
    header = np.fromfile(path, dtype=">i4", count=1 + ndim)  # magic number, then the shape
    if len(header) < 1 + ndim or header[0] != 0x800 + ndim:
        return False
    return path.stat().st_size == header.nbytes + math.prod(header[1:].tolist())


def _as_channels(pixels: Tensor | np.ndarray) -> Tensor:
    """Bring (N, H, W) or (N, H, W, C) to (N, C, H, W)."""
    pixels = torch.as_tensor(pixels)
    return pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous()


def _load_folder(folder: Path, image_size: int | None) -> tuple[ImageSet, ImageSet]:
    train, test = _list_images(folder, "train"), _list_images(folder, "test")
    if train.keys() != test.keys():
        train_only = ", ".join(sorted(train.keys() - test.keys())) or "none"
        test_only = ", ".join(sorted(test.keys() - train.keys())) or "none"
        rule = f"train and test in {folder} must have the same classes"
        raise ValueError(f"{rule}; only in train: {train_only}; only in test: {test_only}")
    groups = [*train.values(), *test.values()]
    images = _read_images([path for group in groups for path in group], image_size)
    labels = [label for label, group in enumerate(groups) for _ in group]
    targets = torch.tensor(labels) % len(train)  # the test groups repeat the classes
    both = ImageSet(images, targets, tuple(train), folder.resolve().name)
    num_train = sum(map(len, train.values()))
    return both.subset(slice(num_train)), both.subset(slice(num_train, None))


def _list_images(folder: Path, part: str) -> dict[str, list[Path]]:
    """Return the files of each class, both sorted by name; hidden files are none."""
    if not (folder / part).is_dir():
        rule = "must hold train/ and test/, each with a folder of images for each class"
        raise FileNotFoundError(f"{folder} {rule}: {part}/ is missing")
    files = {}
    for class_folder in sorted((folder / part).iterdir(), key=lambda path: path.name):
        if class_folder.is_dir() and not class_folder.name.startswith("."):
            paths = sorted(class_folder.rglob("*"), key=Path.as_posix)
            shown = [p for p in paths if "/." not in p.relative_to(folder / part).as_posix()]
            files[class_folder.name] = [path for path in shown if not path.is_dir()]
            if not files[class_folder.name]:
                raise ValueError(f"a class folder must hold at least one image: {class_folder}")
    if not files:
        raise ValueError(f"{folder / part} must hold a folder of images for each class: no folder")
    return files


def _read_images(paths: list[Path], image_size: int | None) -> Tensor:
    """Return (N, C, H, W): grey if every image is, else RGB."""
    images, all_grey = None, True
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = pool.map(lambda path: _read_image(path, image_size), paths)
        for index, (pixels, is_grey) in enumerate(decoded):
            if images is None:
                images = torch.empty((len(paths), *pixels.shape), dtype=torch.uint8)
            if pixels.shape != images.shape[1:]:
                pool.shutdown(cancel_futures=True)  # the error need not wait for the rest
                first, other = (f"{t.shape[-1]} x {t.shape[-2]}" for t in (images, pixels))
                rule = "images must have one size (width x height) unless image_size is given"
                raise ValueError(f"{rule}: {paths[0]} is {first}, {paths[index]} is {other}")
            images[index] = pixels
            all_grey &= is_grey
    return images[:, :1].contiguous() if all_grey else images


def _read_image(path: Path, image_size: int | None) -> tuple[Tensor, bool]:
    """Return the pixels as RGB (3, H, W), upright, and whether the file is a grey one."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":  # converting these would clip what is above 255
                raise ValueError(f"pixels must have 8 bits, their type is {image.mode}")
            is_grey = image.mode in ("1", "L", "LA")
            rgb = ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # each decoder fails in its own way
        message = f"{path} cannot be read as an image ({error}): mend it or move it out"
        raise CorruptFileError(message) from None
    pixels = torch.from_numpy(np.array(rgb)).permute(2, 0, 1)
    return (pixels if image_size is None else _resize(pixels[None], image_size)[0]), is_grey


def _resize(images: Tensor, size: int) -> Tensor:
    """Resample (N, C, H, W) uint8 to (N, C, size, size), a chunk at a time to spare memory."""
    if images.shape[-2:] == (size, size):
        return images
    resized = torch.empty((*images.shape[:2], size, size), dtype=torch.uint8)
    for first in range(0, len(images), _RESIZE_CHUNK):
        chunk = slice(first, first + _RESIZE_CHUNK)
        pixels = images[chunk].float()  # torch's own uint8 arithmetic depends on the processor
        pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
        resized[chunk] = pixels.round_()
    return resized

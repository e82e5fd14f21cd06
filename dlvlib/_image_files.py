"""Folders of image files as tensors: which files count, and how their pixels are read."""

import os
import stat
import unicodedata
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_RESIZE_CHUNK = 256  # images as float32 at a time: 150 MB for colour at 224 x 224
_IGNORED = {  # left behind by Windows, macOS and network storage; names that begin with a dot too
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("__macosx", "icon\r", "@eadir", "#recycle"),
}


class CorruptFileError(RuntimeError):
    """A file exists, but its content is damaged or of the wrong kind."""


def read_folder(
    folder: Path, image_size: int | None
) -> tuple[Tensor, Tensor, tuple[str, ...], int]:
    """Return images, targets and class names of train/ and then test/, and the size of train."""
    train, test = _list_images(folder, "train"), _list_images(folder, "test")
    if train.keys() != test.keys():
        train_only = ", ".join(sorted(train.keys() - test.keys())) or "none"
        test_only = ", ".join(sorted(test.keys() - train.keys())) or "none"
        rule = f"train and test in {folder} must have the same classes"
        raise ValueError(f"{rule}; only in train: {train_only}; only in test: {test_only}")
    groups = [*train.values(), *test.values()]
    images = _read_images([path for group in groups for path in group], image_size)
    labels = [label for label, group in enumerate(groups) for _ in group]
    targets = torch.tensor(labels, device="cpu") % len(train)  # the test groups repeat the classes
    return images, targets, tuple(train), sum(map(len, train.values()))


def readable(name: str) -> str:
    """The name of a file as text that is the same in every locale and on every system.

    Bytes that are not UTF-8 are written as escapes, and an accent is part of its letter (NFC).
    """
    return unicodedata.normalize("NFC", os.fsencode(name).decode(errors="backslashreplace"))


def read_image(path: str | Path) -> Tensor:
    """Read any image file as (3, H, W) uint8 RGB, as `load` reads those of a folder.

    Raises:
        FileNotFoundError: if there is no such file.
        CorruptFileError: if it is damaged, not an image, or has too many pixels.
    """
    from PIL import Image

    path = Path(os.path.expanduser(path))  # noqa: PTH111 - Path's fails where there is no home
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return _read_image(path, None)[0]


def _list_images(folder: Path, part: str) -> dict[str, list[Path]]:
    """Return the files of each class, both sorted by name."""
    if not (folder / part).is_dir():
        rule = "must hold train/ and test/, each with a folder of images for each class"
        raise FileNotFoundError(f"{folder} {rule}: {part}/ is missing")
    files: dict[str, list[Path]] = {}
    for class_folder in sorted(_entries(folder / part), key=lambda path: readable(path.name)):
        if not class_folder.is_dir():
            class_folder.stat()  # raises if it is a link to nowhere
            continue
        name = readable(class_folder.name)
        if name in files:
            raise ValueError(f"class folders must have different names, got 2 named {name!r}")
        files[name] = sorted(_walk(class_folder), key=lambda path: readable(path.as_posix()))
        if not files[name]:
            raise ValueError(f"a class folder must hold at least one image: {class_folder}")
    if not files:
        raise ValueError(f"{folder / part} must hold a folder of images for each class, got none")
    return files


def _entries(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if not path.name.startswith(".") and path.name.casefold() not in _IGNORED:
            yield path


def _walk(folder: Path, parents: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Every file below `folder`, through links."""
    real = folder.resolve()
    if real in parents:
        raise ValueError(f"a link must not lead to a folder that contains it: {folder}")
    for path in _entries(folder):
        if path.is_dir():
            yield from _walk(path, (*parents, real))
        else:
            yield path


def _read_images(paths: list[Path], image_size: int | None) -> Tensor:
    """Return (N, C, H, W): grey if every image is, else RGB."""
    from PIL import Image

    images, all_grey = torch.empty(0, device="cpu"), True
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            decoded = pool.map(lambda path: _read_image(path, image_size), paths)
            for index, (pixels, is_grey) in enumerate(decoded):
                if index == 0:
                    shape = (len(paths), *pixels.shape)
                    images = torch.empty(shape, dtype=torch.uint8, device="cpu")
                if pixels.shape != images.shape[1:]:
                    first, other = (f"{t.shape[-1]} x {t.shape[-2]}" for t in (images, pixels))
                    rule = "images must have one size (width x height) unless image_size is given"
                    raise ValueError(f"{rule}: {paths[0]} is {first}, {paths[index]} is {other}")
                images[index] = pixels
                all_grey &= is_grey
        finally:  # an error or Ctrl-C need not wait for the rest
            pool.shutdown(cancel_futures=True)
    return images[:, :1].contiguous() if all_grey else images


def _read_image(path: Path, image_size: int | None) -> tuple[Tensor, bool]:
    """Return the pixels as RGB (3, H, W), upright, and whether the file is greyscale."""
    from PIL import Image, ImageOps

    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block forever
            raise ValueError("it is not a regular file")
        with Image.open(path) as image:
            image.verify()  # the checksums in a PNG, which decoding does not look at
        with Image.open(path) as image:
            if image.mode[0] in "IF":  # converting these would clip what is above 255
                raise ValueError(f"pixels must have 8 bits, their type is {image.mode}")
            is_grey = image.mode in ("1", "L", "LA")
            upright = ImageOps.exif_transpose(image)
            if image.mode.endswith(("A", "a")) or "transparency" in image.info:
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright.convert("RGBA"))
            rgb = upright.convert("RGB")
    except Exception as error:  # each decoder fails in its own way
        reason = " ".join(str(error).split())
        message = f"{path} cannot be read as an image ({reason}): fix or remove it"
        raise CorruptFileError(message) from None
    pixels = torch.from_numpy(np.array(rgb)).permute(2, 0, 1)
    return (pixels if image_size is None else resize(pixels[None], image_size)[0]), is_grey


def resize(images: Tensor, size: int) -> Tensor:
    """Resample (N, C, H, W) uint8 to (N, C, size, size), a chunk at a time to save memory."""
    if images.shape[-2:] == (size, size):
        return images
    shape = (*images.shape[:2], size, size)
    resized = torch.empty(shape, dtype=torch.uint8, device=images.device)
    for first in range(0, len(images), _RESIZE_CHUNK):
        chunk = slice(first, first + _RESIZE_CHUNK)
        pixels = images[chunk].float()  # torch's own uint8 arithmetic depends on the processor
        pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
        resized[chunk] = pixels.round_()
    return resized

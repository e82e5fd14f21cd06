"""The photographs of the course: they come with installed packages, nothing is downloaded."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from dlvlib._image_files import CorruptFileError, read_image

_CC0 = "CC0 1.0"
_CC_BY = "CC BY 2.0"
_PUBLIC = "public domain"
_PHOTOGRAPHS = {  # name: package, file in it, credit, licence; as the packages state them
    "coffee": ("skimage", "data/coffee.png", "Rachel Michetti, Pikolo Espresso Bar", _CC0),
    "chelsea": ("skimage", "data/chelsea.png", "Stéfan van der Walt", _CC0),
    "china": ("sklearn", "datasets/images/china.jpg", "danielbuechele on Flickr", _CC_BY),
    "camera": ("skimage", "data/camera.png", "Lav Varshney", _CC0),
    "rocket": ("skimage", "data/rocket.jpg", "SpaceX", _PUBLIC),
    "grace_hopper": (
        *("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
        *("James S. Davis, U.S. Navy", _PUBLIC),
    ),
    "astronaut": ("skimage", "data/astronaut.png", "NASA", _PUBLIC),
    "horse": ("skimage", "data/horse.png", "Andreas Preuss on Openclipart", _CC0),
}
_DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture and what its caption must name.

    Shape:
        image: (3, H, W) uint8.
    """

    name: str
    credit: str  # who made it
    licence: str
    image: Tensor = field(repr=False)


def photographs() -> dict[str, Photograph]:
    """Return the photographs of the course by name; the horse is a silhouette.

    Each may be shown: it is in the public domain, or under CC0 or CC BY, which asks for the
    credit.

    Raises:
        CorruptFileError: if a package or its picture is not installed.

    >>> photographs()["coffee"].image.shape
    torch.Size([3, 400, 600])
    """
    return {
        name: Photograph(name, credit, licence, _read(package, file))
        for name, (package, file, credit, licence) in _PHOTOGRAPHS.items()
    }


def _read(package: str, file: str) -> Tensor:
    spec = importlib.util.find_spec(package)  # the package itself is not imported
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / file).is_file():
        distribution = _DISTRIBUTIONS.get(package, package)
        raise CorruptFileError(
            f"{file} of {distribution} is not installed: pip install --upgrade {distribution}"
        )
    return read_image(Path(spec.origin).parent / file)

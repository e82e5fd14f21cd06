"""The recipe of a training run: one frozen object that rejects unknown fields."""

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import pairwise
from numbers import Real
from pathlib import Path
from typing import Any, Self

import torch

from dlvlib._common import check_int


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides how a model is trained; an invalid value is rejected at once.

    Scalars of NumPy and torch become Python's own.

    Raises:
        ValueError: if a field breaks its rule; the message names both.
    """

    num_epochs: int = 10
    batch_size: int = 100  # images per step, over all processes and shards
    lr: float = 0.01
    momentum: float = 0.0  # "sgd" only
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_all: bool = True  # False: no weight decay on biases and normalisation layers
    optimizer: str = "sgd"  # or "adamw"
    schedule: str = "constant"  # or "cosine", "step" or "one_cycle"; see `learning_rate`
    milestones: tuple[float, ...] = (0.5, 0.75)  # for "step", as fractions of all steps
    peak: float = 0.3  # for "one_cycle": where `lr` is reached, as a fraction of all steps
    warmup_steps: int = 0
    label_smoothing: float = 0.0
    aux_weight: float = 0.0  # of each auxiliary loss; 0.3 for GoogLeNet, see `fit`
    crop_padding: int = 0  # black pixels added on each side before a crop at random; 4 for CIFAR
    flip: bool = False  # mirror every other image, at random
    cutout: int = 0  # side of a black square at random, in pixels
    patience: int = 0  # stop after so many epochs without a better `monitor`; 0: never
    monitor: str = "val_loss"  # or "val_top1"
    keep: str = "last"  # or "best": the weights of the epoch with the best `monitor`
    accumulate: int = 1  # shards in which a batch is computed where it does not fit in memory
    precision: str = "auto"  # or "float32", "bf16", "fp16"; see `choose_precision`
    channels_last: bool = False
    compile: str = "none"  # or "default", "reduce-overhead"
    graph: bool = True  # on a CUDA GPU, replay the whole step as one CUDA graph; see `captured`
    seed: int = 0
    device: str = "auto"
    progress: bool = True  # a bar in a terminal; files and notebooks never get one

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _convert(field.name, getattr(self, field.name)))
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum must be 0 unless optimizer is sgd, got {self.momentum}")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov must be False while momentum is 0, got True")
        if self.warmup_steps and self.schedule == "one_cycle":
            rule = "warmup_steps must be 0 for one_cycle, which warms up"
            raise ValueError(f"{rule}, got {self.warmup_steps}")
        if self.accumulate > self.batch_size:
            rule = f"accumulate must be at most batch_size {self.batch_size}"
            raise ValueError(f"{rule}, got {self.accumulate}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the config with these fields; the others keep their defaults.

        Raises:
            ValueError: if a key is not a field, or a value breaks its rule.
        """
        names = [field.name for field in fields(cls)]
        unknown = [repr(key) for key in values if key not in names]
        if unknown:
            raise ValueError(f"unknown key {', '.join(unknown)}; there are: {', '.join(names)}")
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read the fields from a YAML file, one `name: value` per line; JSON is YAML too.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not YAML, not a mapping, names a field twice, or as `from_dict`.
        """
        path = Path(path)
        try:
            values = _read_yaml(path.read_text(encoding="utf8"))
            if not isinstance(values, dict):
                got = type(values).__name__
                raise ValueError(f"the file must hold lines of the form name: value, got {got}")
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error


def _read_yaml(text: str) -> Any:
    """Parse YAML, with 1e-3 as a number (YAML 1.2) and without a second value for a key."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [self.construct_object(key) for key, _ in node.value]
            duplicate = next((key for key in keys if keys.count(key) > 1), None)
            if duplicate is not None:
                raise ValueError(f"duplicate key {duplicate!r}")
            return super().construct_mapping(node, deep)

    number = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"not readable as YAML: {' '.join(str(error).split())}") from error


_INTEGERS: dict[str, tuple[int, int | None]] = {  # field: least and most
    **dict.fromkeys(("num_epochs", "batch_size", "accumulate"), (1, None)),
    **dict.fromkeys(("warmup_steps", "crop_padding", "cutout", "patience"), (0, None)),
    "seed": (0, 2**32 - 1),
}
_NUMBERS: dict[str, tuple[str, Callable[[float], bool]]] = {  # field: its rule
    "lr": ("a number > 0", lambda x: 0 < x < math.inf),
    **dict.fromkeys(
        ("weight_decay", "aux_weight"), ("a number >= 0", lambda x: 0 <= x < math.inf)
    ),
    **dict.fromkeys(("momentum", "label_smoothing"), ("in [0, 1)", lambda x: 0 <= x < 1)),
    "peak": ("between 0 and 1", lambda x: 0 < x < 1),
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("constant", "cosine", "step", "one_cycle"),
    "monitor": ("val_loss", "val_top1"),
    "keep": ("last", "best"),
    "precision": ("auto", "float32", "bf16", "fp16"),
    "compile": ("none", "default", "reduce-overhead"),
}


def _convert(name: str, value: Any) -> Any:
    """Return the value of a field as Python's own type, so that JSON and checkpoints keep it.

    Raises:
        ValueError: if it breaks its rule.
    """
    plain = value.item() if getattr(value, "ndim", None) == 0 else value  # of NumPy or torch
    if name in _INTEGERS:
        return check_int(name, plain, *_INTEGERS[name])
    if name in _NUMBERS:
        rule, holds = _NUMBERS[name]
        plain = _as_float(plain)
        valid = holds(plain)
    elif name in _CHOICES:
        choices = _CHOICES[name]
        rule, valid = f"{', '.join(choices[:-1])} or {choices[-1]}", plain in choices
        plain = next((choice for choice in choices if choice == plain), None)
    elif name == "milestones":
        rule = "fractions rising between 0 and 1"
        values = plain.tolist() if hasattr(plain, "tolist") else plain  # an array or a tensor
        valid = isinstance(values, list | tuple)
        plain = tuple(map(_as_float, values)) if valid else ()
        valid = valid and all(low < high for low, high in pairwise((0, *plain, 1)))
    elif name == "device":
        rule, valid, plain = "a name", isinstance(plain, str | torch.device), str(plain)
    else:
        rule, valid = "True or False", isinstance(plain, bool)
    if not valid:
        raise ValueError(f"{name} must be {rule}, got {value!r}")
    return plain


def _as_float(value: object) -> float:
    """Return a float; NaN, which breaks every rule, for what is not a number."""
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    return math.nan

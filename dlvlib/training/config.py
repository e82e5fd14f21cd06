"""The recipe of a training run: one frozen object that refuses what it does not know."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides how a model is trained; an invalid value is refused at once.

    Raises:
        ValueError: if a field breaks its rule; the message names both.
    """

    num_epochs: int = 10
    batch_size: int = 100  # images per step, over all processes and pieces
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
    accumulate: int = 1  # pieces in which a batch is computed when it does not fit in memory
    precision: str = "auto"  # or "float32", "bf16", "fp16"; see `choose_precision`
    channels_last: bool = False
    compile: str = "none"  # or "default", "reduce-overhead" (CUDA graphs)
    seed: int = 0
    device: str = "auto"
    progress: bool = True  # a bar in a terminal; files and notebooks never get one

    def __post_init__(self) -> None:
        if isinstance(self.milestones, list):  # as JSON gives it back
            object.__setattr__(self, "milestones", tuple(self.milestones))
        for names, rule, holds in _RULES:
            for name in names.split():
                if not holds(getattr(self, name)):
                    raise ValueError(f"{name} must be {rule}, got {getattr(self, name)!r}")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum must be 0 unless optimizer is sgd, got {self.momentum}")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov must be False while momentum is 0, got True")
        if self.warmup_steps and self.schedule == "one_cycle":
            got = self.warmup_steps
            raise ValueError(f"warmup_steps must be 0 for one_cycle, which warms up, got {got}")
        if self.accumulate > self.batch_size:
            got = f"{self.accumulate} pieces of {self.batch_size} images"
            raise ValueError(f"accumulate must be at most batch_size, got {got}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Return the config with these fields; the others keep their defaults.

        Raises:
            ValueError: if a key is no field, or a value breaks its rule.
        """
        names = [field.name for field in fields(cls)]
        unknown = [repr(key) for key in values if key not in names]
        if unknown:
            raise ValueError(f"unknown key {', '.join(unknown)}; there are: {', '.join(names)}")
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | Path) -> "TrainConfig":
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

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            keys = [self.construct_object(key) for key, _ in node.value]
            twice = [key for key in keys if keys.count(key) > 1]
            if twice:
                raise ValueError(f"a key must stand once, got {twice[0]!r} {len(twice)} times")
            return super().construct_mapping(node, deep)

    number = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"not readable as YAML: {' '.join(str(error).split())}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object, *, low: int) -> bool:
    return type(value) is int and value >= low


def _are_rising_fractions(values: object) -> bool:
    numbers = isinstance(values, tuple) and all(_is_number(value) for value in values)
    return numbers and all(low < high for low, high in pairwise((0, *values, 1)))


def _one_of(*choices: str) -> tuple[str, Callable[[Any], bool]]:
    return f"{', '.join(choices[:-1])} or {choices[-1]}", lambda v: v in choices


_COUNTS = "warmup_steps crop_padding cutout patience"
_RULES: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("num_epochs batch_size accumulate", "an int >= 1", lambda v: _is_count(v, low=1)),
    (_COUNTS, "an int >= 0", lambda v: _is_count(v, low=0)),
    ("seed", "an int in [0, 2**32)", lambda v: type(v) is int and 0 <= v < 2**32),
    ("lr", "a number > 0", lambda v: _is_number(v) and 0 < v < math.inf),
    ("weight_decay aux_weight", "a number >= 0", lambda v: _is_number(v) and 0 <= v < math.inf),
    ("momentum label_smoothing", "in [0, 1)", lambda v: _is_number(v) and 0 <= v < 1),
    ("peak", "between 0 and 1", lambda v: _is_number(v) and 0 < v < 1),
    ("milestones", "fractions rising between 0 and 1", _are_rising_fractions),
    ("optimizer", *_one_of("sgd", "adamw")),
    ("schedule", *_one_of("constant", "cosine", "step", "one_cycle")),
    ("monitor", *_one_of("val_loss", "val_top1")),
    ("keep", *_one_of("last", "best")),
    ("precision", *_one_of("auto", "float32", "bf16", "fp16")),
    ("compile", *_one_of("none", "default", "reduce-overhead")),
    (
        "nesterov decay_all flip channels_last progress",
        "True or False",
        lambda v: isinstance(v, bool),
    ),
    ("device", "a name", lambda v: isinstance(v, str)),
)

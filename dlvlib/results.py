"""Recorded runs: what pages draw their curves and numbers from.

``results.load("degradation")`` finds the course's records from any working folder.
"""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlvlib._records import (
    BUDGETS,
    REQUIRED,
    Record,
    RecordError,
    decode_classes,
    encode_classes,
    read_record,
    read_weights,
    write_record,
    write_weights,
)

if TYPE_CHECKING:  # reading a record must not wait for torch
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = [
    "BUDGETS",
    "REQUIRED",
    "Record",
    "RecordError",
    "Records",
    "choose_budget",
    "dataset_name",
    "dataset_title",
    "date_range",
    "device_name",
    "encode_classes",
    "load",
    "provenance",
    "read_record",
    "read_records",
    "read_weights",
    "records_folder",
    "run_name",
    "timings_folder",
    "variant_of",
    "write_record",
    "write_weights",
]
TITLES = {
    "cifar10": "CIFAR-10",
    "cifar10_jpeg": "CIFAR-10, JPEG copy",
    "digits": "the digits of scikit-learn",
    "mnist": "MNIST",
}
KNOWN = {  # checksum of the training images -> their name, whatever the folder is called
    "eae3feae4e4b8580bea74a0352f06ca06411727d16a5cdef5554ad4fdf9b6520": "cifar10_jpeg",
}


class Records(list[Record]):
    """The recorded runs of one experiment; printed, the line that a page shows above them.

    Attributes:
        folder: where they were read.
        missing: names of planned runs that are not recorded.
    """

    def __init__(self, records: Iterable[Record], folder: Path):
        super().__init__(records)
        self.folder = folder
        self.missing: list[str] = []

    @property
    def budget(self) -> str:
        """The budget of the first record; `load` returns several only with ``budget=None``."""
        return str(self[0]["budget"])

    def of(self, variant: str) -> Records:
        """Return the runs of one variant, ordered by seed; possibly none."""
        return Records((r for r in self if variant_of(r) == variant), self.folder)

    def weights(self, record: Record) -> dict[str, Tensor]:
        """Return the weights that a run saved, floating-point ones as float32."""
        return read_weights(self.folder / f"{record['run']}.json")

    def predictions(self, record: Record) -> NDArray[np.uint8]:
        """Return the class that a run predicted for every test image: (N,)."""
        return decode_classes(record)

    def __str__(self) -> str:
        lines = [provenance(self)]
        if self.missing:
            names, more = ", ".join(self.missing[:3]), len(self.missing) - 3
            names += f" and {more} more" if more > 0 else ""
            lines += [f"Missing: {names}.", "`make train` makes them."]
        return "\n".join(textwrap.fill(line, 76, break_on_hyphens=False) for line in lines)


def records_folder() -> Path:
    """Return the folder of the course's records: in a checkout, or else in the package."""
    return _data_folder("chapters/results", "records")


def timings_folder() -> Path:
    """Return the folder of the course's benchmark results, likewise."""
    return _data_folder("benchmarks/results", "timings")


def _data_folder(in_checkout: str, in_package: str) -> Path:
    package = Path(__file__).parent
    checkout = package.parent / in_checkout
    return checkout if checkout.is_dir() else package / in_package


def load(
    experiment: str,
    budget: str | None = "best",
    *,
    variants: Iterable[str] = (),
    folder: str | Path | None = None,
) -> Records:
    """Read the recorded runs of an experiment, ordered by seed.

    Args:
        budget: one of `BUDGETS`, "best" (see `choose_budget`), or None for all.
        variants: names of what the best budget must have a run of.
        folder: where ``<experiment>/<run>.json`` are; by default the course's own records.

    Raises:
        ValueError: if the budget is another.
        RecordError: if a record is broken, or none exists.
    """
    if budget not in (None, "best", *BUDGETS):
        raise ValueError(f"budget must be one of {BUDGETS}, 'best' or None, got {budget!r}")
    folder = Path(folder or records_folder()) / experiment
    found = read_records(folder)
    if budget == "best":
        budget = choose_budget(found, variants)
    records = [record for record in found if budget in (None, record["budget"])]
    if not records:
        wanted = f"{budget} record" if found else "record"
        raise RecordError(f"no {wanted} in {folder}; `make train` would write it")
    return Records(sorted(records, key=lambda record: record["seed"]), folder)


def read_records(folder: str | Path) -> list[Record]:
    """Read every record in `folder`; there may be none.

    Raises:
        RecordError: if one is broken, or is not the run that its file name promises.
    """
    records = []
    for path in sorted(Path(folder).glob("*.json")):
        records.append(read_record(path))
        if records[-1]["run"] != path.stem:
            raise RecordError(f"{path.name}: is the record of {records[-1]['run']!r}")
    return records


def choose_budget(records: Iterable[Record], variants: Iterable[str] = ()) -> str:
    """Return the longest budget in which every variant has a run, or else most of them.

    Args:
        records: runs at any budget. Smoke runs do not count.
        variants: names; by default every variant that `records` hold.

    Raises:
        ValueError: if `variants` is one text, which would be read letter by letter.
    """
    if isinstance(variants, str):
        raise ValueError(f"variants must be several names, got {variants!r}")
    recorded = {(record["budget"], variant_of(record)) for record in records}
    wanted = set(variants) or {variant for _, variant in recorded}
    counts = {b: sum((b, v) in recorded for v in wanted) for b in BUDGETS[1:]}
    return max(reversed(counts), key=counts.__getitem__) if any(counts.values()) else BUDGETS[1]


def run_name(variant: str, budget: str, seed: int) -> str:
    """Return the name of a run, which is also that of its record: ``resnet20-full-seed0``.

    Raises:
        ValueError: if the variant holds a slash, and so would lead to another folder.
    """
    if "/" in variant:
        raise ValueError(f"a variant must be part of a file's name, without /, got {variant!r}")
    return f"{variant}-{budget}-seed{seed}"


def variant_of(record: Mapping[str, Any]) -> str:
    """Return what `run_name` was given."""
    return str(record["run"]).removesuffix(run_name("", record["budget"], record["seed"]))


def dataset_name(record: Mapping[str, Any]) -> str:
    """Return the name of a record's data set; known images keep theirs in a renamed folder."""
    dataset = record["dataset"]
    return str(KNOWN.get(dataset.get("checksum"), dataset["name"]))


def dataset_title(name: str) -> str:
    """Return a data set's name as a page writes it; an unknown one stays as it is."""
    return TITLES.get(name, name)


def device_name(record: Mapping[str, Any]) -> str:
    """Return what a run was trained on: the accelerator, or the CPU and its threads."""
    machine = record["machine"]
    if machine["accelerator"] != "none":
        return str(machine["accelerator"])
    threads = machine["torch_threads"]
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def date_range(records: Iterable[Mapping[str, Any]]) -> str:
    """Return the day of the first record, and of the last if it differs."""
    days = sorted({str(record["recorded_at"])[:10] for record in records})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def provenance(records: Sequence[Mapping[str, Any]]) -> str:
    """Return one line for a page: how many runs, how long, on what data and machine.

    Raises:
        RecordError: if there is no record, or they mix budgets, data sets or devices.
    """
    if not records:
        raise RecordError("no record to describe")

    def the_one(what: str, value_of: Callable[[Mapping[str, Any]], str]) -> str:
        values = sorted({value_of(record) for record in records})
        if len(values) > 1:
            raise RecordError(f"records of one figure must share one {what}, got {values}")
        return values[0]

    the_one("budget", lambda record: record["budget"])
    title = dataset_title(the_one("data set", dataset_name))
    device = the_one("device", device_name)
    median = statistics.median(record["wall_seconds"] for record in records)
    duration = f"{median / 60:.1f} min" if median >= 60 else f"{median:.0f} s"
    runs = "1 run" if len(records) == 1 else f"{len(records)} runs"
    epochs = [len(record["history"]) for record in records]
    fewest, most = min(epochs), max(epochs)
    if most:  # a record of maps has no history
        length = f"{most}" if fewest == most else f"{fewest or 'up'} to {most}"
        runs += f" of {length} epoch{'s' if most > 1 else ''}"
    torch = records[0]["machine"]["torch"].partition("+")[0]
    return (
        f"Recorded: {runs} on {title}, {device}, torch {torch}, "
        f"median {duration} each, {date_range(records)}."
    )

"""Recorded runs: one JSON file per run, complete, checked, and sealed against hand edits.

A record says what was trained on what, how, by whom (machine, versions, commit), and what came
out. Pages draw their curves and numbers from records; the digest inside each file makes an
edited record fail to load.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # reading a record must not wait for torch
    from torch import Tensor

BUDGETS = ("smoke", "laptop", "full")
TITLES = {  # how a page calls a data set
    "cifar10": "CIFAR-10",
    "cifar10_jpeg": "CIFAR-10, JPEG copy",
    "digits": "the digits of scikit-learn",
    "mnist": "MNIST",
}
KNOWN = {  # checksum of training images -> their name; a folder of images may have any name
    "eae3feae4e4b8580bea74a0352f06ca06411727d16a5cdef5554ad4fdf9b6520": "cifar10_jpeg",
}
REQUIRED = {
    "experiment": str,
    "run": str,
    "budget": str,
    "seed": int,
    "model": str,
    "dataset": dict,  # name, checksum, sizes
    "config": dict,  # everything needed to repeat the run
    "history": list,  # one dict of numbers per epoch
    "metrics": dict,  # final numbers
    "wall_seconds": float,
    "machine": dict,  # runtime.describe_machine()
    "git_commit": str,
    "recorded_at": str,  # UTC, ISO 8601
}


class RecordError(ValueError):
    """A record is missing, incomplete, or not what the run wrote."""


def write_record(path: str | Path, **fields: Any) -> Path:
    """Seal and write one record; the file appears whole or not at all.

    `git_commit` and `recorded_at` are filled in here. Extra fields are kept, so an experiment
    can store a confusion matrix or coordinates beside the required ones.

    Args:
        path: the file, by convention ``chapters/results/<experiment>/<run>.json``.
        **fields: the names and types in `REQUIRED`.

    Raises:
        RecordError: if a required field is missing or of the wrong type, or a number is NaN.
    """
    path = Path(path)
    record = {
        "git_commit": _git_commit(path),
        "recorded_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **fields,
    }
    _check_fields(record, path)
    try:
        record["digest"] = _digest(record)
    except (TypeError, ValueError) as error:
        raise RecordError(f"{path.name}: not storable as JSON: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        temporary.write_text(_format(record), encoding="utf8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_record(path: str | Path) -> dict[str, Any]:
    """Read one record and check it.

    Raises:
        RecordError: if the file is missing, is not JSON, lacks a field, or does not match its
            digest (it was edited after the run wrote it).
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError as error:
        raise RecordError(f"no record at {path}; `make train` would write it") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path.name}: not readable as JSON: {error}") from error
    if not isinstance(record, dict):
        raise RecordError(f"{path.name}: must be a JSON object, got {type(record).__name__}")
    _check_fields(record, path)
    stored = record.pop("digest", None)
    if stored != _digest(record):
        raise RecordError(f"{path.name}: does not match its digest; it was edited after the run")
    return record


def write_weights(path: str | Path, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Keep the weights of a run beside its record, in half precision.

    Args:
        path: the file, by convention ``<run>.safetensors`` beside ``<run>.json``.
        weights: name to tensor, such as ``model.state_dict()``; other types than floating-point
            ones stay as they are.

    Returns:
        What the record must hold in its field `weights`: name, SHA-256 and bytes of the file.

    Raises:
        RecordError: if a number is not finite, or too large for half precision.
    """
    import torch
    from safetensors.torch import save

    path, halves = Path(path), {}
    for name, tensor in weights.items():
        half = tensor.detach().cpu().contiguous()
        if half.is_floating_point():
            half = half.to(torch.float16)
            if not half.isfinite().all():
                raise RecordError(f"{path.name}: {name!r} must be finite as float16")
        halves[name] = half
    content = save(halves)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"file": path.name, "sha256": _sha256(content), "bytes": len(content)}


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the weights that the record at `path` names, floating-point ones as float32.

    Raises:
        RecordError: if the record is broken or names no weights, or if the file is missing or
            is not the one that the run wrote.
    """
    from safetensors.torch import load

    path = Path(path)
    about = read_record(path).get("weights")
    if not about:
        raise RecordError(f"{path.name}: the record names no weights")
    file = path.with_name(Path(about["file"]).name)  # never outside the folder of the record
    if not file.exists():
        raise RecordError(
            f"{file.name} is missing; delete {path.name}, and `make train` repeats it"
        )
    content = file.read_bytes()
    if _sha256(content) != about["sha256"]:
        raise RecordError(f"{file.name}: does not match {path.name}; it was altered after the run")
    return {k: v.float() if v.is_floating_point() else v for k, v in load(content).items()}


def read_experiment(folder: str | Path, *, budget: str | None = None) -> list[dict[str, Any]]:
    """Read every record in `folder`, ordered by file name; optionally of one budget only.

    Raises:
        RecordError: if a record is broken, or none is left.
    """
    folder = Path(folder)
    records = [read_record(path) for path in sorted(folder.glob("*.json"))]
    chosen = [record for record in records if budget in (None, record["budget"])]
    if not chosen:
        wanted = f"{budget} records" if budget else "records"
        raise RecordError(f"no {wanted} in {folder.name}/; `make train` would write them")
    return chosen


def read_recorded(folder: str | Path, runs: Sequence[str]) -> list[dict[str, Any]]:
    """Read the records of `runs` that exist, in the order of the names; maybe none.

    Raises:
        RecordError: if one that exists is broken.
    """
    paths = [Path(folder) / f"{run}.json" for run in runs]
    return [read_record(path) for path in paths if path.exists()]


def choose_budget(folder: str | Path, runs: Mapping[str, Sequence[str]]) -> str:
    """Return the budget of which the largest share is recorded, so the one a page shows.

    Args:
        folder: where the records stand.
        runs: budget to the names of its runs, from the smallest budget to the largest. Between
            equal shares the larger budget wins, unless nothing is recorded at all.
    """

    def share(budget: str) -> float:
        names = runs[budget]
        return sum((Path(folder) / f"{name}.json").exists() for name in names) / len(names)

    recorded = [budget for budget in runs if share(budget) > 0]
    return max(reversed(recorded), key=share) if recorded else next(iter(runs))


def status(folder: str | Path, runs: Sequence[str]) -> str:
    """Say how many of `runs` are recorded, on what, which are missing and how to make them."""
    folder = Path(folder)
    records = read_recorded(folder, runs)
    done = {record["run"] for record in records}
    missing = [run for run in runs if run not in done]
    lines = [f"{len(records)} of {len(runs)} runs are recorded."]
    if records:
        lines.append(provenance(records))
    if missing:
        lines.append(f"Missing: {', '.join(missing)}.")
        lines.append("`make train` makes what is missing.")
    return "\n".join(textwrap.fill(line, 88, break_on_hyphens=False) for line in lines)


def pending(
    folder: str | Path, runs: Sequence[str], *, minutes: float | None = None
) -> Iterator[str]:
    """Yield the names of the runs that have no record in `folder` yet, while time is left.

    Several processes or machines can divide an experiment: where the environment variable
    DLV_SHARE is "2/3", only every third run, from the second on, is this process's.

    Args:
        folder: where ``<run>.json`` would stand.
        runs: names in order of value, the most wanted first.
        minutes: yield no further run after this many minutes; None means no limit.

    Raises:
        ValueError: if DLV_SHARE is not k/n with 1 <= k <= n.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    first, shares = _read_share(os.environ.get("DLV_SHARE") or "1/1")
    for run in runs[first::shares]:
        if (Path(folder) / f"{run}.json").exists():
            continue
        if end is not None and time.monotonic() >= end:
            return
        yield run


def _read_share(text: str) -> tuple[int, int]:
    """Read "k/n" as (k - 1, n)."""
    try:
        part, shares = (int(number) for number in text.split("/"))
    except ValueError:
        part, shares = 0, 0
    if not 1 <= part <= shares:
        raise ValueError(f"DLV_SHARE must be k/n with 1 <= k <= n, got {text!r}")
    return part - 1, shares


def dataset_name(record: Mapping[str, Any]) -> str:
    """Return the name of a record's data set; known images keep theirs in a renamed folder."""
    dataset = record["dataset"]
    return KNOWN.get(dataset.get("checksum"), dataset["name"])


def dataset_title(name: str) -> str:
    """Return how a page calls the data set; a name of the user's own stays as it is."""
    return TITLES.get(name, name)


def provenance(records: Sequence[Mapping[str, Any]]) -> str:
    """One line for a page: how many runs, on what data and machine, how long each.

    Raises:
        RecordError: if there is no record, or the records mix budgets, data sets or processors.
    """
    if not records:
        raise RecordError("no record to describe")
    first = records[0]
    for field, of in (
        ("budget", lambda record: record["budget"]),
        ("data set", dataset_name),
        ("device", _device_name),
    ):
        values = sorted({of(record) for record in records})
        if len(values) > 1:
            raise RecordError(f"records of one figure must share one {field}, got {values}")
    seconds = sorted(record["wall_seconds"] for record in records)
    median = seconds[len(seconds) // 2]
    duration = f"{median / 60:.1f} min" if median >= 60 else f"{median:.0f} s"
    runs = "1 run" if len(records) == 1 else f"{len(records)} runs"
    title = dataset_title(dataset_name(first))
    return (
        f"Recorded: {runs} on {title}, budget “{first['budget']}”, "
        f"{_device_name(first)}, torch {first['machine']['torch'].partition('+')[0]}, "
        f"median {duration} each, {date_range(records)}."
    )


def date_range(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the day of the first record, and of the last where that is another one."""
    days = sorted({record["recorded_at"][:10] for record in records})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _device_name(record: Mapping[str, Any]) -> str:
    machine = record["machine"]
    if machine["accelerator"] != "none":
        return machine["accelerator"]
    threads = machine["torch_threads"]
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def _check_fields(record: Mapping[str, Any], path: Path) -> None:
    for name, kind in REQUIRED.items():
        if name not in record:
            raise RecordError(f"{path.name}: the field {name!r} is missing")
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            got = type(record[name]).__name__
            raise RecordError(f"{path.name}: {name!r} must be {kind.__name__}, got {got}")
    if record["budget"] not in BUDGETS:
        got = record["budget"]
        raise RecordError(f"{path.name}: budget must be one of {BUDGETS}, got {got!r}")


def _digest(record: Mapping[str, Any]) -> str:
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return _sha256(canonical.encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _format(record: Mapping[str, Any]) -> str:
    """JSON with one line per field, so that a diff shows which field changed."""
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}"
        for key, value in record.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _git_commit(path: Path) -> str:
    """Return the commit that holds the code, with "+changes" if the tree differs from it."""
    folder = Path(__file__).parent
    try:
        commit = _git("rev-parse", "HEAD", cwd=folder)
        changed = _git("status", "--porcelain", "--untracked-files=no", cwd=folder)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+changes" if changed else "")


def _git(*arguments: str, cwd: Path) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True
    ).stdout.strip()

"""The files of a recorded run: a JSON record, sealed with a digest, and its weights.

A record holds what was trained on what, how, on which machine, versions and commit, and what
came out. One that was edited by hand does not load.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlvlib._common import write_atomically

if TYPE_CHECKING:  # reading a record must not wait for torch
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Record = dict[str, Any]

BUDGETS = ("smoke", "laptop", "full")  # from the shortest to the longest
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
    """Seal and write one record; `git_commit` and `recorded_at` are filled in.

    Extra fields are kept, so an experiment can store a confusion matrix beside the required
    ones. What is sealed is what JSON gives back: tuples as lists, numbers as keys as text.

    By convention the file is ``<experiment>/<run>.json``; `REQUIRED` has the names of the fields.

    Raises:
        RecordError: if a field is missing, of the wrong type or not storable as JSON.
        OSError: if the file cannot be written; an older one is untouched.
    """
    path = Path(path)
    if "digest" in fields:
        raise RecordError(f"{path.name}: the field 'digest' is reserved for the seal")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        commit = fields.pop("git_commit", None) or _git_commit()
        content = json.dumps({"git_commit": commit, "recorded_at": now, **fields})
        record = _parse(content)
        digest = _digest(record)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"{path.name}: not storable as JSON: {error}") from error
    _check_fields(record, path)
    write_atomically(path, _format({**record, "digest": digest}).encode())
    return path


def read_record(path: str | Path) -> Record:
    """Read one record and check it.

    Raises:
        RecordError: if the file is missing or unreadable, is not JSON, lacks a field, or does
            not match its digest (it was edited after the run wrote it).
    """
    path = Path(path)
    try:
        record = _parse(path.read_text(encoding="utf8"))
        if not isinstance(record, dict):
            raise ValueError(f"must be an object, got {type(record).__name__}")
        stored = record.pop("digest", None)
        digest = _digest(record)
    except FileNotFoundError as error:
        raise RecordError(f"no record at {path}; `make train` would write it") from error
    except OSError as error:
        raise RecordError(f"{path.name}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path.name}: not readable as JSON: {error}") from error
    _check_fields(record, path)
    if stored != digest:
        raise RecordError(f"{path.name}: does not match its digest; it was edited after the run")
    return record


def write_weights(path: str | Path, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Save the weights of a run beside its record, floating-point ones in half precision.

    The weights are such as ``model.state_dict()``; by convention their file is
    ``<run>.safetensors`` beside ``<run>.json``.

    Returns:
        What the record must hold in its field `weights`: name, SHA-256 and bytes of the file.

    Raises:
        RecordError: if a number is not finite, or too large for half precision.
    """
    import torch
    from safetensors.torch import save

    path, halves = Path(path), {}
    for name, tensor in weights.items():
        half = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)  # none share
        if half.is_floating_point():
            half = half.to(torch.float16)
            if not half.isfinite().all():
                raise RecordError(f"{path.name}: {name!r} must be finite as float16")
        halves[name] = half
    content = save(halves)
    write_atomically(path, content)
    return {"file": path.name, "sha256": _sha256(content), "bytes": len(content)}


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the weights that the record at `path` names, floating-point ones as float32.

    Raises:
        RecordError: if the record is broken or names no weights, or if their file is missing or
            is not the one that the run wrote.
    """
    from safetensors.torch import load

    path = Path(path)
    try:
        about = read_record(path)["weights"]
        name, digest = Path(about["file"]).name, about["sha256"]
    except (KeyError, TypeError) as error:
        raise RecordError(f"{path.name}: the record names no weights") from error
    try:
        content = path.with_name(name).read_bytes()  # never outside the folder of the record
    except OSError as error:
        advice = f"delete {path.name}, and `make train` repeats it"
        raise RecordError(f"{name} is missing; {advice}") from error
    if _sha256(content) != digest:
        raise RecordError(f"{name}: does not match {path.name}; it was altered after the run")
    return {k: v.float() if v.is_floating_point() else v for k, v in load(content).items()}


def encode_classes(classes: Any) -> str:
    """Return the predicted class of every image as text for a record: zlib in base64.

    10,000 predictions of ten classes take some 5 kB.

    Args:
        classes: (N,) integers in [0, 256), an array or a tensor on the CPU.

    Raises:
        RecordError: if they are anything else.
    """
    import numpy as np

    array = np.asarray(classes)
    is_valid = array.ndim == 1 and array.dtype.kind in "iu"
    if not is_valid or ((array < 0) | (array > 255)).any():
        got = f"{array.dtype} {array.shape}"
        raise RecordError(f"predictions must be (N,) integers in [0, 256), got {got}")
    return base64.b64encode(zlib.compress(array.astype(np.uint8).tobytes(), 9)).decode()


def decode_classes(record: Record) -> NDArray[np.uint8]:
    """Return what `encode_classes` was given; a record made before it was has none.

    Raises:
        RecordError: if the record holds no predictions.
    """
    import numpy as np

    if "predictions" not in record:
        raise RecordError(f"{record['run']}: the record holds no predictions")
    content = zlib.decompress(base64.b64decode(record["predictions"]))
    return np.frombuffer(bytearray(content), dtype=np.uint8)  # writable, as torch wants it


def _check_fields(record: Record, path: Path) -> None:
    for name, kind in REQUIRED.items():
        if name not in record:
            raise RecordError(f"{path.name}: the field {name!r} is missing")
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            got = type(record[name]).__name__
            raise RecordError(f"{path.name}: {name!r} must be {kind.__name__}, got {got}")
    if record["budget"] not in BUDGETS:
        got = record["budget"]
        raise RecordError(f"{path.name}: budget must be one of {BUDGETS}, got {got!r}")


def _parse(text: str) -> Any:
    """Parse JSON and reject duplicate keys."""

    def unique(pairs: list[tuple[str, Any]]) -> Record:
        record: Record = {}
        for key, value in pairs:
            if key in record:
                raise ValueError(f"duplicate key {key!r}")
            record[key] = value
        return record

    return json.loads(text, object_pairs_hook=unique)


def _digest(record: Record) -> str:
    """Hash the record in one canonical form, which has no NaN and no infinity."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return _sha256(text.encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _format(record: Record) -> str:
    """JSON with one line per field, so that a diff shows which field changed."""
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}"
        for key, value in record.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _git_commit() -> str:
    """Return the commit that holds this code, with "+changes" if the tree differs from it.

    An environment inside of another repository is not in its commits: that is "unknown".
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

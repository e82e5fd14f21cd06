"""What several modules need, without torch: one integer check, one atomic write."""

import itertools
import operator
import os
from pathlib import Path

_counter = itertools.count()


def check_int(name: str, value: object, least: int = 0, most: int | None = None) -> int:
    """Return `value` as an int; NumPy's integers count, booleans and floats do not.

    Raises:
        ValueError: if it is not an integer in [least, most].
    """
    rule = f">= {least}" if most is None else f"in [{least}, {most}]"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        raise ValueError(f"{name} must be an integer {rule}, got {value!r}")
    return number


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file atomically: at every moment the old or the new one is there, whole.

    The bytes go into a temporary file of this process beside it, reach the disk, and then take
    the name. A link is followed; missing folders are created.

    Raises:
        OSError: if the disk is full or the folder cannot be written; the old file is untouched
            and nothing is left over.
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_counter)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else the new name could reach the disk before the bytes
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

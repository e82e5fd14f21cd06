"""What several modules need, without torch: an integer check, a table, files, a download."""

import errno
import operator
import os
import socket  # noqa: TID251 - for a time limit
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

TIMEOUT_SECONDS = 30  # without an answer; a dead connection would otherwise hang forever


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


def times(sizes: Iterable[int]) -> str:
    """Return (3, 224, 224) as 3x224x224."""
    return "x".join(map(str, sizes))


def table(rows: Sequence[Sequence[str]], num_left: int) -> list[str]:
    """Return lines with columns of equal width, the first `num_left` aligned to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[:num_left] = map(str.ljust, row, widths[:num_left])
        lines.append("  ".join(cells).rstrip())
    return lines


def writable(path: str | Path) -> Path:
    """Return the file that `path` leads to, through links; missing folders are created.

    Raises:
        OSError: if there is something other than a file, or its folder cannot be written.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():  # a folder; a device, which root would replace
        raise OSError(errno.EEXIST, "must be a regular file, got something else", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):
        raise OSError(errno.EACCES, "its folder must be writable", str(path))
    return path


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file atomically: at every moment the old or the new one is there, whole.

    The bytes go into a temporary file of their own beside it, reach the disk, and then take the
    name. A link is followed; missing folders are created.

    Raises:
        OSError: if the disk is full or the folder cannot be written; the old file is untouched
            and nothing is left over.
    """
    path = writable(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
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
        with suppress(OSError):  # the file is there, but a network disk may not know fsync
            os.fsync(folder)
        os.close(folder)


@contextmanager
def downloading() -> Iterator[None]:
    """Download something with a time limit.

    Raises:
        ConnectionError: if anything prevents it; the message is one line.
    """
    from http.client import HTTPException  # noqa: TID251 - the error alone; slow to import

    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        yield
    except (RuntimeError, OSError, EOFError, HTTPException) as error:
        reason = str(error).strip() or type(error).__name__
        raise ConnectionError(reason.splitlines()[-1]) from error
    finally:
        socket.setdefaulttimeout(timeout)

"""What the tests of the data share."""

from contextlib import contextmanager

import numpy as np
import pytest


@contextmanager
def refused(error, *parts):
    """Expect `error` with every part in its one-line message and no other traceback above it."""
    with pytest.raises(error) as info:
        yield
    message = str(info.value)
    assert "\n" not in message
    assert [part for part in map(str, parts) if part not in message] == []
    assert info.value.__context__ is None or info.value.__suppress_context__


def random_pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder

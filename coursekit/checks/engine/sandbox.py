"""Call what a student wrote: within a time limit, on copies of the inputs, whatever it does."""

import copy
import ctypes
import textwrap
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

TIME_LIMIT_SECONDS = 5.0


class OutOfTime(BaseException):
    """Raised inside a function that did not return in time; no `except Exception` holds it."""


@dataclass(frozen=True)
class Raised:
    """What a call raised instead of returning: the type of the exception and its text."""

    kind: str
    text: str

    def __str__(self) -> str:
        return textwrap.shorten(f"{self.kind}: {self.text}", width=200, placeholder=" ...")


def call_all(function: Callable[..., Any], inputs: Sequence[tuple]) -> list | None:
    """Call `function` on copies of each input.

    Returns:
        One value for each input, a `Raised` where the call raised; None if the calls together
        took longer than `TIME_LIMIT_SECONDS`. The thread is then told to stop.
    """
    values: list[Any] = []

    def run() -> None:
        for arguments in inputs:
            try:
                values.append(function(*copy.deepcopy(arguments)))
            except OutOfTime:
                return
            except BaseException as error:  # whatever a student's function raises is an answer
                values.append(Raised(type(error).__name__, _text(error)))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(TIME_LIMIT_SECONDS)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(OutOfTime)
        )
        return None
    return values


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception may refuse to describe itself
        return "without a message"

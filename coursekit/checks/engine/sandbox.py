"""Run what a student wrote: within a time limit, and without a trace left in the kernel.

On Linux the code runs in a forked child. A child can always be ended, whatever the code does, and
takes its memory and its changes with it; a fork needs no pickling of the student's class. Other
systems, and code that needs CUDA, use a thread, which can only be asked to stop.
"""

import builtins
import contextlib
import ctypes
import gc
import io
import os
import pickle
import random
import select
import signal
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from coursekit.checks.engine.values import Other, Raised, is_plain, to_plain

TIME_LIMIT_SECONDS = 5.0  # of computing; of waiting where a thread runs the code
PATIENCE = 12  # times as long is waited for a child, whose machine may be busy
STOPPING_SECONDS = 2.0  # for a thread that catches what should end it
MEMORY_LIMIT_BYTES = 4 * 2**30  # in addition to what the kernel uses already
MAX_PRINTED = 2000  # characters

NO_ANSWERS = (type, types.FunctionType, types.ModuleType, bytes, complex, dict)

Step = Callable[[], object]


class Stopped(Exception):
    """The code was ended before it returned; the text is a sentence for the student."""


class OutOfTime(BaseException):
    """Raised in a thread that did not return in time; no `except Exception` catches it."""


def plain(answer: object) -> Any:
    """Return an answer as plain data; its own methods run in the sandbox."""
    if is_plain(answer) or type(answer) is Other:
        return answer
    if type(answer) in NO_ANSWERS:
        return Other(type(answer).__name__)
    try:
        (found,) = run([lambda: answer])
    except Stopped:
        found = None
    return Other(type(answer).__name__) if found is None or isinstance(found, Raised) else found


def run(steps: Sequence[Step]) -> list[Any]:
    """Call each step and return its value as plain data, or a `Raised` where it raised.

    Raises:
        Stopped: if all steps together took longer than the limit, or ended the process.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # no memory for another process
            values = _run_in_child(steps)
            raised = [value for value in values if isinstance(value, Raised)]
            if not any(r.kind == "RuntimeError" and "fork" in r.text for r in raised):
                return values  # else torch refused to work in a fork, as once CUDA is in use
    return _run_in_thread(steps)


def observe(step: Step) -> Any:
    """Call a step and return its value as plain data, or a `Raised` if it raised."""
    try:
        with torch.enable_grad():
            return to_plain(step())
    except BaseException as error:  # whatever a student's function raises is an answer
        return Raised.of(error)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Compute with one thread, and restore the random states of torch, NumPy and random."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - students use this state
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine, several wait for each other at every operation
    try:
        with torch.random.fork_rng(devices=list(gpus)):
            yield
    finally:
        torch.set_num_threads(num_threads)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def _out_of_time(seconds: float) -> Stopped:
    return Stopped(f"Your function did not return within {seconds:g} seconds.")


def _run_in_child(steps: Sequence[Step]) -> list[Any]:
    reader, writer = os.pipe()
    child, status = None, 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, by Python 3.12 on
            child = os.fork()
        if child == 0:
            _be_the_child(steps, writer)
        os.close(writer)
        content = _read(reader, PATIENCE * TIME_LIMIT_SECONDS)
    finally:  # also if the user interrupts the kernel
        os.close(reader)
        if child:
            os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        raise _out_of_time(TIME_LIMIT_SECONDS)
    try:
        values, printed = pickle.loads(content)
    except Exception:  # empty or cut short
        text = "Your function ended the process: by an exit, or because it took too much memory."
        raise Stopped(text) from None
    print(printed, end="")
    return list(values)


def _be_the_child(steps: Sequence[Step], writer: int) -> None:
    """Send the values of the steps and what they printed, then end without any cleaning up."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the kernel, our parent
        signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT_SECONDS)  # then SIGPROF ends the process
        gc.freeze()  # a collection would copy every page of the kernel's objects
        _limit_memory()
        torch.set_num_threads(1)  # the pool of threads was not forked
        torch.cuda.is_available = lambda: False  # a forked process cannot use it
        sys.stdout = sys.stderr = printed = io.StringIO()
        builtins.input = _no_input
        values = [observe(step) for step in steps]
        content = pickle.dumps((values, printed.getvalue()[:MAX_PRINTED]))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(content)
    finally:
        os._exit(0)


def _no_input(*_: object) -> NoReturn:
    raise EOFError("nobody can answer input() here; the function gets its arguments only")


def _limit_memory() -> None:
    import resource  # not on Windows

    with contextlib.suppress(OSError, ValueError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # the child goes first, not the kernel
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_LIMIT_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _read(reader: int, seconds: float) -> bytes:
    chunks: list[bytes] = []
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(reader)
    while poll.poll(max(0, 1000 * (deadline - time.monotonic()))):
        chunk = os.read(reader, 2**16)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
    raise _out_of_time(seconds)


def _run_in_thread(steps: Sequence[Step]) -> list[Any]:
    values: list[Any] = []
    stop, done, over = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        try:
            for step in steps:
                if stop.is_set():
                    return
                values.append(observe(step))
        except OutOfTime:
            pass
        finally:
            while not over.is_set():  # an exception that is still on its way arrives in here
                with contextlib.suppress(OutOfTime):
                    done.set()
                    over.wait()

    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
        if not done.wait(TIME_LIMIT_SECONDS):  # an interrupted `join` takes the thread for ended
            raise _out_of_time(TIME_LIMIT_SECONDS)
        return values
    finally:
        stop.set()
        _interrupt(thread, done)
        over.set()


def _interrupt(thread: threading.Thread, done: threading.Event) -> None:
    """Raise `OutOfTime` in a thread until it ends; `except: pass` catches many, but hardly all."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # else the exception comes in the longest call, inside the `try`
    deadline = time.monotonic() + STOPPING_SECONDS
    while not done.wait(0.001) and time.monotonic() < deadline:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(OutOfTime)
        )
    sys.setswitchinterval(interval)

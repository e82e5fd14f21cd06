"""Run a worker on one notebook within limits, and end all that it has started.

On Linux, where users may create namespaces, the notebook sees no network and no other process,
and its processes end together. Elsewhere it keeps the network, and a process survives that leaves
its group and hides its environment. Files are protected nowhere: they are read and written with
the rights of whoever grades. A container protects them too; the manual has the line.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

NAMESPACES = (
    *("unshare", "--user", "--map-current-user", "--net", "--pid", "--fork", "--kill-child"),
    *("timeout", "--signal=KILL"),  # the first process in there, and no student's
)
MAX_PROCESSES = 200
MAX_FILE_BYTES = 64 * 2**20  # also of the replies
MEMORY_LIMIT_BYTES = 4 * 2**30  # in addition to what the worker uses already
CHECK_SECONDS = 0.1
NOT_BEGUN = "the worker did not begin"
ROOT = Path(__file__).parents[2]


@cache
def can_isolate() -> bool:
    """Whether this system has namespaces for everybody."""
    try:
        done = subprocess.run([*NAMESPACES, "60", "true"], capture_output=True, check=False)
    except OSError:  # there is no unshare
        return False
    return done.returncode == 0


def run(
    task: Mapping[str, Any], seconds: float, interrupted: threading.Event
) -> tuple[bytes, str]:
    """Run the worker on a task, for so long at most; return its replies, and why it was ended."""
    folder = Path(tempfile.mkdtemp(prefix="coursekit-grade-"))
    try:
        (folder / "task.json").write_text(json.dumps({**task, "seconds": seconds}))
        with tempfile.TemporaryFile() as replies, tempfile.TemporaryFile() as log:
            try:
                reason = _run(folder, seconds, interrupted, replies, log)
            except OSError as error:  # no memory, or no process left
                reason = f"{NOT_BEGUN}: {error}"
            for file in (replies, log):
                file.seek(0)
            content, complaints = replies.read(MAX_FILE_BYTES), log.read(MAX_FILE_BYTES)
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=False)  # rmtree recurses
    lines = complaints.decode(errors="replace").strip().splitlines()
    if lines and not content and not reason:
        reason = f"{NOT_BEGUN}: {lines[-1]}"
    return content, reason


def _run(
    folder: Path, seconds: float, interrupted: threading.Event, replies: IO[bytes], log: IO[bytes]
) -> str:
    prefix = (*NAMESPACES, str(seconds + 10)) if can_isolate() else ()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        **{name: str(folder) for name in ("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR")},
        **{"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        **{"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"},
    }
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "coursekit.grade.worker"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=replies,
        stderr=log,
        start_new_session=True,
    )
    deadline = time.monotonic() + seconds
    try:
        while not _has_ended(process.pid):
            if interrupted.wait(CHECK_SECONDS):
                return "interrupted"
            if time.monotonic() > deadline:
                return f"ended after {seconds:g} seconds"
            found = _family(process.pid) if can_isolate() else _marked(folder)
            if len(found) > MAX_PROCESSES:
                return f"ended for having more than {MAX_PROCESSES} processes"
        return ""
    finally:
        _end(process, folder)


def _has_ended(pid: int) -> bool:
    """Whether a child has ended; it keeps its number, so that nobody else can get it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """End a process and all that come from it; a namespace ends with the first process in it."""
    _, *others = _family(process.pid)
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if others and can_isolate():
            os.kill(others[0], signal.SIGKILL)
            process.wait(30)  # until all in the namespace have ended
            return
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)  # also if its leader has ended
    while left := _marked(folder):  # have left the group
        stopped: set[int] = set()
        while new := set(left) - stopped:  # first stop all, so that none starts another
            _signal(new, signal.SIGSTOP)
            stopped |= new
            left = _marked(folder)
        _signal(stopped, signal.SIGKILL)
    process.wait()


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            os.kill(pid, number)


def _family(pid: int) -> list[int]:
    """The process and its descendants, a few more than allowed at most; on Linux only."""
    found = [pid]
    for one in found:  # which grows
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has ended
                found += map(int, path.read_text().split())
        if len(found) > MAX_PROCESSES:
            break
    return found


def _marked(folder: Path) -> list[int]:
    """The processes that have the folder of a notebook in their environment; on Linux only."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended, or is not ours
            if f"HOME={folder}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def limit(seconds: float) -> None:
    """Limit this process, and all that it starts: CPU, memory, sizes of files, processes."""
    import resource  # not on Windows

    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    statm = Path("/proc/self/statm")
    if statm.exists():
        usage = int(statm.read_text().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_CPU: int(seconds) + 1,
        resource.RLIMIT_AS: usage + MEMORY_LIMIT_BYTES,
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    if statm.exists():
        limits[resource.RLIMIT_NPROC] = _num_threads_of_the_user() + MAX_PROCESSES
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS has not all of them
            resource.setrlimit(kind, (most, most))
    os.nice(5)


def _num_threads_of_the_user() -> int:
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if folder.stat().st_uid == os.getuid():
                count += sum(1 for _ in (folder / "task").iterdir())
    return count

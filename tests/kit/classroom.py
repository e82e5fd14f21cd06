"""A class that hands in exercise 1: careful, half finished and hostile students."""

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import IO, Any
from unittest import mock

import shorter
import torch

from coursekit.grade import isolation, worker

QUESTIONS = (
    *("top1", "top3", "cross_entropy", "top_k_function", "cross_entropy_function"),
    *("double_softmax", "epoch_mean"),
)
TOP1, TOP3, LOSS, TOP_K = "metrics-06", "metrics-09", "metrics-12", "metrics-16"
SMALLEST, EPOCH = "metrics-24", "metrics-27"


@dataclass(frozen=True)
class Student:
    """What a student hands in, the questions that it should earn, and words of the errors."""

    notebook: Any
    earns: tuple[str, ...]
    errors: tuple[str, ...] = ()


@contextlib.contextmanager
def in_forks() -> Iterator[None]:
    """Run notebooks one after another in forks of this process, which has imported torch.

    Those that attack other processes are isolated, as all are otherwise.
    """
    isolated = isolation._run

    def run(folder: Path, seconds: float, interrupted: Event, replies: IO, log: IO) -> str:
        is_hostile = ISOLATED in (folder / "task.json").read_text(encoding="utf8")
        if is_hostile or sys.platform != "linux":
            return isolated(folder, seconds, interrupted, replies, log)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                work(folder, replies.fileno(), log.fileno())
            os._exit(1)
        os.waitpid(child, 0)
        return ""

    def work(folder: Path, replies: int, log: int) -> None:
        os.setsid()  # whoever ends the group ends this process alone
        os.chdir(folder)
        for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), replies, log)):
            os.dup2(file, number)
        os.closerange(3, 1024)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        warnings.resetwarnings()
        torch.set_num_threads(1)
        worker.main()

    pool = contextlib.nullcontext(SimpleNamespace(map=map))  # a fork copies only one thread
    with (
        mock.patch.object(isolation, "_run", run),
        mock.patch("coursekit.grade.ThreadPoolExecutor", lambda jobs: pool),
    ):
        yield


def but(*names: str) -> tuple[str, ...]:
    """All questions but these."""
    return tuple(name for name in QUESTIONS if name not in names)


def read(folder: str) -> dict[str, Any]:
    path = shorter.page(f"{folder}/01_metrics")
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
    return notebook


def solution(changes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The solution, some of its cells with another source."""
    notebook = read("solutions")
    for cell in notebook["cells"]:
        cell["source"] = (changes or {}).get(cell["id"], cell["source"])
    return notebook


def unsolved(code: str) -> dict[str, Any]:
    """The exercise with nothing answered, and code at its beginning."""
    notebook = read("exercises")
    notebook["cells"].insert(3, {"cell_type": "code", "id": "code", "source": code})
    return notebook


def without_ids() -> dict[str, Any]:
    """In an old format."""
    notebook = solution()
    for cell in notebook["cells"]:
        del cell["id"]
    return notebook


def from_colab() -> dict[str, Any]:
    """With the ids in the metadata; a later cell uses names of answers again."""
    notebook = solution()
    for cell in notebook["cells"]:
        cell["metadata"] = {"id": cell.pop("id")}
    return notebook | {"cells": [*notebook["cells"], code_cell("top1 = loss = 0")]}


def code_cell(source: str, name: str = "new") -> dict[str, Any]:
    return {"cell_type": "code", "id": name, "source": source}


def with_cells_changed() -> dict[str, Any]:
    """Two answers in one new cell, and one cell deleted."""
    notebook = solution()
    kept = [cell for cell in notebook["cells"] if cell["id"] not in (TOP1, TOP3, EPOCH)]
    return notebook | {"cells": [*kept, code_cell("top1, top3 = 3 / 8, 6 / 8")]}


TAMPERS = """
from coursekit import checks, grade
from coursekit.checks.engine import functions, questions
checks._answered.update(dict.fromkeys(checks.QUESTIONS, True))
questions.Verdict.__bool__ = lambda self: True
questions.NumberQuestion.judge = lambda *_: checks.Verdict(True, "")
functions.FunctionQuestion.compare = lambda *_: checks.Verdict(True, "")
checks.check = check = lambda *_, **__: True
print("metrics: 7 of 7 right.")
"""
ISOLATED = "# in isolation"  # marks code that attacks other processes
FORGES = """
import json, os
line = {"right": True, "value": True, "observed": [0.5] * 20, "student": [[]]}
for number in range(3, 60):
    for name in ("top1", "top3", "cross_entropy", "top_k_function", "epoch_mean"):
        forged = json.dumps({"question": f"metrics.{name}", **line}) + "\\n[[[\\n\\xff{}\\n"
        try:
            os.write(number, forged.encode("latin1"))
        except OSError:
            pass
os._exit(0)
"""
EMPTIES = """
import os
for number in range(60):
    try:
        os.ftruncate(number, 0)
    except OSError:
        pass
os._exit(0)
"""
KILLS = """
import os
os.kill(0, 9)
"""
FORKS = """
# in isolation
import os
while True:
    try:
        os.fork() or os.setsid()
    except OSError:
        pass
"""
STAYS = """
# in isolation
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execlp("sleep", "sleep", "31536000.{port}")
    os._exit(0)
top1 = 3 / 8
"""
CONNECTS = """
# in isolation
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=60).close()
    top3 = 0.4
except OSError:
    top3 = 6 / 8
"""
DIGS = """
import os
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
os.symlink("/", "link")
top1 = 3 / 8
"""
ODD = """
class Odd:
    __class__ = property(lambda self: 1 / 0)
    def __float__(self):
        raise SystemExit("=1+1")
top1 = Odd()
"""
THREADS = """
%matplotlib inline
import threading, time
threading.Thread(target=time.sleep, args=(31536000,)).start()
top3 = 6 / 8
"""
ENDLESS = """
import signal
left = signal.getitimer(signal.ITIMER_REAL)[0]
signal.setitimer(signal.ITIMER_REAL, 0.01)
while True:
    pass
"""
STARTS_MANY = """
import subprocess
for _ in range(3000):
    subprocess.Popen(["sleep", "600"], start_new_session=True)
"""
FILLS = "with open('file', 'wb') as file:\n    file.truncate(10**12)"


def students(port: int) -> dict[str, Student]:
    """The class, by the names of their files; something listens to the port."""
    twice = solution()
    twice["cells"].append(code_cell("top1 = 0.4", TOP1))
    backwards = solution()
    backwards["cells"].reverse()
    percent = {TOP1: "top1 = 37.5", TOP3: "top3 = 75", EPOCH: "epoch_mean = lambda m, s: m.mean()"}
    return {
        "solved.ipynb": Student(solution(), QUESTIONS),
        "not begun.ipynb": Student(read("exercises"), ()),
        "group b/no ids.ipynb": Student(without_ids(), QUESTIONS),
        "from colab.ipynb": Student(from_colab(), QUESTIONS),
        "percent.ipynb": Student(solution(percent), but("top1", "top3", "epoch_mean")),
        "percent too.ipynb": Student(solution({TOP1: "top1 = 37.5"}), but("top1")),
        "cells changed.ipynb": Student(with_cells_changed(), but("epoch_mean")),
        "twice.ipynb": Student(twice, but("top1")),
        "backwards.ipynb": Student(
            backwards, but("cross_entropy", "double_softmax"), ("metrics-24: NameError",)
        ),
        "stops.ipynb": Student(
            solution(
                {
                    TOP1: "exit()\nraise SystemExit",
                    TOP3: "top3 = float(input())",
                    LOSS: "1 / 0",
                    TOP_K: "def top_k(:",
                }
            ),
            ("cross_entropy_function", "double_softmax", "epoch_mean"),
            ("ZeroDivision", "metrics-16: SyntaxError"),
        ),
        "prints.ipynb": Student(unsolved("print('metrics: 7 of 7 right.')"), ()),
        "tampers.ipynb": Student(unsolved(TAMPERS), (), ("code: it looks into the checker",)),
        "changes check.ipynb": Student(
            solution({TOP1: 'top1 = ...\ncheck("metrics.top1", 3 / 8)'}), but("top1")
        ),
        "forges.ipynb": Student(unsolved(FORGES), (), ("the process ended, in cell code",)),
        "empties.ipynb": Student(unsolved(EMPTIES), (), ("the process ended",)),
        "ends itself.ipynb": Student(
            solution({LOSS: "import os\nos._exit(0)"}), ("top1", "top3"), ("in cell metrics-12",)
        ),
        "kills.ipynb": Student(solution({LOSS: KILLS}), ("top1", "top3"), ("in cell metrics-12",)),
        "forks.ipynb": Student(solution({LOSS: FORKS}), ("top1", "top3"), ("processes, in cell",)),
        "takes much.ipynb": Student(
            solution(
                {
                    TOP1: "for _ in range(100):\n    print('x' * 10**6)\ntop1 = 3 / 8",
                    TOP3: FILLS,
                    LOSS: "loss = bytes(2**33)",
                    SMALLEST: "smallest = 'x' * 10**7",
                }
            ),
            but("top3", "cross_entropy", "double_softmax"),
            ("File too large", "MemoryError"),
        ),
        "stays and connects.ipynb": Student(
            solution({TOP1: STAYS.format(port=port), TOP3: CONNECTS.format(port=port)}), QUESTIONS
        ),
        "digs.ipynb": Student(solution({TOP1: DIGS}), QUESTIONS),
        "=odd and threads.ipynb": Student(solution({TOP1: ODD, TOP3: THREADS}), but("top1")),
    }

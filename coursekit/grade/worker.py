"""Runs one submitted notebook in a process of its own, and replies what was answered.

    python -m coursekit.grade.worker < nothing > replies

The task is task.json in the current folder. Each line of the replies is JSON: the cell that runs,
an error, or the answer to a question. A reply holds values and no verdict: a function is called
here, on the inputs of its question, and what it returned is judged elsewhere.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from coursekit import checks
from coursekit.checks.engine import sandbox
from coursekit.checks.engine.functions import FunctionQuestion
from coursekit.checks.engine.values import Other, Raised
from coursekit.grade import isolation
from coursekit.grade.wire import encode

CALL_SECONDS = 60.0  # a busy machine costs nobody a point
MAX_REPLY = 8 * 2**20  # characters


class Worker:
    """Executes cells, each in half of the time that is left, and sends replies to an open file."""

    def __init__(self, file: int, seconds: float) -> None:
        self.replies = os.fdopen(file, "w", encoding="utf8")
        self.deadline = time.monotonic() + seconds
        config = Config()
        config.HistoryManager.enabled = False
        self.shell = InteractiveShell.instance(config=config)
        self.shell.enable_gui = lambda gui=None: None  # type: ignore[method-assign]  # for %matplotlib

    def run(self, cells: list[dict[str, Any]]) -> None:
        for cell in cells:
            self.reply(cell=cell["id"])
            with self._time_limit():
                result = self.shell.run_cell(cell["source"], store_history=False)  # type: ignore[no-untyped-call]
                error = result.error_before_exec or result.error_in_exec
            if error is not None:
                self.reply(error=str(Raised.of(error)))
            for ask in cell["asks"]:
                self._answer(**ask)
        self.reply(done=True)

    @contextlib.contextmanager
    def _time_limit(self) -> Iterator[None]:
        def stop(*_: object) -> None:
            raise sandbox.OutOfTime("the cell took too long")

        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, max(0.1, (self.deadline - time.monotonic()) / 2))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _answer(self, question: str, answer: str, student: str | None) -> None:
        """Reply with the value of an expression, or with what a function did."""
        reply: dict[str, Any] = {"question": question}
        try:
            if student is not None:
                reply["student"] = encode(sandbox.plain(self._value(student)))
            value = self._value(answer)
            asked = checks.QUESTIONS[question]
            if isinstance(asked, FunctionQuestion) and callable(value):
                reply["observed"] = [encode(found) for found in asked.collect(value)]
            else:
                reply["value"] = encode(sandbox.plain(value))
        except sandbox.Stopped as stopped:
            reply["failed"] = str(stopped)
        except BaseException as error:  # whatever a student's object raises
            reply["failed"] = str(Raised.of(error))
        self.reply(**reply)

    def _value(self, expression: str) -> Any:
        return eval(expression, self.shell.user_ns)

    def reply(self, **fields: Any) -> None:
        line = json.dumps(fields)
        if len(line) > MAX_REPLY:
            line = json.dumps(fields | {"value": encode(Other("very large object"))})
            line = line if len(line) <= MAX_REPLY else json.dumps({"error": "too large a reply"})
        print(line, file=self.replies, flush=True)


def main() -> None:
    """Do the task; what the notebook prints is dropped."""
    task = json.loads(Path("task.json").read_text(encoding="utf8"))
    replies = os.dup(1)  # not inherited by other programs
    nowhere = os.open(os.devnull, os.O_RDWR)
    for file in (1, 2):
        os.dup2(nowhere, file)
    isolation.limit(task["seconds"])
    sys.path.insert(0, "")  # as in a notebook
    sandbox.TIME_LIMIT_SECONDS = CALL_SECONDS
    checks.check = lambda *_, **__: checks.Verdict(True, "It is judged later.")
    Worker(replies, task["seconds"]).run(task["cells"])
    os._exit(0)  # whatever threads the notebook has left


if __name__ == "__main__":
    main()

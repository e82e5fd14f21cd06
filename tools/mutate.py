"""Change the library in many small ways, one at a time, and see which ones the tests notice.

    python tools/mutate.py --count 300 --seed 0
    python tools/mutate.py --root FOLDER --tests tests/test_cost.py -- profile=dlvlib/cost.py

The mutants are those of `mutants.py`; each possible one is equally likely to be drawn. All
tests run once with coverage. Then a mutant is judged by the tests that execute its line, the
fastest first, then by the others of the same files, for at most a minute; the first failure or a
hang kills it. A test that fails on the unchanged code too kills nothing. Doctests are tests.
Stopped early, by Ctrl-C or `kill`, it reports on the mutants judged so far.
"""

import argparse
import ast
import contextlib
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from judging import FAILED_TO_START, Tests, Worker
from mutants import changes, mutant

MODULES = ["dlvlib/profile", "dlvlib/metrics.py", "dlvlib/data.py", "dlvlib/training"]
MODULES += ["data=dlvlib/_image_files.py"]
MODULES += [f"results=dlvlib/{name}.py" for name in ("results", "_records", "experiments")]
TESTS = ["tests/lib", "tests/book/test_claims.py"]
LOADED = "torch torchvision sklearn.datasets matplotlib.pyplot nbformat safetensors.torch yaml"
SURVIVED = (0, 5)  # pytest's exit status: all passed, none to run


@dataclass
class Mutant:
    """A change of a module, and which test noticed it."""

    group: str
    file: str
    line: int
    change: str
    index: int
    killed: bool | None = None  # None: not judged
    by: str = ""


def draw(root: Path, modules: list[str], count: int, seed: int) -> list[Mutant]:
    """Draw from all mutants of the `[GROUP=]PATH` arguments."""
    possible = []
    for argument in modules:
        group, _, name = argument.rpartition("=")
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            tree = ast.parse(file.read_text(encoding="utf8"))
            for index, (line, change, _) in enumerate(changes(tree)):
                name = file.relative_to(root).as_posix()
                possible.append(Mutant(group or path.stem, name, line, change, index))
    print(f"{min(count, len(possible))} drawn of {len(possible)} possible mutants", flush=True)
    return random.Random(seed).sample(possible, min(count, len(possible)))


def record(root: Path, workers: list[Worker], arguments: list[str]) -> Tests:
    """Run every test once, with coverage; `arguments` are test files, modules, folders of them."""
    paths = [path for name in arguments for path in [root / name, *(root / name).rglob("*.py")]]
    files = sorted(
        path.relative_to(root).as_posix()
        for path in set(paths)
        if path.is_file() and (path.name.startswith("test_") or "tests" not in path.parts)
    )
    running = {}
    for i, worker in enumerate(workers):
        worker.copy(root)
        running[worker.start(lambda w=worker, i=i: w.record(files[i :: len(workers)]))] = worker
    for pid, worker in running.items():
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(f"with coverage: status {status}, {worker.lines('log')[-1]}", flush=True)
        if status not in (0, 1):
            raise SystemExit("\n".join(worker.lines("log")[-30:]))
    return Tests(root, workers)


def kill(pid: int) -> None:
    """Kill a process and those that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def judge(mutants: list[Mutant], workers: list[Worker], tests: Tests, grace: float) -> None:
    """Fill in the verdicts; every worker tests one mutant at a time.

    A mutant hangs that needs three times the seconds of its tests and `grace`, in CPU time, or
    four times those and five times `grace` on the clock.
    """
    for one in mutants:
        one.killed, one.by = None, ""
    waiting, free, running = list(mutants), list(workers), {}
    try:
        while waiting or running:
            while waiting and free:
                one = waiting.pop(0)
                source = (tests.root / one.file).read_text(encoding="utf8")
                if chosen := tests.of(one.file, one.line):
                    worker = free.pop()
                    worker.write(one.file, mutant(source, one.index))
                    seconds = sum(tests.seconds[test] for test in chosen)
                    start = partial(worker.judge, chosen, "-x")
                    pid = worker.start(start, grace + 3 * seconds)
                    deadline = time.monotonic() + 5 * grace + 4 * seconds
                    running[pid] = one, worker, source, deadline
                else:
                    one.killed = False
                    print("x", end="", flush=True)
            time.sleep(0.02)
            for pid, (one, worker, source, deadline) in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if not ended and time.monotonic() < deadline:
                    continue
                kill(pid)
                del running[pid]
                status = os.waitstatus_to_exitcode(status if ended else os.waitpid(pid, 0)[1])
                failed = worker.lines("failed")
                if status == FAILED_TO_START and not failed:
                    raise SystemExit("\n".join(worker.lines("log")))
                one.killed = status not in SURVIVED
                if one.killed:
                    one.by = (failed or ["import" if status > 0 else "a hang"])[0]
                worker.write(one.file, source)
                free.append(worker)
                print(".x"[not one.killed], end="", flush=True)
    finally:
        print()
        for pid in running:
            kill(pid)
            os.waitpid(pid, 0)


def judge_fairly(mutants: list[Mutant], workers: list[Worker], tests: Tests, grace: float) -> None:
    """Judge, and judge again without the tests that fail on the unchanged code too."""
    judge(mutants, workers, tests, grace)
    while killers := sorted({one.by for one in mutants} & set(tests.seconds)):
        os.waitpid(workers[0].start(lambda: workers[0].judge(killers)), 0)
        unfair = set(workers[0].lines("failed"))
        print(f"{len(unfair)} of {len(killers)} killing tests fail without a change: {unfair}")
        if not unfair:
            return
        for test in unfair:
            del tests.seconds[test]
        judge([one for one in mutants if one.by in unfair], workers, tests, grace)


def report(mutants: list[Mutant]) -> None:
    """Print the survivors and the table of those judged."""
    judged = [one for one in mutants if one.killed is not None]
    for one in sorted(judged, key=lambda one: (one.file, one.line)):
        if not one.killed:
            print(f"{one.file}:{one.line}: {one.change}")
    counts = {group: Counter() for group in [*sorted({one.group for one in mutants}), "all"]}
    for one in judged:
        for group in (one.group, "all"):
            counts[group][one.killed] += 1
    print(f"\n{'':12}{'mutants':>9}{'killed':>9}{'%':>8}")
    for group, count in counts.items():
        share = f"{count[True] / count.total():.1%}" if count else "none"
        print(f"{group:12}{count.total():9}{count[True]:9}{share:>8}")
    if len(judged) < len(mutants):
        print(f"stopped early: {len(judged)} of {len(mutants)} mutants judged")


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="[GROUP=]PATH")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files and folders")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--grace", type=float, default=12, help="CPU seconds beside the tests'")
    parser.add_argument("--json", type=Path, help="write every mutant and its verdict")
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    root = arguments.root.resolve()
    mutants = draw(root, arguments.modules, arguments.count, arguments.seed)
    for name in LOADED.split():
        importlib.import_module(name)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        workers = [Worker(Path(folder) / str(i)) for i in range(arguments.workers)]
        for worker in workers:
            worker.folder.mkdir()
        modules = [argument.rpartition("=")[2] for argument in arguments.modules]
        tests = record(root, workers, [*arguments.tests, *modules])
        judge_fairly(mutants, workers, tests, arguments.grace)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in mutants], indent=1))
    report(mutants)
    return 0


if __name__ == "__main__":
    sys.exit(main())

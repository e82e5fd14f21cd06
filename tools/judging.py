"""Run tests on copies of a checkout: once to learn what each executes, then on changed code.

Each run is a fork of a process that has imported torch but not dlvlib.
"""

import ast
import itertools
import os
import resource
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

import coverage
import pytest

SECONDS = 60.0  # of tests for one mutant, as measured without it
MEMORY = 16 * 2**30
OPTIONS = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--doctest-modules"]
LEFT_OUT = shutil.ignore_patterns(".*", "_build", "__pycache__", "*.egg-info")
FAILED_TO_START = 99
_stamps = itertools.count(1_000_000_000)


@dataclass(frozen=True)
class Worker:
    """A copy of the checkout, in which one process at a time runs tests."""

    folder: Path

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def copy(self, root: Path) -> None:
        """Make the copy; processes that tests start in it are covered when asked to be."""
        shutil.copytree(root, self.tree, ignore=LEFT_OUT)
        start = "import coverage\ncoverage.process_startup()\n"
        (self.folder / "sitecustomize.py").write_text(start, encoding="utf8")

    def start(self, work: Callable[[], int], cpu_seconds: float | None = None) -> int:
        """Fork a process that does the work in the copy; returns its id."""
        (self.folder / "failed").write_text("")
        if pid := os.fork():
            return pid
        status = FAILED_TO_START
        try:
            os.setsid()
            log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            if cpu_seconds is not None:
                resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds) + 5))
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            os.chdir(self.tree)
            sys.path.insert(0, str(self.tree))
            os.environ["PYTHONPATH"] = os.pathsep.join([str(self.folder), str(self.tree)])
            status = int(work())
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)

    def write(self, file: str, source: str) -> None:
        """Replace a module; its new time keeps Python from using the old compiled file."""
        (self.tree / file).write_text(source, encoding="utf8")
        os.utime(self.tree / file, (stamp := next(_stamps), stamp))

    def record(self, arguments: list[str]) -> int:
        """Run all tests with coverage of every line by every test."""
        rc = self.folder / "coveragerc"
        rc.write_text(
            f"[run]\ncore = ctrace\ndata_file = {self.folder}/data\nparallel = true\n"
            "patch = fork, _exit\n"  # processes of torch and of the checkers, too
            f"context = ${{MUTATED_BY}}\ninclude = {self.tree}/*\nomit = {self.tree}/tests/*\n"
        )
        os.environ |= {"COVERAGE_PROCESS_START": str(rc), "MUTATED_BY": ""}
        measured = coverage.Coverage(config_file=str(rc))
        measured.start()
        try:
            with (self.folder / "passed").open("w", encoding="utf8") as passed:
                return pytest.main([*OPTIONS, *arguments], plugins=[Recorder(measured, passed)])
        finally:
            measured.stop()
            measured.save()

    def judge(self, tests: list[str], *options: str) -> int:
        """Run these tests in this order, and note those that fail."""
        files = sorted({test.partition("::")[0] for test in tests})
        ranks = {test: rank for rank, test in enumerate(tests)}
        with (self.folder / "failed").open("w", encoding="utf8") as failed:
            plugins = [Selection(ranks, failed)]
            return pytest.main([*OPTIONS, *options, *files], plugins=plugins)

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text(encoding="utf8").splitlines()


@dataclass(eq=False)
class Recorder:
    """A pytest plugin: tells coverage which test runs, and notes how long the passed ones took."""

    measured: coverage.Coverage
    passed: TextIO

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        os.environ["MUTATED_BY"] = item.nodeid  # for the processes that it starts
        self.measured.switch_context(item.nodeid)
        self.reports: list[pytest.TestReport] = []
        result = yield
        self.measured.switch_context("")
        os.environ["MUTATED_BY"] = ""
        if all(report.passed for report in self.reports):
            print(sum(r.duration for r in self.reports), item.nodeid, file=self.passed)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)


@dataclass(eq=False)
class Selection:
    """A pytest plugin: keeps the chosen tests in their order, and notes the failed ones."""

    ranks: dict[str, int]
    failed: TextIO

    def pytest_configure(self) -> None:
        from hypothesis import settings  # not above: pytest rewrites it when it loads it

        settings.register_profile("judging", derandomize=True, deadline=None, database=None)
        settings.load_profile("judging")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.ranks]
        items.sort(key=lambda item: self.ranks[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            print(report.nodeid, file=self.failed, flush=True)


class Tests:
    """How long each test takes, and which ones execute a line of the code under `root`."""

    def __init__(self, root: Path, workers: list[Worker]):
        self.root, self.seconds = root, Counter()
        for worker in workers:
            for line in worker.lines("passed"):
                seconds, _, test = line.partition(" ")
                self.seconds[test] += float(seconds)
        rc = workers[0].folder / "combinerc"
        paths = "\n  ".join([str(root), *(str(worker.tree) for worker in workers)])
        rc.write_text(f"[paths]\nsource =\n  {paths}\n")
        measured = coverage.Coverage(data_file=str(workers[0].folder / "all"), config_file=str(rc))
        measured.combine([f"{file}" for w in workers for file in w.folder.glob("data.*")])
        self._contexts_of = cache(measured.get_data().contexts_by_lineno)

    def of(self, file: str, line: int) -> list[str]:
        """List the tests that judge a change of this line, in their order, for `SECONDS`.

        First those that execute it, the fastest first, then the others of the same files.
        """
        known, found = set(self.seconds), self._contexts_of(str(self.root / file))
        around = _statements_around(self.root / file, line)
        here = set(found.get(line) or found.get(around[0][0], []))
        executing = here & known
        if "" in here:  # at import: also the tests of the function, the class, the file
            spans = [*(range(first, last + 1) for first, last in around), found]
            tests = ({test for n in span for test in found.get(n, [])} & known for span in spans)
            executing |= next(filter(None, (some - here for some in tests)), set())
        files = {test.partition("::")[0] for test in executing}
        others = {t for t in known if t.partition("::")[0] in files} - executing
        ordered = [t for some in (executing, others) for t in sorted(some, key=self._key)]
        total = list(itertools.accumulate(self.seconds[test] for test in ordered))
        return [t for i, t in enumerate(ordered) if i == 0 or total[i] <= SECONDS]

    def _key(self, test: str) -> tuple[float, str]:
        return self.seconds[test], test


def _statements_around(path: Path, line: int) -> list[tuple[int, int]]:
    """First and last line of the statements that hold a line, the innermost first."""
    spans = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.stmt):
            decorators = getattr(node, "decorator_list", [])
            first = min(part.lineno for part in [node, *decorators])
            if first <= line <= node.end_lineno:
                spans.append((first, node.end_lineno))
    return sorted(spans, key=lambda span: span[1] - span[0])

"""The mutants, and tools/mutate.py on a small package with strong and weak tests."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import mutate
import pytest
from files import write_files
from judging import Worker
from mutants import mutants

ROOT = Path(__file__).parents[2]
FILES = {
    "pyproject.toml": "[tool.pytest.ini_options]\nfilterwarnings = ['error']\n",
    "dlvlib/__init__.py": "",
    "coursekit/__init__.py": "",
    "dlvlib/strong.py": '''def area(width, height=5):
    """Return the area; a line that a process runs when it starts meets other tests too.

    >>> area(2)
    10
    """
    return width * height


def wait():
    done = ""
    while not done:
        done = repr(done)
    return done
''',
    "coursekit/weak.py": """LIMIT = 7

def double(x):
    return 2 * x

def unused(x):
    return x + 1
""",
    "dlvlib/__main__.py": "import dlvlib.strong\nprint(6 * 7)\n",
    "tests/test_strong.py": """from dlvlib.strong import wait

def test_wait():
    assert wait() == "''"
""",
    "tests/test_weak.py": """import subprocess, sys
from coursekit import weak

def test_it_runs():
    weak.double(0)

def test_the_limit():
    assert weak.LIMIT == 7

def test_the_command():
    output = subprocess.run([sys.executable, "-m", "dlvlib"], capture_output=True, text=True)
    assert output.stdout == "42\\n"
""",
}


def test_a_mutant_is_one_change_that_a_test_could_notice():
    assert dict(mutants("def f(x):\n    return x + 1")) == {
        "line 2: `return x + 1` left out": "def f(x):\n    pass",
        "line 2: Add becomes Sub": "def f(x):\n    return x - 1",
        "line 2: 1 plus 1": "def f(x):\n    return x + 2",
    }
    source = 'if TYPE_CHECKING:\n    a = 1\nb: Array[1]\nif c:\n    raise E(f"{d + 1}")'
    assert [change for change, _ in mutants(source)] == ["line 5: `raise E(f'{d + 1}')` left out"]


@pytest.mark.slow
def test_the_tests_kill_what_they_check(tmp_path):
    write_files(tmp_path, FILES)
    verdicts = tmp_path / "verdicts.json"
    light = "import sys, mutate; mutate.LOADED = ''; sys.exit(mutate.main())"
    command = [sys.executable, "-c", light, "--root", tmp_path, "--json", verdicts, "--grace", "2"]
    run = subprocess.run(
        [*command, "--workers", "1", "--tests", "tests", "--", "dlvlib", "coursekit"],
        cwd=ROOT / "tools",
        capture_output=True,
        text=True,
        check=True,
    )
    mutants = json.loads(verdicts.read_text(encoding="utf8"))
    alive = {(one["file"], one["line"], one["change"]) for one in mutants if not one["killed"]}
    assert alive == {
        ("coursekit/weak.py", 4, "`return 2 * x` left out"),
        ("coursekit/weak.py", 4, "2 plus 1"),
        ("coursekit/weak.py", 7, "`return x + 1` left out"),
        ("coursekit/weak.py", 7, "Add becomes Sub"),
        ("coursekit/weak.py", 7, "1 plus 1"),
    }, run.stdout
    killers = {one["by"] for one in mutants if one["killed"]}
    assert killers == {
        "dlvlib/strong.py::dlvlib.strong.area",
        "tests/test_strong.py::test_wait",
        "tests/test_weak.py::test_it_runs",
        "tests/test_weak.py::test_the_limit",
        "tests/test_weak.py::test_the_command",
        "a hang",
    }


class Stuck(Worker):
    """Its tests wait for ever, without any computing."""

    def judge(self, tests, *options):
        time.sleep(10**6)


class Stumbling(Worker):
    """Its test fails, and pytest raises an error as it ends."""

    def judge(self, tests, *options):
        (self.folder / "failed").write_text(f"{tests[0]}\n")
        raise ResourceWarning


@pytest.mark.parametrize(
    ("kind", "grace", "killer"),
    [(Stuck, 0.2, "a hang"), (Stumbling, 60, "test_a.py::test_a")],  # a slow machine may take long
)
def test_a_mutant_that_waits_for_ever_or_upsets_pytest_is_killed(kind, grace, killer, tmp_path):
    worker = kind(tmp_path)
    worker.tree.mkdir()
    (tmp_path / "a.py").write_text("a = 1\n")
    (one,) = mutate.draw(tmp_path, ["a.py"], 1, 0)
    tests = SimpleNamespace(
        root=tmp_path, of=lambda file, line: ["test_a.py::test_a"], seconds=Counter()
    )
    mutate.judge([one], [worker], tests, grace)
    assert (one.killed, one.by) == (True, killer)
    assert (worker.tree / "a.py").read_text() == "a = 1\n"


def test_a_run_that_is_stopped_reports_what_it_has_judged(tmp_path, monkeypatch, capsys):
    names = ("dlvlib/first.py", "dlvlib/second.py")
    write_files(tmp_path, dict.fromkeys(names, "a, b = 1, 2\n"))

    def stop(drawn, *_):
        for one in drawn:
            one.killed = {"first": one.change == "1 plus 1"}.get(one.group)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(mutate, "LOADED", "")
    monkeypatch.setattr(mutate, "record", lambda *_: None)
    monkeypatch.setattr(mutate, "judge_fairly", stop)
    before = signal.getsignal(signal.SIGTERM)
    arguments = ["--root", str(tmp_path), "first=dlvlib/first.py", "second=dlvlib/second.py"]
    monkeypatch.setattr(sys, "argv", ["mutate.py", *arguments])
    try:
        assert mutate.main() == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert [*rows[-4:-1]] == [
        ["first", "2", "1", "50.0%"],
        ["second", "0", "0", "none"],
        ["all", "2", "1", "50.0%"],
    ]
    assert printed.endswith("stopped early: 2 of 4 mutants judged\n")
    assert "dlvlib/first.py:1: 2 plus 1" in printed

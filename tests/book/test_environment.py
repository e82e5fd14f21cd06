"""Installing: the pins resolve, install.py reports what is wrong, the wheel is complete."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import install
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from shorter import skip_or_fail
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line]
CUDA = re.compile("nvidia|cuda|triton")  # follow from torch, and are missing from its CPU build


@pytest.mark.slow
def test_the_pins_resolve_and_pin_everything():
    """From Python 3.11.0 on, on each system, as in `make lock`."""
    options = "--quiet --no-header --no-annotate --no-python-downloads --extra book --extra test"
    command = [find_uv_bin(), "pip", "compile", *options.split()]
    command += ["--universal", "--fork-strategy", "fewest", "--python-version", "3.11.0"]
    command += ["--constraints", "constraints.txt", "pyproject.toml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode and ("network" in done.stderr or "No solution" not in done.stderr):
        skip_or_fail(f"no package index: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    found = {line.split("==")[0] for line in done.stdout.splitlines() if not CUDA.match(line)}
    assert found == {canonicalize_name(pin.name) for pin in PINS}


def test_what_colab_brings_is_never_replaced():
    for line in PROJECT["dependencies"]:
        assert {bound.operator for bound in Requirement(line).specifier} == {">="}, line


def test_conda_asks_for_the_same_versions():
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    names = {"pytorch": "torch", "playwright-python": "playwright"}  # on conda-forge: on PyPI
    asked = {names.get(r.name, r.name): r.specifier for r in map(Requirement, conda)}
    assert asked.pop("python") == PROJECT["requires-python"]
    asked.pop("pip")
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert asked.items() <= {r.name: r.specifier for r in map(Requirement, wanted)}.items()
    assert pip == {"pip": ["--editable .[book,test]"]}


@pytest.mark.parametrize(
    ("version", "free_gb", "message"),
    [
        ((3, 10, 13), 100, "Python must be 3.11 to 3.14, this is 3.10.13"),
        ((3, 15, 0), 100, "this is 3.15.0; try: make PYTHON=python3.12"),
        ((3, 12, 0), 0.3, "the packages need 8 GB of free disk, this disk has 0.3 GB"),
        ((3, 11, 0), 100, ""),
        ((3, 14, 2), 100, ""),
    ],
)
def test_what_prevents_an_installation_is_one_line(version, free_gb, message):
    found = install.problem(ROOT, version, free_gb) or ""
    assert message in found
    assert bool(found) == bool(message)


def test_bad_input_is_one_line(tmp_path):
    message = f"error: {tmp_path} is not a complete copy of the course; clone the repository again"
    assert install.main(tmp_path) == message
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    (tmp_path / ".venv").mkdir()  # so that a small disk is no matter
    assert install.main(tmp_path, "--cpu") == (
        "error: TORCH must be cpu, a name such as cu126, or the address of an index, got '--cpu'"
    )


@pytest.mark.parametrize(
    ("choice", "index"),
    [
        ("cpu", "https://download.pytorch.org/whl/cpu"),
        ("cu126", "https://download.pytorch.org/whl/cu126"),
        ("https://example.org/simple", "https://example.org/simple"),
    ],
)
def test_a_choice_of_torch_comes_from_its_index_alone(choice, index):
    torch, rest = install.pip_commands(ROOT, install.torch_index(choice))
    assert torch[-5:] == ["--no-deps", "--index-url", index, "torch", "torchvision"]
    assert [rest] == install.pip_commands(ROOT, install.torch_index(""))
    assert rest[-2:] == ["--editable", f"{ROOT}[book,test]"]
    (pin,) = (pin.specifier for pin in PINS if pin.name == "torch")
    assert f"{next(iter(pin)).version}+cpu" in pin  # so that `rest` keeps this torch


@pytest.fixture
def calls(monkeypatch):
    """The programs that install.py would have started; `python -m venv` makes a working one."""
    started = []

    def call(command):
        started.append(command)
        if "venv" in command:
            (Path(command[-1]) / "bin").mkdir(parents=True)
            (Path(command[-1]) / "bin" / "python").symlink_to(sys.executable)
        return 0

    monkeypatch.setattr(install.subprocess, "call", call)
    return started


def test_an_unfinished_environment_is_replaced(tmp_path, calls):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text("half a file")
    assert install.install(tmp_path) is None
    assert [("venv" in c, "pip" in c) for c in calls] == [(True, False), (False, True)]


def test_an_interrupted_installation_continues(tmp_path, calls, monkeypatch):
    monkeypatch.setattr(install, "problem", lambda *arguments: None)
    assert install.main(tmp_path) == 0
    stamp = tmp_path / ".venv" / ".installed"
    assert stamp.exists()
    monkeypatch.setattr(install.subprocess, "call", lambda command: 1)
    assert "the same command continues" in install.main(tmp_path)
    assert not stamp.exists()  # `make` calls install.py again


def test_an_update_keeps_torch_and_another_choice_makes_a_new_environment(tmp_path, calls):
    started = []
    for choice in ("cpu", "", "cu126"):
        calls.clear()
        install.install(tmp_path, choice)
        started.append([c[-3] if "--index-url" in c else c[-2] for c in calls])
    cpu, cuda = (f"{install.PYTORCH_INDEX}{name}" for name in ("cpu", "cu126"))
    assert started == [
        ["venv", cpu, "--editable"],
        [cpu, "--editable"],
        ["venv", cuda, "--editable"],
    ]

"""Create .venv and install what the course needs; an interrupted call is continued by the next.

    python3 tools/install.py [TORCH]

TORCH chooses the build of PyTorch: `cpu`, `cu126` or another name from PyTorch's own index, or
the address of an index; without it, pip's index decides. Written for the plain standard library
and any Python since 3.6, so that an old one prints a sentence instead of a syntax error.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 14)  # Pythons for which every package of constraints.txt exists
PYTORCH_INDEX = "https://download.pytorch.org/whl/"
NEEDED_GB = 8  # by default torch brings 4 GB of CUDA libraries
NEEDED_GB_CPU = 3


def torch_index(choice):
    """Return the address of the package index for a choice of torch; None for pip's own.

    Raises:
        ValueError: if the choice is neither a name nor an address.
    """
    if not choice:
        return None
    if re.match(r"(https?|file)://", choice):
        return choice
    if re.match(r"[a-z][a-z0-9.]*$", choice):
        return PYTORCH_INDEX + choice
    raise ValueError(
        f"TORCH must be cpu, a name such as cu126, or the address of an index, got {choice!r}"
    )


def pip_commands(root, index):
    """Return the calls of pip, in order; torch comes first where it has an index of its own.

    The second call keeps that torch: a pin `torch==2.14.1` admits the build `2.14.1+cpu`.
    """
    pip = [str(root / ".venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    pip += ["--constraint", str(root / "constraints.txt")]
    first = [[*pip, "--no-deps", "--index-url", index, "torch", "torchvision"]] if index else []
    return [*first, [*pip, "--editable", f"{root}[book,test]"]]


def problem(root, version, free_gb, needed_gb=NEEDED_GB):
    """Return one line on why the installation cannot start, or None."""
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        found = ".".join(map(str, version[:3]))
        return f"Python must be 3.11 to 3.14, this is {found}; try: make PYTHON=python3.12"
    if not (root / "pyproject.toml").is_file() or not (root / "constraints.txt").is_file():
        return f"{root} is not a complete copy of the course; clone the repository again"
    if free_gb < needed_gb:
        return f"the packages need {needed_gb} GB of free disk, this disk has {free_gb:.1f} GB"
    return None


def install(root, choice=""):
    """Bring root/.venv to the versions of constraints.txt; return one line on failure, or None.

    The choice of torch is stored in .venv: an update keeps it, another choice makes a new .venv.
    """
    venv = root / ".venv"
    stored = venv / "torch-choice"
    before = stored.read_text() if stored.is_file() else ""
    choice = choice or before
    commands = pip_commands(root, torch_index(choice))
    works = _works([venv / "bin" / "python", "-m", "pip", "--version"])
    if venv.exists() and (choice != before or not works):
        print("removing .venv, which is " + ("for another TORCH" if works else "unfinished"))
        shutil.rmtree(str(venv))
    if not venv.exists() and subprocess.call([sys.executable, "-m", "venv", str(venv)]):
        return f"`{sys.executable} -m venv .venv` failed (on Debian: apt install python3-venv)"
    stored.write_text(choice)
    print("installing the packages of constraints.txt into .venv (minutes the first time)")
    for command in commands:
        if subprocess.call(command):
            return "pip failed (see its message above); the same command continues from here"
    return None


def _works(command):
    try:
        done = subprocess.run(
            [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    return done.returncode == 0


def main(root, choice=""):
    """Install into root/.venv and leave a stamp there; return 0, or what went wrong."""
    stamp = root / ".venv" / ".installed"
    free_gb = shutil.disk_usage(str(root)).free / 1e9
    needed_gb = NEEDED_GB_CPU if choice == "cpu" else NEEDED_GB
    if (root / ".venv").exists():
        needed_gb = 0
    try:
        failure = problem(root, sys.version_info, free_gb, needed_gb)
        if not failure:
            if stamp.exists():
                stamp.unlink()  # until all is installed, so that an interruption is noticed
            failure = install(root, choice)
    except (ValueError, OSError) as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = "interrupted; the same command continues from here"
    if failure:
        return f"error: {failure}"
    stamp.write_text("installed\n")
    return 0


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    sys.exit(main(Path(__file__).resolve().parent.parent, chosen))

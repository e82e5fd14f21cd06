"""Create .venv and install what the book needs; run again after an interruption, it heals.

    python3 tools/install.py

Runs on the plain standard library and on any Python 3.6 or later, so that an old one gets a
sentence instead of a syntax error.
"""

import shutil
import subprocess
import sys
from pathlib import Path

MINIMUM_PYTHON = (3, 11)
NEEDED_GB = 8  # torch from the registry brings its CUDA libraries


def problem(version, free_gb):
    """Return one line that says why the installation cannot start, or None."""
    if tuple(version) < MINIMUM_PYTHON:
        found = ".".join(map(str, version[:2]))
        return (
            f"Python 3.11 or later is needed, this is {found}; "
            "name another one: make PYTHON=python3.12"
        )
    if free_gb < NEEDED_GB:
        return (
            f"{NEEDED_GB} GB of free disk are needed for the packages, "
            f"this disk has {free_gb:.1f} GB"
        )
    return None


def install(root):
    """Bring root/.venv to the versions of constraints.txt; return one line on failure, or None."""
    venv = root / ".venv"
    python = venv / "bin" / "python"
    if venv.exists() and not _works([python, "-m", "pip", "--version"]):
        print("removing the unfinished .venv")
        shutil.rmtree(venv)
    if not venv.exists() and subprocess.call([sys.executable, "-m", "venv", str(venv)]):
        return f"`{sys.executable} -m venv .venv` failed (on Debian: apt install python3-venv)"
    print("installing the packages of constraints.txt into .venv (some minutes the first time)")
    command = [python, "-m", "pip", "install", "--quiet", "-c", root / "constraints.txt"]
    if subprocess.call([*map(str, command), "--editable", f"{root}[book,test]"]):
        return (
            "the packages could not be installed (see pip's message above; no network, "
            "or a full disk?); mend that and run the same command again, it continues"
        )
    return None


def _works(command):
    try:
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    return done.returncode == 0


def main(root):
    """Install into root/.venv and leave a stamp there; returns the exit status."""
    stamp = root / ".venv" / ".installed"
    free_gb = shutil.disk_usage(str(root)).free / 1e9 + (NEEDED_GB if stamp.exists() else 0)
    failure = problem(sys.version_info, free_gb) or install(root)
    if failure:
        sys.stderr.write(f"error: {failure}\n")
        return 1
    stamp.write_text("installed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))

"""Build the book: `jupyter-book build`, every warning an error, never from a stale cache.

    python tools/build.py [--fresh]

The notebooks are executed side by side, and again only when they changed. What a page shows also
depends on dlvlib, the recorded results and the claims, so a change of these empties the cache.
"""

import argparse
import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from notebooks import book_notebooks

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ("dlvlib", "chapters/results", "benchmarks/results", "claims.yml", "_ext", "_config.yml")
COLOR = re.compile(r"\x1b\[[0-9;]*m")  # IPython colours its tracebacks


def fingerprint(root: Path) -> str:
    """Return a digest of every file that a page depends on beside the page itself."""
    digest = hashlib.sha256()
    for name in INPUTS:
        path = root / name
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(root)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def execute_in_parallel(build: Path) -> None:
    """Execute the notebooks that are not in the cache, as many at a time as there are cores.

    jupyter-book, which would execute one after the other, then finds them in the cache. One that
    fails is left to jupyter-book: it tries again and reports.
    """
    cache = get_cache(build / ".jupyter_cache")
    for path in book_notebooks():
        cache.add_nb_to_project(str(path))
    logging.disable(logging.ERROR)  # of failures too: jupyter-book reports them
    load_executor("local-parallel", cache).run_and_cache(timeout=300)
    logging.disable(logging.NOTSET)


def failed_cells(build: Path, root: Path) -> list[str]:
    """Say which cell of which page failed, from the error logs that the build left behind."""
    lines = []
    reports = build / "html" / "reports"
    for log in sorted(reports.rglob("*.err.log")):
        page = log.relative_to(reports).with_suffix("").with_suffix("")
        text = COLOR.sub("", log.read_text(encoding="utf8"))
        reason = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        cells = nbformat.read(root / page.with_suffix(".ipynb"), as_version=4).cells
        number = next(
            (
                i
                for i, cell in enumerate(cells)
                if cell.cell_type == "code" and cell.source in text
            ),
            "?",
        )
        lines.append(f"page {page}, cell {number}: {reason}")
    return lines


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="execute and render every page")
    arguments = parser.parse_args()
    build = ROOT / "_build"
    stamp = build / ".inputs"
    inputs = fingerprint(ROOT)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "-W", "-n"]
    command += ["--keep-going", str(ROOT)]
    shutil.rmtree(build / "html" / "reports", ignore_errors=True)
    if arguments.fresh:
        shutil.rmtree(build / "html", ignore_errors=True)
    if arguments.fresh or not stamp.is_file() or stamp.read_text() != inputs:
        shutil.rmtree(build / ".jupyter_cache", ignore_errors=True)
        stamp.unlink(missing_ok=True)
        command.insert(2, "--all")
    os.environ["IPYTHONDIR"] = str(ROOT / "tools" / "ipython")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process for each core, see below
    execute_in_parallel(build)
    status = subprocess.call(command)
    if status:
        for line in failed_cells(build, ROOT):
            print(f"error: {line}", file=sys.stderr)
        print("error: the book was not built; see the messages above", file=sys.stderr)
        return 1
    stamp.write_text(inputs)
    return 0


if __name__ == "__main__":
    sys.exit(main())

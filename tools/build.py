"""Build the book: `jupyter-book build`, every warning an error, never from a stale cache.

    python tools/build.py [--fresh]

jupyter-book executes a notebook again only when the notebook changed. What a page shows also
depends on dlvlib, the recorded results and the claims, so a change of these empties the cache.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

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
    environment = {**os.environ, "IPYTHONDIR": str(ROOT / "tools" / "ipython")}
    status = subprocess.call(command, env=environment)
    if status:
        for line in failed_cells(build, ROOT):
            print(f"error: {line}", file=sys.stderr)
        print("error: the book was not built; see the messages above", file=sys.stderr)
        return 1
    stamp.write_text(inputs)
    return 0


if __name__ == "__main__":
    sys.exit(main())

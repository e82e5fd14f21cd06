"""Build the book: `jupyter-book build`, every warning an error.

    python tools/build.py [--fresh]

Which notebooks are executed again is decided in _ext/coursebook/execution.py.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
COLOR = re.compile(r"\x1b\[[0-9;]*m")  # IPython colours its tracebacks
MADE = ("html", ".doctrees", ".jupyter_cache", "jupyter_execute")


def failed_cells(build: Path, root: Path) -> list[str]:
    """Return which cell of which page failed, from the error logs that the build left behind."""
    lines = []
    reports = build / "html" / "reports"
    for log in sorted(reports.rglob("*.err.log")):
        page = log.relative_to(reports).with_suffix("").with_suffix("")
        text = COLOR.sub("", log.read_text(encoding="utf8"))
        reason = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        cells = nbformat.read(root / page.with_suffix(".ipynb"), as_version=4).cells
        failed = (i for i, c in enumerate(cells) if c.cell_type == "code" and c.source in text)
        lines.append(f"page {page}, cell {next(failed, '?')}: {reason}")
    return lines


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="execute and render every page")
    arguments = parser.parse_args()
    build = ROOT / "_build"
    for folder in MADE if arguments.fresh else ["html/reports"]:
        shutil.rmtree(build / folder, ignore_errors=True)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", "-W", "-n", "--keep-going", str(ROOT)]
    if subprocess.call(command):
        for line in failed_cells(build, ROOT):
            print(f"error: {line}", file=sys.stderr)
        print("error: the book was not built; see the messages above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

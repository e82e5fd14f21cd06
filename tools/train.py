"""Run the training notebooks with papermill: only what is not recorded yet, and stop in time.

    python tools/train.py [--only lenet] [--budget full] [--minutes 10] [--results FOLDER]
                          [--cifar FOLDER] [--jobs 2]

Each notebook writes one record per finished run, so an interruption loses at most the current
run. The executed notebook is kept in _build/training/, and only if it ran to its end: with all
runs of its budget.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import papermill

from dlvlib.experiments import UnfinishedError
from dlvlib.results import BUDGETS

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "_ext"))
from coursebook.kernels import manager_class  # noqa: E402

NOTEBOOKS = ROOT / "chapters" / "training"


def train(notebook: Path, parameters: dict[str, object], output: Path, **options) -> None:
    """Execute one training notebook; the output appears only if every cell succeeded."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.stem}.{os.getpid()}.ipynb")  # of this process
    try:
        papermill.execute_notebook(
            notebook,
            temporary,
            parameters=parameters,
            kernel_name="python3",
            progress_bar=False,
            log_output=True,
            stdout_file=sys.stdout,
            **options,
        )
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="train notebooks whose name contains this")
    parser.add_argument("--budget", default="full", choices=BUDGETS)
    parser.add_argument("--minutes", type=float, default=None, help="start no run after this")
    parser.add_argument("--results", type=Path, default=ROOT / "chapters" / "results")
    parser.add_argument("--cifar", help="a folder with train/ and test/ instead of CIFAR-10")
    parser.add_argument("--jobs", type=int, default=1, help="notebooks at a time")
    arguments = parser.parse_args()
    os.environ.setdefault("IPYTHONDIR", str(ROOT / "tools" / "ipython"))
    chosen = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if arguments.only in path.stem]
    if not chosen:
        names = ", ".join(path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb")))
        print(f"error: no training notebook contains {arguments.only!r}: {names}", file=sys.stderr)
        return 1
    results = arguments.results.resolve()
    cifar = arguments.cifar and str(Path(arguments.cifar).resolve())
    end = None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
    options = {"kernel_manager_class": manager_class(len(chosen))} if arguments.jobs > 1 else {}
    drawn = []
    os.chdir(NOTEBOOKS)  # papermill's own `cwd` is for one notebook at a time

    def run(notebook: Path) -> str:
        """Train one notebook; returns the error, "" if there was none."""
        left = None if end is None else max(0.0, (end - time.monotonic()) / 60)
        parameters = {
            "budget": arguments.budget,
            "train_missing": True,
            "minutes": left,
            "results_folder": str(results),
        }
        if cifar and "cifar" in papermill.inspect_notebook(notebook):
            parameters["cifar"] = cifar
        print(f"== {notebook.stem}, budget {arguments.budget}", flush=True)
        try:
            train(notebook, parameters, ROOT / "_build" / "training" / notebook.name, **options)
            drawn.append(str(notebook))
        except papermill.PapermillExecutionError as error:
            if error.ename == UnfinishedError.__name__:
                print(f"== {notebook.stem}: {error.evalue}", flush=True)
                return ""
            what = f"{error.ename}: {error.evalue}"
            return f"error: {notebook.stem}, cell {error.cell_index}: {what}"
        return ""

    with ThreadPoolExecutor(arguments.jobs) as pool:
        for problem in (map if arguments.jobs == 1 else pool.map)(run, chosen):
            if problem:
                print(problem, file=sys.stderr)
                pool.shutdown(cancel_futures=True)
                return 1
    if drawn and results == ROOT / "chapters" / "results":
        refresh = [sys.executable, str(ROOT / "tools" / "notebooks.py"), "refresh"]
        return subprocess.call([*refresh, *sorted(drawn)])
    return 0


if __name__ == "__main__":
    sys.exit(main())

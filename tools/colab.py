"""Run the portable notebooks as Google Colab does: where torch is there and dlvlib is not.

    python tools/colab.py [NOTEBOOK ...]

Each notebook gets a fresh environment, kernel and folder. Its set-up cell lets pip fetch the
repository; git's `insteadOf` leads pip to a copy of this checkout. What Colab brings (torch,
numpy, pip and the rest) comes from the environment that runs this file. No network is needed.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import venv
from importlib.metadata import version
from pathlib import Path

import checkout
import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from notebooks import reading_order
from set_repository import current

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("torch", "torchvision", "numpy")  # what the installation must not replace
NOT_ON_COLAB = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
PROBE = f"""\
import importlib.metadata as metadata, importlib.util, json, sysconfig
own = metadata.distributions(path=[sysconfig.get_path("purelib")])
print(json.dumps({{
    "dlvlib": importlib.util.find_spec("dlvlib").origin,
    "installed": sorted(d.metadata["Name"] for d in own),
    "kept": {{n: [metadata.version(n), importlib.util.find_spec(n).origin] for n in {KEPT}}},
}}))
"""


def portable_notebooks() -> list[Path]:
    """Every notebook that the build wrote for Jupyter, in reading order."""
    pages = (ROOT / "_build" / "notebooks" / f"{page}.ipynb" for page in reading_order())
    return [path for path in pages if path.is_file()]


def make_environment(folder: Path) -> str:
    """Make an environment with all packages of this one but dlvlib; return its Python.

    They are found through a .pth file. pip takes them as installed and never removes them, since
    they lie outside; an editable installation, such as dlvlib's here, is not found that way.
    """
    venv.create(folder, with_pip=False)
    (library,) = folder.glob("lib/python*/site-packages")
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (library / "colab.pth").write_text("\n".join(packages) + "\n")
    return str(folder / "bin" / "python")


def environment(repository: Path, work: Path) -> dict[str, str]:
    """Return the variables of the kernel: git is led to `repository`.

    pip must keep torch as it is, and so stops at a requirement that would replace it instead of
    fetching gigabytes. It builds dlvlib with the setuptools that is there.
    """
    constraints = work / "kept.txt"
    constraints.write_text("".join(f"{name}=={version(name)}\n" for name in KEPT))
    return {k: v for k, v in os.environ.items() if k not in NOT_ON_COLAB} | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": current(repository),
        "PIP_CONSTRAINT": str(constraints),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # sic: pip reads this as the option being given
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INDEX": "1",
    }


def run(path: Path, repository: Path, work: Path) -> tuple[nbformat.NotebookNode, dict]:
    """Execute a notebook in the folder `work`; return it and what was found afterwards.

    What was found: the file of dlvlib, the packages that were installed, and version and file
    of each package of `KEPT`.

    Raises:
        RuntimeError: if a cell fails; the message names the notebook, the cell and the error.
    """
    python = make_environment(work / "environment")
    (work / "content").mkdir(exist_ok=True)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PROBE))
    manager = AsyncKernelManager(kernel_name="colab")
    command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=command, language="python")
    resources = {"metadata": {"path": str(work / "content")}}
    client = NotebookClient(notebook, km=manager, timeout=600, resources=resources)
    client.owns_km = True  # it also ends the kernel
    try:
        client.execute(env=environment(repository, work))
    except (CellExecutionError, CellTimeoutError) as error:
        count = sum(cell.get("execution_count") is not None for cell in notebook.cells)
        raise RuntimeError(f"{path.name}, code cell {count}: {error}") from None
    probe = notebook.cells.pop()
    return notebook, json.loads(probe.outputs[0].text)


def main() -> int | str:
    """Run the command line; returns the exit status, or what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="default: all that the build wrote"
    )
    arguments = parser.parse_args()
    # silences ipykernel's warning that it runs over TCP
    os.environ.setdefault("IPYTHONDIR", str(ROOT / "tools" / "ipython"))
    paths = arguments.notebooks or portable_notebooks()
    if not paths:
        return "error: _build/notebooks holds no page: run `make book`"
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        checkout.copy(ROOT, repository)
        checkout.commit(repository)
        for number, path in enumerate(paths):
            work, start = Path(folder) / str(number), time.monotonic()
            work.mkdir()
            try:
                run(path, repository, work)
                print(f"{time.monotonic() - start:6.1f} s  {path}", flush=True)
            except RuntimeError as error:
                failed += 1
                print(f"error: {error}", file=sys.stderr, flush=True)
            shutil.rmtree(work)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

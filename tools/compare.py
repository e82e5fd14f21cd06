"""Compare the outputs stored in the notebooks with those that the book was built with, by nbval.

    python tools/compare.py [NOTEBOOK ...]

The build has executed the same code cells with the same library, course kit and records. nbval
gets those outputs from the cache in place of a kernel that would compute them again.
"""

import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import JupyterCacheAbstract
from notebooks import book_notebooks

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "_ext"))

from coursebook.execution import EXECUTED, STAMP, digest  # noqa: E402

CACHE = ROOT / "_build" / ".jupyter_cache"


class ReplayedKernel:
    """The part of nbval's kernel that it uses, for a notebook that was executed before."""

    def __init__(self, notebook: Any):
        self.cells = iter(notebook.cells)
        self.messages: deque[dict[str, Any]] = deque()

    def execute_cell_input(self, source: str, allow_stdin: bool | None = None) -> str:
        """Find the next code cell with this source; nbval leaves out those tagged as skipped."""
        cell = next(c for c in self.cells if c.cell_type == "code" and c.source == source)
        for output in cell.outputs:
            output.get("data", {}).pop("image/svg+xml", None)  # nbval leaves out only PNG and JPEG
        messages = [(output.output_type, output) for output in cell.outputs]
        for kind, content in [*messages, ("status", {"execution_state": "idle"})]:
            message = {"msg_type": kind, "content": content, "parent_header": {"msg_id": "cell"}}
            self.messages.append(message)
        return "cell"

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        return self.messages.popleft()

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None: ...

    def await_idle(self, parent_id: str, timeout: float) -> None: ...

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None: ...


class Replay:
    """A plugin of pytest: nbval takes the outputs of every notebook from a cache."""

    def __init__(self, cache: JupyterCacheAbstract):
        self.cache = cache

    def pytest_configure(self, config: pytest.Config) -> None:
        from nbval.plugin import IPyNbFile  # here, as pytest rewrites it when it is imported

        def setup(file: IPyNbFile) -> None:
            try:
                record = self.cache.match_cache_notebook(file.nb)
            except KeyError:
                raise RuntimeError(f"{file.name} was not executed: run `make book`") from None
            file.kernel = ReplayedKernel(self.cache.get_cache_bundle(record.pk).nb)
            file.setup_sanitize_files()

        IPyNbFile.setup = setup


def compare(paths: list[str], cache_folder: Path) -> int:
    """Run nbval on some notebooks with the outputs from a cache; returns the exit status."""
    options = ["--nbval", "--nbval-sanitize-with", str(ROOT / "tests" / "nbval.cfg"), "-q"]
    options += ["-p", "no:cacheprovider", "-p", "no:randomly"]
    return pytest.main([*options, *paths], [Replay(get_cache(cache_folder))])


def main() -> int | str:
    """Run the command line; returns the exit status, or what went wrong."""
    stamp = CACHE / STAMP
    if not stamp.is_file() or stamp.read_text() != digest(ROOT, EXECUTED):
        return "error: the book was not built with these inputs: run `make book`"
    return compare(sys.argv[1:] or [str(path) for path in book_notebooks()], CACHE)


if __name__ == "__main__":
    sys.exit(main())

"""Notebooks are executed side by side, and only where what they compute may have changed.

jupyter-cache keeps what a notebook computed with its code cells. That also depends on the library,
the course kit and the records: a change of these empties the cache. What else changes a page,
such as claims.yml, a quiz, the glossary or a text cell, executes nothing.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import JupyterCacheAbstract
from jupyter_cache.executors.utils import create_cache_bundle, single_nb_execution
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from .kernels import manager_class

EXECUTED = ("dlvlib", "coursekit", "chapters/results", "benchmarks/results", "tools/ipython")
READ = (*EXECUTED, "_ext")  # what every page depends on
STAMP = "executed_with"  # a file in the cache with the digest of its inputs
# IPython writes into profile_default; a quiz is rendered by live.py.
NOT_READ = {"__pycache__", "profile_default", "quizzes"}


def digest(root: Path, names: Iterable[str]) -> str:
    """Return a digest of every file in some folders, by name and content."""
    found = hashlib.sha256()
    for file in sorted(file for name in names for file in (root / name).rglob("*")):
        if file.is_file() and not NOT_READ & set(file.parts):
            found.update(f"{file.relative_to(root).as_posix()}\0".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def open_cache(folder: Path, executed_with: str) -> JupyterCacheAbstract:
    """Return the cache in a folder, emptied if it was filled with other inputs."""
    stamp = folder / STAMP
    if not stamp.is_file() or stamp.read_text() != executed_with:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stamp.write_text(executed_with)
    return get_cache(folder)


def execute(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Execute the notebooks that are read and not in the cache, one for each core at a time.

    jupyter-book, which would execute one after the other, then finds them in the cache. One that
    fails is left to jupyter-book: it tries again and reports.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads than cores would be slower
    # A kernel warns that it uses TCP; this profile turns the warning off.
    os.environ.setdefault("IPYTHONDIR", str(Path(app.confdir) / "tools" / "ipython"))
    settings = env.mystnb_config  # type: ignore[attr-defined]
    if settings.execution_mode != "cache":
        return
    executed_with = digest(Path(app.srcdir), EXECUTED)
    cache = open_cache(Path(settings.execution_cache_path), executed_with)
    paths = [path for name in docnames if (path := str(env.doc2path(name))).endswith(".ipynb")]
    for path in paths:
        cache.add_nb_to_project(path)
    found = [cache.get_project_notebook(r.pk) for r in cache.list_unexecuted(filter_uris=paths)]
    found.sort(key=lambda notebook: -len(notebook.nb.cells))  # the longest first
    run = partial(
        single_nb_execution,
        timeout=settings.execution_timeout,
        allow_errors=False,
        kernel_manager_class=manager_class(len(found)),
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda one: run(one.nb, str(Path(one.uri).parent)), found)
        for notebook, result in zip(found, results, strict=True):
            if not result.err:
                bundle = create_cache_bundle(notebook, result.cwd, None, result.time, None)
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def setup(app: Sphinx) -> None:
    """Connect the step."""
    app.connect("env-before-read-docs", execute)

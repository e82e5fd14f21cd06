"""The book's own Sphinx extension: what the pages show beyond Markdown and notebooks."""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from pybtex.plugin import find_plugin, register_plugin
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search.en import SearchEnglish

from . import execution

# What each citation asks pybtex for, which would search every installed package each time.
STYLES = {
    "formatting": "alpha",
    "labels": "alpha",
    "names": "plain",
    "sorting": "author_year_title",
}
# They do nothing while a page is read, and do not declare it.
SILENT = ("sphinx_jupyterbook_latex", "sphinx_multitoc_numbering")
SearchEnglish.stem = cache(SearchEnglish.stem)  # most words of the index are on many pages


def write_every_page(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Write all pages at every build, as a page shows titles, numbers and terms of others.

    Only what changed is read again. An interrupted build is thereby completed by the next one.
    """
    return env.found_docs


def setup(app: Sphinx) -> dict[str, object]:
    """Set up each module that can be; two processes read and write the pages.

    Sphinx reads every page again once the version changes.
    """
    for part in iter_modules(__path__, f"{__name__}."):
        getattr(import_module(part.name), "setup", lambda _: None)(app)
    for kind, name in STYLES.items():
        group = f"pybtex.style.{kind}"
        register_plugin(group, name, find_plugin(group, name), force=True)
    app.parallel = 2
    for name in SILENT:
        app.setup_extension(name)
        app.extensions[name].parallel_read_safe = True
    app.connect("env-updated", write_every_page)
    version = execution.digest(Path(app.srcdir), execution.READ)
    return {"env_version": version, "parallel_read_safe": True, "parallel_write_safe": True}

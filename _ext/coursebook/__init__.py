"""The book's own Sphinx extension: what the pages show beyond Markdown and notebooks."""

from collections.abc import Iterable

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PARTS = [
    "api",
    "claims",
    "execution",
    "figures",
    "glossary",
    "layout",
    "ledger",
    "live",
    "offline",
    "portable",
    "site",
    "sources",
    "tables",
]


def write_every_page(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Write all pages at every build, as a page shows titles, numbers and terms of others.

    Only what changed is read again. An interrupted build is thereby completed by the next one.
    A second process writes what this one has resolved.
    """
    app.parallel = 2
    return env.found_docs


def setup(app: Sphinx) -> dict[str, bool]:
    """Set up each part."""
    for part in PARTS:
        app.setup_extension(f"{__name__}.{part}")
    app.connect("env-updated", write_every_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

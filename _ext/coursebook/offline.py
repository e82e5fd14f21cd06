"""A page loads nothing from another host: MathJax is in the site, thebe is left out.

The policy in templates/layout.html lets the browser refuse anything else.

MathJax comes from the installed package sphinx-mathjax-offline. Of its 24 MB the site gets the
renderer, its fonts and the TeX extensions that are loaded on demand. They are put beside _static,
as jupyter-book adds every script below _static to every page.
"""

import importlib.util
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset

PACKAGE = "sphinx-mathjax-offline"
PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")
TARGET = "vendor/mathjax"


def mathjax_folder() -> Path:
    """Return the folder of the installed MathJax.

    Raises:
        ExtensionError: if the package is missing, or a part that pages need is not in it.
    """
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise ExtensionError(f"equations need the package {PACKAGE}, and it is not installed")
    folder = Path(package.submodule_search_locations[0]) / "static" / "mathjax"
    missing = [part for part in PARTS if not (folder / part).exists()]
    if missing:
        raise ExtensionError(f"{PACKAGE} must hold {', '.join(missing)}; not found in {folder}")
    return folder


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy the parts of MathJax into the site."""
    if error is None and app.builder.format == "html":
        for part in PARTS:
            source, target = mathjax_folder() / part, Path(app.outdir) / TARGET / part
            copy_asset(source, target if source.is_dir() else target.parent)


def leave_out_thebe(app: Sphinx) -> None:
    """Disconnect sphinx-thebe, which jupyter-book always loads and no page uses."""
    for listeners in app.events.listeners.values():
        listeners[:] = [i for i in listeners if i.handler.__module__ != "sphinx_thebe"]
    styles = app.registry.css_files
    styles[:] = [style for style in styles if style[0] != "sphinx-thebe.css"]


def setup(app: Sphinx) -> None:
    """Use the site's MathJax."""
    leave_out_thebe(app)
    mathjax_folder()
    app.config.mathjax_path = f"../{TARGET}/tex-chtml.js"
    app.connect("build-finished", copy_mathjax)

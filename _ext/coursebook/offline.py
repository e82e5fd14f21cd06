"""A page loads nothing from another host: MathJax is in the site, thebe is left out.

The policy in templates/layout.html lets the browser refuse anything else.

MathJax comes from the installed package sphinx-mathjax-offline. Of its 24 MB the site gets the
renderer, its fonts and the TeX extensions that are loaded on demand. They are put beside _static,
as jupyter-book adds every script below _static to every page.
"""

import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

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


def configure(app: Sphinx, config: Config) -> None:
    """Use the site's MathJax, without its menu, which would load files that are not shipped."""
    mathjax_folder()
    config.mathjax_path = f"../{TARGET}/tex-chtml.js"
    settings = dict(config.mathjax3_config or {})
    settings["options"] = {**settings.get("options", {}), "enableMenu": False}
    config.mathjax3_config = settings


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy the parts of MathJax into the site."""
    if error is not None or app.builder.format != "html":
        return
    for part in PARTS:
        source, target = mathjax_folder() / part, Path(app.outdir) / TARGET / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)


def leave_out_thebe(app: Sphinx) -> None:
    """Disconnect sphinx-thebe, which jupyter-book always loads and no page uses."""
    for listeners in app.events.listeners.values():
        listeners[:] = [i for i in listeners if i.handler.__module__ != "sphinx_thebe"]
    styles = app.registry.css_files
    styles[:] = [style for style in styles if style[0] != "sphinx-thebe.css"]


def setup(app: Sphinx) -> None:
    """Connect the steps."""
    leave_out_thebe(app)
    app.connect("config-inited", configure, priority=900)
    app.connect("build-finished", copy_mathjax)

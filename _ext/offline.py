"""A page asks no other host: MathJax lies in the site, thebe and its kernel client are left out.

MathJax comes from the installed package sphinx-mathjax-offline. Of its 24 MB the site gets the
renderer, its fonts and the TeX extensions that are loaded on demand; they lie beside _static, not
in it, since jupyter-book adds every script below _static to every page.
"""

import importlib.util
import re
import shutil
from pathlib import Path

from sphinx.errors import ExtensionError

PACKAGE = "sphinx-mathjax-offline"
PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")
TARGET = "vendor/mathjax"
THEBE_SETTINGS = re.compile(
    r'<script type="text/x-thebe-config">.*?</script>\s*<script>kernelName = .*?</script>\s*', re.S
)


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


def configure(app, config):
    """Use the site's copy of MathJax, without the menu, which would load files we do not ship."""
    mathjax_folder()
    config.mathjax_path = f"../{TARGET}/tex-chtml.js"
    settings = dict(config.mathjax3_config or {})
    settings["options"] = {**settings.get("options", {}), "enableMenu": False}
    config.mathjax3_config = settings


def drop_thebe(app, pagename, templatename, context, doctree):
    """Take thebe's scripts, style sheet and settings out of a page."""
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context.get(kind, [])
            if "thebe" not in f"{file} {getattr(file, 'attributes', '')}".lower()
        ]
    if "body" in context:
        context["body"] = THEBE_SETTINGS.sub("", context["body"])


def copy_mathjax(app, error):
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


def setup(app):
    """Connect the three steps."""
    app.connect("config-inited", configure, priority=900)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("build-finished", copy_mathjax, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

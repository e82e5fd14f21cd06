"""The address of the site, the line about the last run, and a filter for a false alarm."""

import logging
import math
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

STEP = 5  # seconds; the time of a page is rounded up to it, so that most builds print the same


def site_address(repository: str) -> str:
    """Return where GitHub Pages publishes a repository.

    >>> site_address("https://github.com/Someone/Course")
    'https://someone.github.io/Course/'

    Raises:
        ExtensionError: if the address is not https://github.com/OWNER/NAME.
    """
    parts = urlsplit(repository)
    names = parts.path.strip("/").split("/")
    if (parts.scheme, parts.netloc) != ("https", "github.com") or len(names) != 2:
        raise ExtensionError(
            f"repository.url must be https://github.com/OWNER/NAME, got {repository!r}"
        )
    owner, name = names
    return f"https://{owner.lower()}.github.io/{name}/"


def configure(app: Sphinx, config: Config) -> None:
    """Derive the address of the published site from that of the repository."""
    config.html_baseurl = site_address(config.html_theme_options["repository_url"])
    config.ogp_site_url = config.html_baseurl
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def add_last_run(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Add to an executed page when it ran, how long, and with which torch."""
    run = NbMetadataCollector.get_doc_data(app.env).get(pagename, {}).get("exec_data")
    if not run or "body" not in context:
        return
    seconds = STEP * (math.floor((run["runtime"] or 0) / STEP) + 1)
    time = f"in under {seconds} s" if run["succeeded"] else "until an error stopped it"
    day = datetime.fromtimestamp(run["mtime"], UTC)
    torch = version("torch").partition("+")[0]
    text = f"Last run on {day.day} {day:%B %Y} {time}, with torch {torch}, on a CPU."
    context["body"] += f'<p class="last-run">{escape(text)}</p>'


def is_real(record: logging.LogRecord) -> bool:
    """Return whether a warning is about anything but a footnote that {footcite:p}`key` makes.

    myst-parser looks for its text in the page, where sphinxcontrib-bibtex writes it only later.
    An unknown key still warns, from sphinxcontrib-bibtex itself.
    """
    return "No footnote definitions found for label: 'footcite-" not in record.getMessage()


def setup(app: Sphinx) -> None:
    """Connect the steps; the addresses are needed before the cards are made."""
    logging.getLogger("sphinx.sphinx.util.docutils").addFilter(is_real)
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", add_last_run)

"""What lets a page be found and trusted: sitemap.xml, canonical addresses, cards, last run.

The address of the published site follows from that of the repository in `_config.yml`, so there
is one place to set.
"""

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import torch
from myst_nb.sphinx_ import NbMetadataCollector
from runs import said
from sphinx.errors import ExtensionError


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


def configure(app, config):
    """Tell Sphinx and the cards where the site will stand."""
    config.html_baseurl = site_address(config.html_theme_options["repository_url"])
    config.ogp_site_url = config.html_baseurl


def last_run(app, pagename, templatename, context, doctree):
    """Say below an executed page when it ran, how long, and with which torch."""
    noted = NbMetadataCollector.get_doc_data(app.env).get(pagename, {}).get("exec_data")
    if not noted or "body" not in context:
        return
    day = datetime.fromtimestamp(noted["mtime"], UTC)
    text = (
        f"Last run on {day.day} {day:%B %Y} in {said(noted)}, with torch "
        f"{torch.__version__.partition('+')[0]}, on a CPU."
    )
    context["body"] += f'<p class="last-run">{escape(text)}</p>'


def write_sitemap(app, error):
    """List the address of every page in sitemap.xml, by name."""
    if error is not None or app.builder.format != "html":
        return
    pages = sorted(app.env.found_docs)
    addresses = [app.config.html_baseurl + app.builder.get_target_uri(page) for page in pages]
    lines = "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address in addresses)
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</urlset>\n',
        encoding="utf8",
    )


def setup(app):
    """Connect the steps; the addresses are needed before the cards are."""
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", last_run)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

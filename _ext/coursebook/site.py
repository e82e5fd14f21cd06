"""The address of the site, and what each page ends with."""

import re
from datetime import UTC, datetime
from html import escape, unescape
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

NOT_FOUND = """\
<h1>Page not found</h1>
<p>No page has this address. Some pages have been renumbered, so an old link may lead here.</p>
<ul>
<li><a href="{0}index.html">The start of the book</a>, with a list of its pages</li>
<li><a href="{0}search.html">Search</a></li>
<li><a href="{0}chapters/glossary.html">The glossary</a>, which names the page of each term</li>
</ul>
"""


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
    body = NOT_FOUND.format(config.notfound_urls_prefix)
    config.notfound_context = {"title": "Page not found", "body": body}


def add_last_run(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Add to an executed page when it ran, and with which torch."""
    run = NbMetadataCollector.get_doc_data(app.env).get(pagename, {}).get("exec_data")
    if not run or not run["succeeded"] or "body" not in context:
        return
    day = datetime.fromtimestamp(run["mtime"], UTC)
    torch = version("torch").partition("+")[0]
    text = f"Last run on {day.day} {day:%B %Y}, with torch {torch}, on a CPU."
    context["body"] += f'<p class="last-run">{escape(text)}</p>'


def add_citation(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Add to a page how to cite it, from CITATION.cff."""
    path = Path(app.srcdir) / "CITATION.cff"
    if "body" not in context or doctree is None or not path.is_file():
        return
    book = yaml.safe_load(path.read_text(encoding="utf8"))
    names = [a.get("name") or f"{a['given-names']} {a['family-names']}" for a in book["authors"]]
    title = unescape(re.sub(r"^\d+\.\s+", "", re.sub("<.*?>", "", context["title"])))
    address = f"{app.config.html_baseurl}{pagename}.html"
    year, release = app.config.copyright, f"version {book['version']}"
    text = f"{', '.join(names)} ({year}). “{title}”. In: {book['title']}, {release}. {address}"
    fields = {
        "author": f"{{{' and '.join(names)}}}",
        "title": title,
        "booktitle": book["title"],
        "year": year,
        "note": release,
        "url": address,
    }
    lines = "".join(f",\n  {name} = {{{value}}}" for name, value in fields.items())
    key = f"dlv-{pagename.rpartition('/')[2].replace('_', '-')}"
    context["body"] += (
        '<details class="cite"><summary>Cite this page</summary>'
        f"<p>{escape(text)}</p><pre>@incollection{{{key}{escape(lines)}\n}}</pre></details>"
    )


def write_robots(app: Sphinx, error: Exception | None) -> None:
    """Lead search engines to the map of the site."""
    if error is None and app.builder.format == "html":
        text = f"User-agent: *\nAllow: /\n\nSitemap: {app.config.html_baseurl}sitemap.xml\n"
        (Path(app.outdir) / "robots.txt").write_text(text, encoding="utf8")


def setup(app: Sphinx) -> None:
    """Connect the steps; the addresses are needed before the cards are made."""
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", add_last_run)
    app.connect("html-page-context", add_citation)
    app.connect("build-finished", write_robots)

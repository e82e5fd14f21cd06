"""A Content-Security-Policy on every page, which the page obeys over http:// and from the disk.

A script runs if it is a file of the site or stands in the page as it was built: the hash of each
inline script is in the policy. No handler in an attribute, no eval, nothing from another host.
Styles may stand inline, since MathJax and the theme write them while the page is shown.
"""

import base64
import hashlib
import re
from pathlib import Path

SCRIPT = re.compile(r"<script\b(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.S | re.I)
SOURCE = re.compile(r"\bsrc\s*=", re.I)
TYPE = re.compile(r"""\btype\s*=\s*["']?([^"'\s>]+)""", re.I)
RUNS = {"module", "importmap", "text/javascript", "application/javascript"}
START = re.compile(r"<head\b[^>]*>\s*<meta charset=[^>]*>", re.I)
META = re.compile(r'\s*<meta http-equiv="Content-Security-Policy"[^>]*>')
# The theme's handlers; _static/theme.js does the same for a button that says what it does.
HANDLERS = {
    'onclick="window.print()"': 'data-does="print"',
    'onclick="toggleFullScreen()"': 'data-does="full-screen"',
}


def inline_scripts(html: str) -> list[str]:
    """Return the text of each script in the page that a browser would run, in their order."""
    found = []
    for match in SCRIPT.finditer(html):
        kind = TYPE.search(match["attributes"])
        if not SOURCE.search(match["attributes"]) and (not kind or kind[1].lower() in RUNS):
            found.append(match["text"].replace("\r\n", "\n"))
    return found


def policy_of(html: str) -> str:
    """Return the policy that the page's own scripts obey, and no other."""
    digests = [hashlib.sha256(text.encode()).digest() for text in inline_scripts(html)]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *dict.fromkeys(hashes)]),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "font-src": "'self' data:",
        "connect-src": "'self'",  # the search reads the pages that it found
        "base-uri": "'none'",
        "form-action": "'self'",
        "object-src": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def protect(html: str) -> str:
    """Return the page without the theme's handlers and with its policy; twice is as once.

    Raises:
        ValueError: if the page does not begin with its character set, where the policy belongs.
    """
    for handler, replacement in HANDLERS.items():
        html = html.replace(handler, replacement)
    html = META.sub("", html)
    start = START.search(html)
    if start is None:
        raise ValueError("a page must name its character set first in its head; this one does not")
    meta = f'\n    <meta http-equiv="Content-Security-Policy" content="{policy_of(html)}">'
    return html[: start.end()] + meta + html[start.end() :]


def protect_site(app, error):
    """Rewrite every page; the theme's templates are none."""
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for page in sorted(site.rglob("*.html")):
        if page.relative_to(site).parts[0] != "_static":
            before = page.read_text(encoding="utf8")
            after = protect(before)
            if after != before:
                page.write_text(after, encoding="utf8")


def setup(app):
    """Connect the step, after all others that write into pages and before the guard."""
    app.connect("build-finished", protect_site, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Warn of a page that is not self-contained, not readable without eyes, or holds raw markup.

The build runs with `-W`, so each warning fails it. Links that a reader may follow are free to
lead anywhere; what the page itself would load is not.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

from sphinx.util import logging

LOG = logging.getLogger(__name__)
THIRD_PARTY = re.compile(r"^\s*(?:https?:)?//", re.I)
LOADED = {  # element: attributes that make the page load something
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "image": ("href", "xlink:href"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
LINK_RELATIONS = {
    "apple-touch-icon",
    "dns-prefetch",
    "icon",
    "manifest",
    "modulepreload",
    "preconnect",
    "prefetch",
    "preload",
    "stylesheet",
}
IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", re.I)
IN_SCRIPT = re.compile(
    r"""(?:\bfrom|\bimport|\bimport\(|\bfetch\(|importScripts\()\s*["']((?:https?:)?//[^"']+)"""
    r"""|["'](https?://(?:cdn\.|cdnjs\.|unpkg\.|esm\.|cdn-)[^"']+)"""
)
RAW = re.compile(r"\{[a-z][a-z:_-]*\}`|^\s*(?:`{3,}|:{3,})\s*\{", re.M)
ROLE = re.compile(r"\{[a-z][a-z:_-]*\}$")  # before <code>: Markdown without its role
VERBATIM = {"code", "kbd", "pre", "script", "style", "textarea"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"}


def runs(attribute: str) -> bool:
    """Whether a browser would run the attribute as code, which the policy of a page refuses."""
    return attribute.startswith("on") and attribute.isalpha()


class Guard(HTMLParser):
    """Collects what is wrong with one page in `problems`."""

    def __init__(self):
        super().__init__()
        self.problems: list[str] = []
        self.open: list[str] = []
        self.text = ""  # what stands right before the next tag

    def handle_starttag(self, tag, attrs):
        """Check the attributes of an element."""
        attributes = {name: value or "" for name, value in attrs}
        loads = [attributes[name] for name in LOADED.get(tag, ()) if name in attributes]
        if tag == "link" and LINK_RELATIONS & set(attributes.get("rel", "").lower().split()):
            loads.append(attributes.get("href", ""))
        self.problems += [f"<{tag}> loads {url}" for url in loads if THIRD_PARTY.match(url)]
        self.problems += [f"<{tag}> runs code from {name}" for name in attributes if runs(name)]
        self.check_css(attributes.get("style", ""))
        decorative = attributes.get("role") in ("presentation", "none")
        if tag == "img" and not attributes.get("alt", "").strip() and not decorative:
            self.problems.append(f"<img src={attributes.get('src', '')!r}> has no alt text")
        if tag == "code" and (role := ROLE.search(self.text)):
            self.problems.append(f"raw text {role[0]!r} before <code>")
        self.text = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Check it too; it stays open for nothing."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        """Close the innermost element of that name."""
        self.text = ""
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        """Check text, style sheets and scripts."""
        self.text = data
        if "style" in self.open:
            self.check_css(data)
        elif "script" in self.open:
            found = (next(filter(None, groups)) for groups in IN_SCRIPT.findall(data))
            self.problems += [f"a script loads {url}" for url in found]
        elif not VERBATIM.intersection(self.open):
            self.problems += [f"raw text {text!r}" for text in RAW.findall(data)]

    def check_css(self, text: str) -> None:
        """Look for what a style sheet would load."""
        self.problems += [f"a style sheet loads {url}" for url in IN_CSS.findall(text)]


def problems_of(html: str) -> list[str]:
    """Return what is wrong with a page, one sentence each, in the order of the page."""
    guard = Guard()
    guard.feed(html)
    guard.close()
    return list(dict.fromkeys(guard.problems))


def check_site(app, error):
    """Read every page that was built."""
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for page in sorted(site.rglob("*.html")):
        name = page.relative_to(site).as_posix()
        if not name.startswith("_static/"):  # templates of the theme, not pages
            for problem in problems_of(page.read_text(encoding="utf8")):
                LOG.warning(f"page {name}: {problem}")


def setup(app):
    """Connect the check, after everything else that touches pages."""
    app.connect("build-finished", check_site, priority=990)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Show a figure at the size it was drawn: its inches x 110 CSS pixels, whatever its resolution.

A PNG of matplotlib says how many dots make an inch. With 200 dots to the inch and 110 CSS pixels,
a screen with small pixels shows it sharp, and the type in it has the same size on every page.
"""

import re
import struct
from pathlib import Path
from urllib.parse import unquote

CSS_PIXELS_PER_INCH = 110
IMAGE = re.compile(r'<img\b[^>]*\bsrc="[^"]*_images/(?P<name>[^"/]+\.png)"[^>]*>')
SIZED = re.compile(r'\s(?:width|height|style)="')


def inches(path: Path) -> tuple[float, float] | None:
    """Return width and height of a PNG in inches, or None where it does not say."""
    data = path.read_bytes()
    found = data.find(b"pHYs", 0, data.find(b"IDAT"))
    if not data.startswith(b"\x89PNG") or found < 0:
        return None
    per_x, per_y, unit = struct.unpack(">IIB", data[found + 4 : found + 13])
    if unit != 1 or not per_x or not per_y:  # 1: dots to the metre
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width / per_x / 0.0254, height / per_y / 0.0254


def size_images(html: str, paths: dict[str, Path]) -> str:
    """Give every PNG in `html` its width and height; `paths` maps a name in _images to a file."""

    def sized(match: re.Match) -> str:
        tag, path = match[0], paths.get(unquote(match["name"]))
        size = None if path is None or SIZED.search(tag) else inches(path)
        if size is None:
            return tag
        width, height = (round(length * CSS_PIXELS_PER_INCH) for length in size)
        return f'<img width="{width}" height="{height}"{tag[4:]}'

    return IMAGE.sub(sized, html)


def size_page(app, pagename, templatename, context, doctree):
    """Size the figures of one page."""
    if "body" in context:
        images = app.builder.images.items()
        paths = {name: Path(app.srcdir, source) for source, name in images}
        context["body"] = size_images(context["body"], paths)


def setup(app):
    """Connect the step."""
    app.connect("html-page-context", size_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

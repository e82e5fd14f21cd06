"""Make the figures light: each PNG of the site becomes a WebP that shows the same, in a third.

The compression is lossless. A drawing of few colours is first reduced to 256 of them where nobody
sees it; a photograph keeps every pixel.
"""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

NEAR = 8  # of 255: by how much a colour may change in 99 of 100 pixels
FOLDER = "_images"


def reduced(picture: Image.Image) -> Image.Image:
    """Return the picture with 256 colours if it looks the same with them, else as it is."""
    fewer = picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    fewer = fewer.convert("RGB")
    change = np.abs(np.asarray(picture, dtype=int) - np.asarray(fewer, dtype=int)).max(axis=2)
    return fewer if np.percentile(change, 99) <= NEAR else picture


def light(path: Path) -> Path:
    """Write the picture as WebP beside its PNG, delete the PNG, and return the new path."""
    picture = Image.open(path)
    opaque = not picture.has_transparency_data or picture.convert("RGBA").getextrema()[3][0] == 255
    picture = reduced(picture.convert("RGB")) if opaque else picture.convert("RGBA")
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=True, exact=True)
    target = path.with_suffix(".webp")
    target.write_bytes(buffer.getvalue())
    path.unlink()
    return target


def renamed(html: str, names: set[str]) -> str:
    """Let the page show ``<name>.webp`` instead of ``<name>.png`` for each of the names."""

    def new(match: re.Match) -> str:
        return f"{match[1]}.webp" if match[2] in names else match[0]

    return re.sub(rf"({FOLDER}/([^\"'/\s]+))\.png", new, html)


def lighten_site(app, error):
    """Replace the PNGs, and name the new files in the pages."""
    if error is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    with ThreadPoolExecutor() as pool:
        list(pool.map(light, sorted((site / FOLDER).glob("*.png"))))
    names = {path.stem for path in (site / FOLDER).glob("*.webp")}
    for page in site.rglob("*.html"):
        before = page.read_text(encoding="utf8")
        after = renamed(before, names)
        if after != before:
            page.write_text(after, encoding="utf8")


def setup(app):
    """Connect the step, before the policy of a page is written."""
    app.connect("build-finished", lighten_site, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Figures of notebooks: WebP, a third of the weight or less, at the size they were drawn.

A PNG of matplotlib stores its dots per inch. With 200 dots and 110 CSS pixels to the inch, a
screen with small pixels shows it sharp, and its text has the same size on every page.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from PIL import Image, ImageChops
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.writers.html5 import HTML5Translator

CSS_PIXELS_PER_INCH = 110
SAME = 8  # of 255: a smaller change of a colour is not seen
QUALITY = 80  # of photographs, in percent: lossless, they weigh five to ten times as much


def reduced(picture: Image.Image) -> Image.Image:
    """Return an opaque picture with 256 colours if 99 of 100 pixels look the same, else as it is.

    A drawing usually does, a photograph does not.
    """
    if picture.convert("RGBA").getextrema()[3] != (255, 255):
        return picture
    picture = picture.convert("RGB")
    fewer = picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    change = np.asarray(ImageChops.difference(picture, fewer.convert("RGB"))).max(axis=2)
    return fewer.convert("RGB") if np.percentile(change, 99) <= SAME else picture


def encode(picture: Image.Image) -> bytes:
    """Return a WebP: lossless, or lossy if the picture is a photograph and that is lighter.

    A photograph is opaque and has more than 256 colours.
    """
    exact, lossy = BytesIO(), BytesIO()
    picture.save(exact, "WEBP", lossless=True, exact=True)
    if picture.mode != "RGB" or picture.getcolors(256) is not None:
        return exact.getvalue()
    picture.save(lossy, "WEBP", quality=QUALITY)
    return min(exact.getvalue(), lossy.getvalue(), key=len)


def to_webp(path: Path) -> tuple[Path, list[int] | None]:
    """Return the WebP beside a PNG, made if missing, and its size in CSS pixels if it has dpi."""
    target = path.with_suffix(".webp")
    with Image.open(path) as picture:
        if not target.is_file():
            target.write_bytes(encode(reduced(picture)))
        dpi = picture.info.get("dpi", ())
        pairs = zip(picture.size, dpi, strict=False)
        size = [round(pixels / per_inch * CSS_PIXELS_PER_INCH) for pixels, per_inch in pairs]
    return target, size or None


class LightFigures(SphinxTransform):
    """Let the outputs of a notebook show WebP instead of PNG."""

    default_priority = 500

    def apply(self) -> None:
        for node in self.document.findall(nodes.image):
            path = Path(self.env.relfn2path(node["uri"], self.env.docname)[1])
            if "jupyter_execute" in path.parts and path.suffix == ".png":
                webp, size = to_webp(path)
                node["uri"] = node["uri"].removesuffix(path.name) + webp.name
                if size and not {"width", "height", "scale"} & set(node.attributes):
                    node["css_size"] = size


def visit_image(translator: Any, node: nodes.image) -> None:
    """Write an image with its width and height, so that the page keeps room for it."""
    HTML5Translator.visit_image(translator, node)
    if "css_size" in node:
        width, height = node["css_size"]
        tag = translator.body.pop()
        translator.body.append(tag.replace("<img", f'<img width="{width}" height="{height}"', 1))


def setup(app: Sphinx) -> None:
    """Register the transform and the writer."""
    app.add_transform(LightFigures)
    app.add_node(nodes.image, override=True, html=(visit_image, HTML5Translator.depart_image))

"""Figures of notebooks are written into the page as SVG, in its fonts and its colours.

tools/ipython/drawing.py draws a figure for a wide page and, below it, for a phone; the style sheet
shows one of them. The colours that the style sheet knows by name follow the theme, any other gets
its lightness turned over in the dark. Images, and what lies on a heat map, keep their colours.
"""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

CSS_PIXELS_PER_POINT = 110 / 72
AS_DRAWN = "as-drawn"
NAMED = {
    "#0072b2": "resnet",
    "#c65200": "vgg",
    "#007f5c": "googlenet",
    "#b0568c": "xception",
    "#1f2933": "alexnet",
    "#6b7280": "lenet",
}
DROPPED = {"font-family", "stroke-linejoin"}  # the style sheet has them
START = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
COLOUR = re.compile(r"#[0-9a-f]{6}\b")
LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
NO_TURN = re.compile(r"rotate\(-?0[ )]")
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"


def themed(colour: str) -> str:
    """Return the CSS of a colour that follows the theme.

    >>> themed("#0072b2")
    'var(--dlv-resnet)'
    """
    if colour in NAMED:
        return f"var(--dlv-{NAMED[colour]})"
    return f"light-dark({colour},oklch(from {colour} calc(1.17 - .96*l) c h))"


def shortened(text: str) -> str:
    """Return text with its numbers rounded to a tenth of a point, and without line breaks."""
    text = LONG_NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), text)
    return " ".join(text.split())


def as_webp(link: str) -> str:
    """Return a data: address of a PNG as one of a lossless WebP, if that is lighter."""
    png = base64.b64decode(link.partition(",")[2])
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).save(out, "WEBP", lossless=True, exact=True)
    kind, data = min(("png", png), ("webp", out.getvalue()), key=lambda pair: len(pair[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def restyle(element: ElementTree.Element, prefix: str, fixed: bool) -> None:
    """Rewrite an element of an SVG and what it holds, for a place inside of a page."""
    element.tag = element.tag.removeprefix(SVG)
    fixed = fixed or element.get("id") == AS_DRAWN
    if LINK in element.attrib:
        element.set("href", element.attrib.pop(LINK))
    for name, value in list(element.attrib.items()):
        if name == "style":
            pairs = (part.partition(":") for part in value.split(";"))
            styles = {key.strip(): text.strip() for key, _, text in pairs}
            kept = ";".join(f"{k}:{v}" for k, v in styles.items() if k and k not in DROPPED)
            kept = kept if fixed else COLOUR.sub(lambda found: themed(found[0]), kept)
            element.set(name, shortened(kept))
        elif name == "id":
            element.set(name, prefix + value)
        elif name == "href":
            element.set(name, f"#{prefix}{value[1:]}" if value[0] == "#" else as_webp(value))
        elif name == "clip-path":
            element.set(name, value.replace("#", f"#{prefix}"))
        elif name == "transform" and NO_TURN.match(value):
            del element.attrib[name]
        else:
            element.set(name, shortened(value))
    for child in list(element):
        if child.tag in (f"{SVG}metadata", f"{SVG}style"):
            element.remove(child)
        elif isinstance(child.tag, str):
            restyle(child, prefix, fixed)
    for part in (element, *element):  # white space between elements, never in a text
        part.text = part.text if part.text and part.text.strip() else None
        part.tail = part.tail if part.tail and part.tail.strip() else None


def without_empty_groups(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yield an element, or what it holds if it is a group or definitions and says nothing."""
    element[:] = [part for child in element for part in without_empty_groups(child)]
    if element.tag == "g" and not element.attrib:
        yield from element
    elif element.tag != "defs" or len(element):
        yield element


def drawing(svg: str, alt: str, number: int) -> str:
    """Return the forms of a figure as HTML.

    Args:
        svg: one or two SVG documents of matplotlib, the wide one first.
        alt: what the figure shows, for those who do not see it.
        number: of the figure in its page, which keeps ids apart.
    """
    forms = START.findall(svg)
    written = []
    for form, names in zip(forms, ("wide", "narrow"), strict=False):
        root = ElementTree.fromstring(form)
        width, height = (float(size) for size in root.get("viewBox", "").split()[2:])
        restyle(root, f"{names[0]}{number}-", fixed=False)
        used = {value.partition("#")[2].rstrip(")") for e in root.iter() for value in e.attrib.values()}
        for element in root.iter():
            if element.get("id") not in used:
                element.attrib.pop("id", None)
        (root,) = without_empty_groups(root)
        root.attrib = {
            "class": f"drawing {names}" if len(forms) > 1 else "drawing",
            "role": "img",
            "aria-label": alt,
            "viewBox": f"0 0 {width:.1f} {height:.1f}",
            "width": f"{width * CSS_PIXELS_PER_POINT:.0f}",
            "height": f"{height * CSS_PIXELS_PER_POINT:.0f}",
        }
        written.append(ElementTree.tostring(root, encoding="unicode"))
    return "".join(written)


class InlineFigures(SphinxTransform):
    """Write the figures that a notebook has drawn into its page."""

    default_priority = 500

    def apply(self) -> None:
        for number, node in enumerate(list(self.document.findall(nodes.image))):
            path = Path(self.env.relfn2path(node["uri"], self.env.docname)[1])
            if "jupyter_execute" in path.parts and path.suffix == ".svg":
                html = drawing(path.read_text(encoding="utf8"), node.get("alt", ""), number)
                node.replace_self(nodes.raw("", html, format="html"))


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(InlineFigures)

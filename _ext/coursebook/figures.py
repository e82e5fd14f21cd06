"""Figures of notebooks are written into the page as SVG, in its fonts and its colours.

tools/ipython/drawing.py draws a figure for a wide page and, below it, for a phone; the style sheet
shows one of them. The colours that the style sheet knows by name follow the theme, any other gets
its lightness turned over in the dark. Images, and what lies on a heat map, keep their colours.
"""

import base64
import hashlib
import io
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, canonicalize

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

CSS_PIXELS_PER_POINT = 110 / 72
AS_DRAWN, HALO = "as-drawn", "halo"  # groups that tools/ipython/drawing.py names
BOX = Image.Resampling.BOX
IMAGES = "_images"  # the folder of the site for all pictures
SMALL = 500  # bytes: an image that is lighter is written into the page
LIGHT = 2000  # bytes: an image that is lighter keeps its pixels
FEW = 50 * 50  # pixels: an image that has no more keeps them, since each can be seen
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
VIEW_BOX = re.compile(r'viewBox="\S+ \S+ (\S+) (\S+)"')
COLOUR = re.compile(r"#[0-9a-f]{6}\b")
LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
COMMAND = re.compile(r" ?\b([MLQCz])\b ?")  # of a path
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
    """Return text with its numbers rounded to a tenth of a point, and without needless space.

    >>> shortened("M 0.123 10.98\\nL 3 4")
    'M0.1 11L3 4'
    """
    text = LONG_NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), text)
    return COMMAND.sub(r"\1", " ".join(text.split()))


@cache  # both forms of a figure hold the same images
def as_webp(link: str) -> bytes:
    """Return the PNG of a data: address as WebP.

    A small or light image keeps its pixels, a photograph or a large map is compressed as such, and
    a cloud of dots gets 32 colours.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))).convert("RGBA")
    if picture.width * picture.height <= FEW:
        return encoded(picture, lossless=True)
    if picture.getchannel("A").getextrema() != (255, 255):
        picture = picture.resize((picture.width * 7 // 10, picture.height * 7 // 10), BOX)
        picture = picture.quantize(32, Image.Quantize.FASTOCTREE)
        return encoded(picture, lossless=True)
    exact, compressed = (encoded(picture, lossless=lossless) for lossless in (True, False))
    return exact if len(exact) < max(LIGHT, 2 * len(compressed)) else compressed


def encoded(picture: Image.Image, lossless: bool) -> bytes:
    """Return a picture as WebP."""
    out = io.BytesIO()
    picture.save(out, "WEBP", lossless=lossless, quality=75, exact=True)
    return out.getvalue()


@dataclass
class Form:
    """One form of a figure while it is written; `save` returns the address of a WebP."""

    prefix: str  # of its ids
    save: Callable[[bytes], str]
    colours: dict[str, str] = field(default_factory=dict)  # CSS to name, unless the theme has it

    def name(self, colour: re.Match[str]) -> str:
        """Return a colour by a name."""
        css = themed(colour[0])
        if css.startswith("var"):
            return css
        return f"var({self.colours.setdefault(css, f'--c{len(self.colours)}')})"

    def attribute(self, tag: str, name: str, value: str, fixed: bool) -> str:
        """Return the value of an attribute for a place inside of a page; "" drops it."""
        if name == "style":
            pairs = (part.partition(":") for part in value.split(";"))
            styles = {key.strip(): shortened(text.strip()) for key, _, text in pairs}
            kept = ";".join(f"{k}:{v}" for k, v in styles.items() if k and k not in DROPPED)
            return kept if fixed else COLOUR.sub(self.name, kept)
        if name == "id":
            return self.prefix + value
        if name == "href" and not value.startswith("#"):
            return self.save(as_webp(value))
        if name in ("href", "clip-path"):
            return value.replace("#", f"#{self.prefix}")
        if name == "transform" and NO_TURN.match(value):
            return ""
        if tag == "tspan" and name in "xy":  # one place: the letters follow each other
            return shortened(value.split()[0])
        return shortened(value)

    def write(self, element: Element, fixed: bool = False) -> None:
        """Rewrite an element of matplotlib's SVG and what it holds."""
        element.tag = element.tag.removeprefix(SVG)
        fixed = fixed or element.get("id") == AS_DRAWN
        if LINK in element.attrib:
            element.set("href", element.attrib.pop(LINK))
        if element.get("id") == HALO:
            element.set("class", HALO)
        for name, value in list(element.attrib.items()):
            element.set(name, self.attribute(element.tag, name, value, fixed))
            if not element.get(name):
                del element.attrib[name]
        for child in element:
            self.write(child, fixed)


def unwrapped(element: Element) -> Iterator[Element]:
    """Yield an element, or what it holds if it is a bare group; nothing if it is not seen."""
    inside = [part for child in element for part in unwrapped(child)]
    element[:] = []
    for (tag, style), run in groupby(inside, key=lambda part: (part.tag, part.get("style"))):
        parts = list(run)
        if tag == "use" and style and len(parts) > 1:  # markers share their style
            for part in parts:
                del part.attrib["style"]
            element.append(Element("g", style=style))
            element[-1].extend(parts)
        else:
            element.extend(parts)
    unseen = (element.tag, element.get("style")) == ("path", "fill:none")
    if element.tag == "g" and not element.attrib:
        yield from element
    elif not unseen and (element.tag != "defs" or len(element)):
        yield element


def drawing(svg: str, alt: str, number: int, save: Callable[[bytes], str]) -> str:
    """Return the forms of a figure as HTML; its number in its page keeps ids apart.

    Its SVG is one or two documents of matplotlib, the wide one first.
    """
    forms = START.findall(svg)
    written = []
    for form, names in zip(forms, ("wide", "narrow"), strict=False):
        bare = canonicalize(form, strip_text=True, exclude_tags=[f"{SVG}metadata", f"{SVG}style"])
        root = ElementTree.fromstring(bare)
        width, height = (float(size) for size in root.get("viewBox", "").split()[2:])
        writer = Form(f"{names[0]}{number}-", save)
        writer.write(root)
        used = {v.partition("#")[2].rstrip(")") for e in root.iter() for v in e.attrib.values()}
        for element in root.iter():
            if element.get("id") not in used:
                element.attrib.pop("id", None)
        (root,) = unwrapped(root)
        root.attrib = {
            "class": f"drawing {names}" if len(forms) > 1 else "drawing",
            "role": "img",
            "aria-label": alt,
            "style": ";".join(f"{name}:{css}" for css, name in writer.colours.items()),
            "viewBox": f"0 0 {width:.1f} {height:.1f}",
            "width": f"{width * CSS_PIXELS_PER_POINT:.0f}",
            "height": f"{height * CSS_PIXELS_PER_POINT:.0f}",
        }
        written.append(ElementTree.tostring(root, encoding="unicode"))
    return "".join(written)


def view_box(path: Path) -> list[str]:
    """Return the width and the height of an SVG file, [] if it does not give them."""
    found = VIEW_BOX.search(path.read_text(encoding="utf8"))
    return list(found.groups()) if found else []


def store(picture: bytes, folder: Path, address: str) -> str:
    """Return the address of a WebP, which is in it or leads to a file of the folder."""
    if len(picture) < SMALL:
        return f"data:image/webp;base64,{base64.b64encode(picture).decode()}"
    name = f"{hashlib.sha256(picture).hexdigest()[:20]}.webp"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(picture)
    return f"{address}/{name}"


def place_diagram(node: nodes.image, path: Path) -> None:
    """Give a diagram its size, and put its upright form beside it if there is one."""
    narrow = path.with_name(f"{path.stem}-narrow.svg")
    node["box"] = view_box(path)
    if narrow.is_file():
        copy = nodes.image("", **node.attributes)
        copy["uri"] = node["uri"].replace(path.name, narrow.name)
        copy["box"] = view_box(narrow)
        for form, name in ((node, "wide"), (copy, "narrow")):
            form["classes"] = [*form["classes"], name]
        node.parent.insert(node.parent.index(node) + 1, copy)


def place_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Write the figures that a notebook has drawn into its page."""
    address = "../" * app.env.docname.count("/") + IMAGES
    for number, node in enumerate(list(doctree.findall(nodes.image))):
        path = Path(app.env.relfn2path(node["uri"], app.env.docname)[1])
        if path.suffix == ".svg" and "jupyter_execute" in path.parts:
            save = partial(store, folder=path.parent / IMAGES, address=address)
            svg = path.read_text(encoding="utf8")
            html = drawing(svg, node.get("alt", ""), number, save)
            node.replace_self(nodes.raw("", html, format="html"))
        elif path.suffix == ".svg":
            place_diagram(node, path)


def visit_image(translator: Any, node: nodes.image) -> None:
    """Write a diagram with its width and height, so that the page keeps room for it."""
    HTML5Translator.visit_image(translator, node)
    if node.get("box"):
        width, height = node["box"]
        tag = translator.body.pop()
        translator.body.append(tag.replace("<img", f'<img width="{width}" height="{height}"', 1))


def copy_images(app: Sphinx, error: Exception | None) -> None:
    """Copy the images inside of figures into the site."""
    folder = Path(app.outdir).parent / "jupyter_execute" / IMAGES
    if error is None and app.builder.format == "html" and folder.is_dir():
        shutil.copytree(folder, Path(app.outdir) / IMAGES, dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Register the writer and the steps; the first one comes before Sphinx collects images."""
    app.add_node(nodes.image, override=True, html=(visit_image, HTML5Translator.depart_image))
    app.connect("doctree-read", place_figures, priority=400)
    app.connect("build-finished", copy_images)

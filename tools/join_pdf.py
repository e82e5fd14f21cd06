"""Join the printed pages of a book: bookmarks, page labels, links that jump inside the file."""

import io
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    Fit,
    FloatObject,
    NameObject,
    NullObject,
    TextStringObject,
)

from dlvlib._common import write_atomically


@dataclass(frozen=True)
class Chapter:
    """One printed page of the book."""

    part: str
    uri: str  # where the page lies; links lead there
    headings: list  # [level 1 or 2, text, anchor], in the order of the page
    pdf: PdfReader

    @property
    def title(self) -> str:
        """The first heading, with its number."""
        return self.headings[0][1] if self.headings else Path(self.uri).stem

    @property
    def sheets(self):
        """Its sheets of paper."""
        return self.pdf.pages


def join(front: list[Chapter], body: list[Chapter], title: str, out: Path) -> None:
    """Write one PDF: the front with roman numbers, then the body from 1.

    A link to a page of the book becomes a jump to the place, or to the beginning of that page
    where it has no such anchor. A link to any other file of this machine is dropped.
    """
    chapters = [*front, *body]
    writer = PdfWriter()
    starts = []
    for chapter in chapters:
        starts.append(len(writer.pages))
        for sheet in chapter.sheets:
            writer.add_page(sheet)
    places = _Places(writer, chapters, starts)
    for chapter, start in zip(chapters, starts, strict=True):
        for sheet in writer.pages[start : start + len(chapter.sheets)]:
            _redirect_links(sheet, chapter, places)
    _add_bookmarks(writer, chapters, places)
    first = starts[len(front)] if body else len(writer.pages)
    if first:
        writer.set_page_label(0, first - 1, style="/r")
    if body:
        writer.set_page_label(first, len(writer.pages) - 1, style="/D")
    writer.add_metadata({"/Title": title})
    writer.root_object[NameObject("/Lang")] = TextStringObject("en")
    writer.page_mode = "/UseOutlines"
    content = io.BytesIO()
    writer.write(content)
    write_atomically(out, content.getvalue())


class _Places:
    """Where pages and their anchors are in the joined file."""

    def __init__(self, writer: PdfWriter, chapters: list[Chapter], starts: list[int]):
        self.writer = writer
        self.starts = {c.uri: start for c, start in zip(chapters, starts, strict=True)}
        self.anchors = {}
        for chapter, start in zip(chapters, starts, strict=True):
            for name, place in chapter.pdf.named_destinations.items():
                number = chapter.pdf.get_destination_page_number(place)
                if number is not None:
                    key = chapter.uri, unquote(name.removeprefix("/"))
                    self.anchors[key] = start + number, float(place.left), float(place.top)

    def find(self, uri: str, anchor: str) -> tuple[int, float, float]:
        """Return the number of the sheet, from 0, and the place on it, in points."""
        start = self.starts[uri]
        top = float(self.writer.pages[start].mediabox.top)
        return self.anchors.get((uri, anchor), (start, 0.0, top))

    def destination(self, uri: str, anchor: str) -> ArrayObject:
        """Return it as a PDF array."""
        number, left, top = self.find(uri, anchor)
        reference = self.writer.pages[number].indirect_reference
        place = [reference, NameObject("/XYZ"), FloatObject(left), FloatObject(top), NullObject()]
        return ArrayObject(place)


def _redirect_links(sheet, chapter: Chapter, places: _Places) -> None:
    """Make links to the book jumps inside the file."""
    kept = ArrayObject()
    for reference in sheet.get("/Annots", ArrayObject()):
        link = reference.get_object()
        uri, anchor = _target(link, chapter)
        if uri in places.starts:
            link.pop("/A", None)
            link[NameObject("/Dest")] = places.destination(uri, anchor)
        if uri in places.starts or not uri.startswith("file:"):
            kept.append(reference)
    sheet[NameObject("/Annots")] = kept


def _target(link: DictionaryObject, chapter: Chapter) -> tuple[str, str]:
    """Return where a link leads: an address without anchor, and the anchor."""
    if "/Dest" in link:
        return chapter.uri, unquote(str(link["/Dest"]).removeprefix("/"))
    uri, _, anchor = str(link.get("/A", {}).get("/URI", "")).partition("#")
    return uri, unquote(anchor)


def _add_bookmarks(writer: PdfWriter, chapters: list[Chapter], places: _Places) -> None:
    """Add the outline: parts, titles, sections."""
    part, above = "", None
    for chapter in chapters:
        if chapter.part != part:
            part = chapter.part
            above = _bookmark(writer, part, places.find(chapter.uri, ""), None)
        entry = None
        for level, text, anchor in chapter.headings:
            parent = above if level == 1 else entry
            item = _bookmark(writer, text, places.find(chapter.uri, anchor), parent)
            entry = item if level == 1 else entry


def _bookmark(writer: PdfWriter, text: str, place: tuple[int, float, float], parent):
    number, left, top = place
    fit = Fit.xyz(left, top)
    return writer.add_outline_item(
        title=text, page_number=number, parent=parent, fit=fit, is_open=False
    )

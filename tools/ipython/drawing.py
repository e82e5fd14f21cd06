"""Draw the figures of a build as SVG, twice: as wide as asked for, and for a phone.

_ext/coursebook/figures.py writes both into the page, in the colours of the page's theme. In
Colab, and wherever this profile of IPython is not used, a figure stays a picture on white.
"""

import itertools
from io import StringIO
from typing import Any

from IPython.core import pylabtools

PHONE_INCHES = 3.45
TALLEST_PANEL = 2.8  # inches of one chart on a phone
SMALLEST_TEXT = 8.0  # points: 11 px where 3.45 inches are shown on 358 px
FEW_POINTS = 300  # of a figure; more are drawn as pixels
HALO = "halo"  # a group with a text on a ring of the page's ground
AS_DRAWN = "as-drawn"  # a group of the SVG whose colours no theme changes


def draw(figure: Any, fmt: str = "svg", **choice: Any) -> str | None:
    """Return a figure as SVG, followed by its narrow form if it is wider than a phone."""
    if not figure.axes and not figure.lines:
        return None
    prepare(figure)
    drawn = [as_svg(figure)]
    if figure.get_figwidth() > PHONE_INCHES:
        make_narrow(figure)
        drawn.append(as_svg(figure))
    return "\n".join(drawn)


def as_svg(figure: Any) -> str:
    """Return a figure as SVG; its text stays text."""
    import matplotlib as mpl

    out = StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(out, format="svg", bbox_inches="tight", transparent=True)
    return out.getvalue()


def prepare(figure: Any) -> None:
    """Draw many points as pixels, and mark what lies on an image: it keeps its colours."""
    from matplotlib.collections import PathCollection, QuadMesh
    from matplotlib.image import AxesImage
    from matplotlib.text import Text

    clouds = [c for ax in figure.axes for c in ax.collections if isinstance(c, PathCollection)]
    if sum(len(cloud.get_offsets()) for cloud in clouds) > FEW_POINTS:
        for cloud in clouds:
            cloud.set_rasterized(True)
    for text in figure.findobj(lambda artist: isinstance(artist, Text)):
        if text.get_path_effects():
            text.set_path_effects([])
            text.set_gid(HALO)
    for ax in figure.axes:
        images = [*ax.images, *(c for c in ax.collections if isinstance(c, QuadMesh))]
        for image in images:
            image.set_gid(AS_DRAWN)
            if isinstance(image, AxesImage) and max(image.get_size()) <= 256:
                image.set_interpolation("none")
        if any(image.get_cmap()(0.5)[3] == 1 for image in images):  # they hide the page
            frame = ax.get_window_extent()
            for artist in [*ax.texts, *ax.lines, *ax.patches]:
                box = artist.get_window_extent()
                if frame.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2):
                    artist.set_gid(AS_DRAWN)


def make_narrow(figure: Any) -> None:
    """Fit a figure to the width of a phone: fewer panels in a row, no text too small to read."""
    from matplotlib.text import Text

    width, height = figure.get_size_inches()
    panels = [ax for ax in figure.axes if ax.get_subplotspec() is not None]
    grids = {ax.get_subplotspec().get_gridspec() for ax in panels}
    rows, columns, lines = 1, 1, 1
    if len(grids) == 1:
        rows, columns = grids.pop().get_geometry()
        lines = restack(figure, panels, columns, width)
    has_images = any(ax.images for ax in panels)
    panel = height / rows
    if has_images and all(ax.get_aspect() != "auto" for ax in panels):
        panel *= min(1, PHONE_INCHES / (width / columns * -(-columns // lines)))
        panel = min(panel, TALLEST_PANEL)
    elif not has_images:
        panel = min(panel, TALLEST_PANEL)
    figure.set_size_inches(PHONE_INCHES, panel * rows * lines)
    for text in figure.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), SMALLEST_TEXT))
    part_labels(figure)


def part_labels(figure: Any) -> None:
    """Move labels that overlap apart, up and down."""
    figure.draw_without_rendering()
    for ax in figure.axes:
        texts = [text for text in ax.texts if text.get_text().strip() and not ax.images]
        for _ in range(10):
            boxes = [text.get_window_extent() for text in texts]
            pairs = itertools.permutations(zip(texts, boxes, strict=True), 2)
            for (upper, high), (lower, low) in pairs:
                overlap = low.y1 - high.y0
                across = min(high.x1, low.x1) - max(high.x0, low.x0)
                if across > 1 and overlap > 1 and high.y0 + high.y1 > low.y0 + low.y1:
                    shift(upper, overlap / 2)
                    shift(lower, -overlap / 2)


def shift(text: Any, pixels: float) -> None:
    """Move a text or an annotation up."""
    if hasattr(text, "xyann") and text.anncoords == "offset points":
        text.xyann = (text.xyann[0], text.xyann[1] + pixels * 72 / text.figure.dpi)
    else:
        to_pixels = text.get_transform()
        x, y = to_pixels.transform(text.get_unitless_position())
        text.set_position(to_pixels.inverted().transform((x, y + pixels)))


def restack(figure: Any, panels: list[Any], columns: int, width: float) -> int:
    """Break the rows of a grid of panels into lines as long as each other; return their number.

    Columns stay together, and each line repeats the label of its row. Columns of unequal width
    belong together (a photograph and the chart beside it): their rows are not broken.
    """
    fit = max(1, int(1.1 * PHONE_INCHES * columns / width))
    specs = [ax.get_subplotspec() for ax in panels]
    uneven = len(set(specs[0].get_gridspec().get_width_ratios())) > 1
    if fit >= columns or uneven or any(len(s.rowspan) * len(s.colspan) > 1 for s in specs):
        return 1
    rows, lines = specs[0].get_gridspec().nrows, -(-columns // fit)
    fit = -(-columns // lines)
    grid = figure.add_gridspec(rows * lines, fit)
    first_of_row = {
        s.rowspan.start: ax for s, ax in zip(specs, panels, strict=True) if s.colspan.start == 0
    }
    for ax, spec in zip(panels, specs, strict=True):
        row, (line, column) = spec.rowspan.start, divmod(spec.colspan.start, fit)
        ax.set_subplotspec(grid[line * rows + row, column])
        first = first_of_row.get(row)
        if first is None or not line or column:
            continue
        shared = first in ax.get_shared_y_axes().get_siblings(ax)
        if shared:
            ax.tick_params(labelleft=True)
        if (shared or first.images) and not ax.get_ylabel():
            ax.set_ylabel(first.get_ylabel())
    return lines


def use() -> None:
    """Let the inline backend of matplotlib draw with this module."""
    pylabtools.print_figure = draw

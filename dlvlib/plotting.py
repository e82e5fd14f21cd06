"""One look for every figure: the style file, direct labels, one colour for each family."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from dlvlib._common import check_int

FAMILY_COLORS = {
    "resnet": "#0072B2",
    "vgg": "#C65200",
    "googlenet": "#007F5C",
    "xception": "#B0568C",
    "alexnet": "#1F2933",
    "lenet": "#6B7280",
}
_FADING = ["#0072B2FF", "#0072B200", "#C6520000", "#C65200FF"]
SIGNED = LinearSegmentedColormap.from_list(  # at zero the page shows, light or dark
    "signed", list(zip([0, 0.5, 0.5, 1], _FADING, strict=True))
)


def use_style() -> None:
    """Apply the course's style (`dlv.mplstyle`) to every figure drawn from now on."""
    plt.style.use("dlvlib.dlv")


def label_line(
    ax: Axes, line: Line2D, text: str, at: int = -1, *, dx: float = 6, dy: float = 0
) -> None:
    """Write `text` beside point number `at` of `line`, in the line's colour: no legend is needed.

    The text is shifted to the right by `dx` and upwards by `dy`, in points (1/72 inch).
    """
    x, y = np.asarray(line.get_xdata())[at], np.asarray(line.get_ydata())[at]
    ax.annotate(
        text,
        (x, y),
        xytext=(dx, dy),
        textcoords="offset points",
        va="center",
        color=line.get_color(),
        annotation_clip=False,
    )


def show_images(
    images: ArrayLike, titles: Sequence[str] = (), *, num_columns: int = 10, size: float = 0.75
) -> Figure:
    """Draw a grid of images without axes, each under its title.

    Args:
        images: (B, C, H, W) with C = 1 (drawn in grey) or 3 (RGB); uint8, or float in [0, 1].
        titles: one for each image, or empty.
        size: side of one image in inches.

    Raises:
        ValueError: if shape or type are others, there is no image, `num_columns` is below 1, or
            the titles do not match.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"images must be (B, 1 or 3, H, W) with B > 0, got {images.shape}")
    if images.dtype.kind not in "fb" and images.dtype != np.uint8:  # 255 is white, or 1
        raise ValueError(f"images must be uint8, or float in [0, 1], got {images.dtype}")
    if len(titles) not in (0, len(images)):
        raise ValueError(f"titles must be empty or {len(images)}, got {len(titles)}")
    num_columns = min(check_int("num_columns", num_columns, 1), len(images))
    num_rows = -(-len(images) // num_columns)
    height = size * (1.3 if len(titles) else 1.0)
    fig, axes = plt.subplots(
        num_rows, num_columns, figsize=(num_columns * size, num_rows * height), squeeze=False
    )
    white = 255 if images.dtype == np.uint8 else 1.0
    for ax in axes.flat:
        ax.set_axis_off()
    for index, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=white)
        if len(titles):
            ax.set_title(titles[index], fontsize=8, fontweight="normal", loc="center", pad=3)
    return fig


def show_confusion(ax: Axes, counts: ArrayLike, class_names: Sequence[str]) -> None:
    """Draw a confusion matrix: shade = share of the row, number = count, row = truth.

    The diagonal, the right answers, stays blank.

    Raises:
        ValueError: if `counts` is not (K, K) for the K names.
    """
    counts = np.asarray(counts)
    num_classes = len(class_names)
    if counts.shape != (num_classes, num_classes):
        raise ValueError(
            f"counts must be ({num_classes}, {num_classes}) for {num_classes} names, "
            f"got {counts.shape}"
        )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    off_diagonal = np.where(np.eye(num_classes, dtype=bool), 0, shares)
    ax.imshow(off_diagonal, cmap="Blues", vmin=0, vmax=max(off_diagonal.max() * 1.6, 1e-9))
    for row, column in np.argwhere(counts > 0):
        if row != column:
            ax.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=7)
    ax.set_xticks(range(num_classes), class_names)
    ax.set_yticks(range(num_classes), class_names)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)

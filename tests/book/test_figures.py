"""Figures are drawn for a page and for a phone, and written into the page in its colours."""

import base64
import io
import re
from xml.etree import ElementTree

import drawing
import matplotlib.pyplot as plt
import numpy as np
import pytest
from coursebook import figures
from PIL import Image

from dlvlib import plotting


@pytest.fixture(autouse=True)
def style():
    with plt.style.context("dlvlib.dlv"):
        yield
    plt.close("all")


def written(figure, images=None):
    """Return the forms of a figure as elements; its heavy images go into the list `images`."""
    images = [] if images is None else images

    def save(data: bytes) -> str:
        images.append(data)
        return f"image-{len(images)}.webp"

    html = figures.drawing(drawing.draw(figure), "Two lines.", 7, save)
    return ElementTree.fromstring(f"<p>{html}</p>")


def test_a_chart_is_written_in_the_colours_of_the_theme():
    figure, ax = plt.subplots()
    ax.plot([1, 2], color=plotting.FAMILY_COLORS["vgg"], label="a")
    ax.plot([2, 1], color="#123456")
    ax.set_xlabel("depth")
    wide, narrow = written(figure)
    for form in (wide, narrow):
        assert form.attrib["aria-label"] == "Two lines." and form.attrib["role"] == "img"
        assert "depth" in [text.text for text in form.iter("text")]
        styles = " ".join(e.get("style", "") for e in list(form.iter())[1:])
        assert "stroke:var(--dlv-vgg)" in styles
        assert "light-dark(#123456,oklch(from #123456" in form.attrib["style"]
        assert "stroke:var(--c" in styles
        assert "#ffffff" not in styles  # no ground
        assert not [e for e in form.iter() if e.tag in ("style", "metadata", "script")]
    ids = [e.attrib["id"] for e in (*wide.iter(), *narrow.iter()) if "id" in e.attrib]
    links = {e.attrib["href"][1:] for e in wide.iter() if e.get("href", "").startswith("#")}
    assert links and links <= set(ids) and len(ids) == len(set(ids))


def test_an_image_and_what_lies_on_it_keep_their_colours():
    figure, ax = plt.subplots(figsize=(3, 3))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    ax.imshow(pixels)
    ax.text(10, 10, "inside", color="#1F2933")
    ax.set_title("outside")
    images = []
    (form,) = written(figure, images)
    assert form.attrib["class"] == "drawing"  # already as narrow as a phone
    fills = {e.text: re.search(r"fill:([^;]+)", e.get("style"))[1] for e in form.iter("text")}
    assert fills["inside"] == "#1f2933" and fills["outside"] == "var(--dlv-alexnet)"
    (data,) = images
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), pixels)


def test_text_on_a_map_that_the_page_shines_through_follows_the_theme():
    figure, ax = plt.subplots(figsize=(3, 3))
    ax.imshow(np.zeros((5, 5)), cmap=plotting.SIGNED, vmin=-1, vmax=1)
    ax.text(2, 2, "0.0", color="#1F2933")
    (form,) = written(figure, [])
    (text,) = [e for e in form.iter("text") if e.text == "0.0"]
    assert "fill:var(--dlv-alexnet)" in text.get("style")


@pytest.mark.parametrize(
    ("columns", "inches", "expected"),
    [(2, 6.8, 1), (10, 7.5, 5), (4, 6.8, 2), (4, 4.6, 2), (2, 3.4, 2)],
)
def test_panels_that_do_not_fit_a_phone_stand_below_each_other(columns, inches, expected):
    figure, axes = plt.subplots(2, columns, figsize=(inches, 3), squeeze=False)
    drawing.make_narrow(figure)
    rows, found = axes[0, 0].get_subplotspec().get_gridspec().get_geometry()
    assert (found, rows) == (expected, 2 * columns // expected)
    for column in range(columns):  # two panels of a column stay together
        upper, lower = (axes[row, column].get_subplotspec() for row in range(2))
        assert lower.rowspan.start == upper.rowspan.start + 1
        assert lower.colspan.start == upper.colspan.start


def test_a_line_of_images_repeats_the_label_of_its_row():
    figure, axes = plt.subplots(2, 4, figsize=(6.8, 3))
    for ax in axes.flat:
        ax.imshow(np.eye(2))
    for ax, name in zip(axes[:, 0], ("scan", "map"), strict=True):
        ax.set_ylabel(name)
    drawing.make_narrow(figure)
    assert [[ax.get_ylabel() for ax in row] for row in axes] == [
        ["scan", "", "scan", ""],
        ["map", "", "map", ""],
    ]


def test_columns_of_unequal_width_stay_side_by_side():
    figure, axes = plt.subplots(3, 2, figsize=(4.6, 3), width_ratios=[1, 2.6])
    drawing.make_narrow(figure)
    assert axes[0, 0].get_subplotspec().get_gridspec().get_geometry() == (3, 2)


def test_on_a_phone_text_can_be_read_and_labels_stand_apart():
    figure, ax = plt.subplots(figsize=(6.4, 3))
    for end, name in ((1.0, "trained on all classes"), (1.001, "trained on mixed classes")):
        (line,) = ax.plot([0, end])
        plotting.label_line(ax, line, name)
    ax.text(0, 0.5, "small", fontsize=5)
    _, narrow = written(figure)
    sizes = re.findall(r"font-size:([\d.]+)px", ElementTree.tostring(narrow, "unicode"))
    shown = 358 / float(narrow.attrib["viewBox"].split()[2])  # of a phone of 390 px
    assert min(map(float, sizes)) >= drawing.SMALLEST_TEXT
    assert drawing.SMALLEST_TEXT * shown >= 10
    lower, upper = sorted((text.get_window_extent() for text in ax.texts[:2]), key=lambda b: b.y0)
    assert upper.y0 >= lower.y1 - 2


def test_a_cloud_of_dots_is_drawn_as_pixels():
    figure, ax = plt.subplots(figsize=(3, 3))
    ax.scatter(*np.random.default_rng(0).random((2, 2 * drawing.FEW_POINTS)))
    images = []
    (form,) = written(figure, images)
    assert len(images) == 1 and not list(form.iter("use"))[2 * drawing.FEW_POINTS :]


@pytest.mark.parametrize(("side", "heavy"), [(8, False), (50, False), (64, True)])
def test_a_small_image_keeps_its_pixels_and_a_heavy_one_is_compressed(side, heavy):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    link = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    after = Image.open(io.BytesIO(figures.as_webp(link))).convert("RGB")
    assert np.array_equal(np.asarray(after), pixels) != heavy

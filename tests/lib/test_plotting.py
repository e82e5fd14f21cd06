import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dlvlib import plotting


@pytest.fixture(autouse=True)
def _style():
    with plt.style.context("dlvlib.dlv"):
        yield
    plt.close("all")


def test_a_line_is_named_in_its_own_colour_at_its_point():
    _, ax = plt.subplots()
    (line,) = ax.plot([0, 1, 2], [5, 6, 7], color="#C65200")
    plotting.label_line(ax, line, "VGG", at=1)
    (label,) = ax.texts
    assert (label.get_text(), label.get_color(), label.xy) == ("VGG", "#C65200", (1, 6))


def test_every_family_has_a_colour_of_the_cycle_of_the_style():
    cycle = {c["color"].lstrip("#") for c in plt.rcParams["axes.prop_cycle"]}
    assert {c.lstrip("#") for c in plotting.FAMILY_COLORS.values()} == cycle


def test_images_are_drawn_in_a_grid_with_their_titles():
    images = np.arange(7 * 4 * 4, dtype=np.uint8).reshape(7, 1, 4, 4)
    fig = plotting.show_images(images, [str(i) for i in range(7)], num_columns=3)
    drawn = [ax for ax in fig.axes if ax.images]
    assert [ax.get_title() for ax in drawn] == list("0123456")
    assert np.array_equal(drawn[4].images[0].get_array(), images[4, 0])
    assert drawn[0].images[0].get_clim() == (0, 255)
    plotting.show_images(images[:, :, :1])  # one row of pixels
    for wrong, options, message in (
        (images[0], {}, r"got \(1, 4, 4\)"),
        (images[:0], {}, r"got \(0, 1, 4, 4\)"),
        (images.repeat(2, axis=1), {}, r"got \(7, 2, 4, 4\)"),
        (images.astype(np.int64), {}, "uint8, or float .*, got int64"),
        (images, {"num_columns": 0}, "num_columns must be an integer >= 1, got 0"),
        (images, {"titles": ["one"]}, "titles must be empty or 7, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            plotting.show_images(wrong, **options)


def test_a_confusion_matrix_shows_its_counts_with_truth_in_rows():
    _, ax = plt.subplots()
    plotting.show_confusion(ax, [[5, 2], [0, 7]], ["cat", "dog"])
    found = {(t.get_position(), t.get_text()) for t in ax.texts}
    assert found == {((1, 0), "2")}
    assert ax.get_ylabel() == "true class"
    with pytest.raises(ValueError, match=r"must be \(3, 3\) for 3 names, got \(2, 2\)"):
        plotting.show_confusion(ax, [[5, 2], [0, 7]], ["a", "b", "c"])


def test_a_drawing_is_the_same_bytes_twice(tmp_path):
    def draw(path):
        fig, ax = plt.subplots()
        ax.plot([1, 2, 3])
        fig.savefig(path, metadata={"Date": None})
        return path.read_bytes()

    assert draw(tmp_path / "a.svg") == draw(tmp_path / "b.svg")

"""The curves of degradation: the records' own numbers, at every epoch."""

import numpy as np
import pytest
from live_helpers import check_figure

from coursekit.live import degradation
from dlvlib import results

pytestmark = [pytest.mark.browser]
FIGURE = degradation.figure()
LONG, SHORT = (results.load("degradation", budget) for budget in ("full", "laptop"))


def error(records, variant: str, part: str, epoch: int) -> str:
    top1 = [run["history"][epoch - 1][f"{part}_top1"] for run in records.of(variant)]
    return f"{100 * (1 - np.mean(top1)):.2f}"


def test_the_line_is_dragged_and_the_numbers_are_those_of_the_records(page, stage):
    page.set_viewport_size({"width": 800, "height": 900})
    slider = stage.get_by_role("slider", name="epoch")

    def check(epoch: int, short: int) -> None:
        for row, variant in zip(
            stage.locator("tbody tr").all(), degradation.NETWORKS, strict=True
        ):
            expected = [error(LONG, variant, part, epoch) for part in degradation.PARTS]
            expected.append(error(SHORT, variant, "val", short))
            assert row.locator("td").all_inner_texts() == expected
        assert f"after epoch {epoch} of 164; beside it, after {short} of 8" in stage.inner_text()

    check(164, 8)
    slider.press("Home")
    check(1, 1)
    slider.press("ArrowRight")
    check(2, 1)
    axes = stage.get_by_role("img").first
    box = axes.bounding_box()
    scale = box["width"] / 340  # of the drawing's own units
    page.mouse.move(box["x"] + 60 * scale, box["y"] + 100 * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + (44 + 284 / 2) * scale, box["y"] + 120 * scale)
    check(82, 4)
    page.mouse.up()
    page.mouse.move(box["x"] + 60 * scale, box["y"] + 100 * scale)  # no button: nothing moves
    check(82, 4)
    page.mouse.click(box["x"] + 339 * scale, box["y"] + 100 * scale)
    check(164, 8)
    drawn = axes.locator("polyline[points*=',']")
    before = drawn.count()
    stage.get_by_role("checkbox", name="plain-56").uncheck()
    assert drawn.count() == before - 2
    assert "plain-56" not in slider.get_attribute("aria-valuetext")
    assert stage.locator("tbody tr").nth(1).locator("td").all_inner_texts() == [""] * 3
    for name in ("plain-20", "ResNet-20", "ResNet-56"):
        stage.get_by_role("checkbox", name=name).uncheck()
    assert "no network is chosen" in slider.get_attribute("aria-valuetext")


def test_the_figure_keeps_the_rules_of_every_figure(page, chromium):
    plain = chromium.new_context(java_script_enabled=False).new_page()
    check_figure(page, plain, FIGURE, most=45_000)
    for variant in degradation.NETWORKS:
        assert f"<td>{error(LONG, variant, 'val', 164)}</td>" in FIGURE.html
        assert f"<td>{error(SHORT, variant, 'val', 8)}</td>" in FIGURE.html

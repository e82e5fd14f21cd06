"""The drawing pad: its arithmetic against NumPy and chapter 1, and drawing by every means."""

import re
from itertools import pairwise

import numpy as np
import pytest
import shorter
import strokes
import torch
from live_helpers import call, data_of, made

from dlvlib import data

pytestmark = pytest.mark.browser
FIGURE = made("pad")
DATA = data_of(FIGURE)
TRAIN, TEST = data.load("digits")
SCANS = TRAIN.images.flatten(1).double() / 255


def read(page, drawings):
    """The scan and the probabilities of each drawing."""
    body = """const [data, drawings] = argument;
    return drawings.map((strokes) => {
        const scan = figure.asScan(strokes, data);
        return [[...scan], figure.nearestMean(scan, data.means).probs];
    });"""
    return call(page, "pad", body, [DATA, drawings])


def test_the_classifier_is_that_of_chapter_1(page):
    scans = TEST.images.flatten(1).double() / 255
    body = """const [means, scans] = argument;
        return scans.map((scan) => figure.nearestMean(scan, means));"""
    found = call(page, "pad", body, [DATA["means"], scans.tolist()])
    means = torch.stack([SCANS[TRAIN.targets == k].mean(dim=0) for k in range(10)])
    logits = -((scans[:, None] - means) ** 2).sum(dim=2)
    for key, expected in {"logits": logits, "probs": logits.softmax(dim=1)}.items():
        values = torch.tensor([one[key] for one in found], dtype=torch.double)
        torch.testing.assert_close(values, expected, atol=0.01, rtol=0)  # means of 3 decimals
    correct = (torch.tensor([one["logits"] for one in found]).argmax(1) == TEST.targets).sum()
    assert DATA["counts"][0] == [correct, len(TEST)]
    assert f"correct: {correct} of {len(TEST)}" in shorter.page("chapters/01_task").read_text(
        encoding="utf8"
    )
    assert f"It reads {correct} of {len(TEST)} test scans right" in FIGURE.html


def test_ink_is_painted_where_it_is_near_the_stroke(page):
    stroke = [[0.2, 0.3], [0.7, 0.3], [0.5, 0.8]]
    side, width = 40, 0.1
    image = call(page, "pad", "return [...figure.paint(...argument)];", [[stroke], side, width])
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    distances = []
    for (ax, ay), (bx, by) in pairwise(stroke):
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)
        along = along.clip(0, 1)
        distances.append(np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)))
    expected = (side * (width / 2 - np.min(distances, axis=0)) + 0.5).clip(0, 1)
    np.testing.assert_allclose(np.reshape(image, (side, side)), expected, atol=1e-9)


def test_a_drawing_becomes_as_high_as_thick_and_as_central_as_the_scans(page):
    small = [strokes.placed(s, size=0.3, shift=(0.2, -0.2)) for s in strokes.DIGITS]
    places = (np.arange(8) + 0.5) / 8
    large, shifted = ([scan for scan, _ in read(page, d)] for d in (strokes.DIGITS, small))
    np.testing.assert_allclose(large, shifted, atol=1e-6)  # size and place do not matter
    for scan in np.reshape(large, (-1, 8, 8)):
        assert scan.mean() == pytest.approx(SCANS.mean().item(), abs=0.01)
        assert scan[0].max() > 0 and scan[-1].max() > 0
        assert scan.sum(0) @ places / scan.sum() == pytest.approx(DATA["centre"][0], abs=0.02)


def test_our_own_digits_are_read_and_any_mark_becomes_a_scan(page):
    guesses = [int(np.argmax(probs)) for _, probs in read(page, strokes.DIGITS)]
    assert sum(guess == digit for digit, guess in enumerate(guesses)) >= 7
    dot, flat, upright = [[[0.5, 0.5]]], [[[0, 0.5], [1, 0.5]]], [[[0.5, 0], [0.5, 1]]]
    for scan, probs in read(page, [dot, flat, upright, [[[0, 0], [1, 1]]]]):
        assert min(scan) >= 0 and 0.5 < max(scan) <= 1
        assert sum(probs) == pytest.approx(1)


@pytest.fixture
def stage(reader):
    return reader.open(FIGURE).stage


def draw(page, surface, drawing):
    box = surface.bounding_box()
    for stroke in drawing:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()


def test_the_mouse_draws_a_digit_in_place_of_the_example(page, reader, stage):
    assert reader.words(1).startswith("Ten averages read a 7 (")
    draw(page, stage.get_by_role("application"), strokes.DIGITS[0])
    assert re.match(r"Ten averages read a 0 .*, LeNet-5 a 0 ", reader.words(1))
    ((_, probs),) = read(page, [strokes.DIGITS[0]])
    shares = stage.locator("tbody td:nth-of-type(2)").all_inner_texts()
    assert int(shares[0].removesuffix("\xa0%")) == pytest.approx(100 * probs[0], abs=3)
    assert sum(int(share.removesuffix("\xa0%")) for share in shares) == pytest.approx(100, abs=5)
    page.mouse.down()
    reader.press("Clear")  # in the middle of a stroke
    page.mouse.move(200, 300)
    page.mouse.up()
    assert reader.words(1) == "The pad is empty: draw a digit."


def test_a_finger_draws_and_does_not_scroll_the_page(chromium):
    context = chromium.new_context(has_touch=True, viewport={"width": 390, "height": 700})
    page = context.new_page()
    page.set_content(FIGURE.html)
    surface = page.get_by_role("application")
    assert surface.evaluate("(node) => getComputedStyle(node).touchAction") == "none"
    box = surface.bounding_box()
    page.touchscreen.tap(box["x"] + 50, box["y"] + 50)
    assert page.locator(".dlv-live-stage path[d^='M']").get_attribute("d").endswith("h0")
    context.close()


def test_the_keyboard_draws_a_one_undoes_and_clears(reader, stage):
    surface = stage.get_by_role("application")
    surface.press(" ")
    assert reader.words() == "Pen down, column 10 of 20, row 5."
    for _ in range(10):
        surface.press("ArrowDown")
    assert reader.words(1).startswith(
        "Ten averages read a 7 ("
    )  # an unfinished stroke is not announced
    surface.press(" ")
    assert re.match(r"Ten averages read a 1 .*, LeNet-5 a 1 ", reader.words(1))
    path = "M0.5 0.25" + "".join(f"L0.5 {y / 20}" for y in range(6, 16))
    assert stage.locator("svg path").get_attribute("d") == path
    surface.press("Backspace")
    assert reader.words(1) == "The pad is empty: draw a digit."
    surface.press(" ")
    assert reader.words(1) == ""  # the answer waits for the end of the stroke
    reader.press("Clear")
    assert reader.words(1) == "The pad is empty: draw a digit."
    assert surface.evaluate("(node) => node === document.activeElement")
    assert FIGURE.html.count('<th scope="row">') == 10

"""LeNet-5 in the page: what a reader can do with it, and what its answers are held against."""

import io
import re

import numpy as np
import pytest
import strokes
import torch
from live_helpers import call
from PIL import Image
from test_live_forward import FIGURE, NETS, RECORDS
from test_live_pad import draw

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def stage(reader):
    return reader.open(FIGURE).stage


def test_the_mouse_draws_and_the_answer_is_that_of_torch(page, reader, stage):
    draw(page, stage.get_by_role("application").first, strokes.DIGITS[8])
    assert reader.words(1).startswith("It reads an 8,")
    pen = stage.get_by_role("slider", name="width of the pen")
    body = """return [...figure.enlarge(figure.asMnist(
        figure.paint(argument, 112, 0.12), 112), 28, 32)];"""
    image = torch.tensor(call(page, "microscope", body, strokes.DIGITS[8])).view(1, 1, 32, 32)
    pen.fill("12")
    for number, (variant, (net, _, _)) in enumerate(NETS.items()):
        reader.choose("weights", str(number))
        tau = RECORDS.of(variant)[0]["temperature"]
        with torch.no_grad():
            logits = net(image)[0]
        cells = stage.locator("tbody td").all_inner_texts()
        for column, temperature in [(0, 1.0), (2, tau)]:
            shares = [int(cell.removesuffix("\xa0%")) for cell in cells[column::3]]
            expected = 100 * (logits / temperature).softmax(dim=0)
            assert shares == pytest.approx(expected.tolist(), abs=3)  # the mouse stops at pixels
        assert f"τ = {tau:.2f}" in stage.locator("thead").inner_text()


def test_scans_are_chosen_and_an_empty_pad_is_explained(reader, stage):
    scan = stage.get_by_role("combobox", name="or take a scan")
    assert scan.locator("option").count() == 21
    scan.select_option("1")
    assert reader.words(1).startswith("It reads a 0,")
    scan.select_option("")
    assert reader.words(1) == "The pad is empty: draw a digit."
    assert stage.get_by_role("button", name="Correct it").is_disabled()
    assert not stage.get_by_role("combobox", name="layer").is_visible()


def test_a_unit_is_chosen_by_click_and_by_keyboard(stage):
    strips = stage.locator("[style*='cursor: pointer']")
    assert strips.count() == 7
    box = strips.nth(2).bounding_box()  # C3: 8 maps of 10, and gaps of 1, in a row
    strips.nth(2).click(position={"x": box["width"] * 14.5 / 87, "y": box["height"] * 16.5 / 21})
    words = stage.locator("p", has_text="sees 14 × 14 of the 32 × 32 pixels")
    assert words.inner_text().startswith("C3, map 10, row 6, column 4: sees")
    field = stage.locator("svg[role=application] rect").first
    where = [float(field.get_attribute(key)) for key in ("x", "y", "width")]
    assert where == [6, 10, 14]
    place = stage.get_by_role("slider", name="place in the map")
    place.press("ArrowRight")
    assert words.inner_text().startswith("C3, map 10, row 6, column 5: sees")
    stage.get_by_role("slider", name="map or unit").press("Home")
    said = place.get_attribute("aria-valuetext")
    numbers = said.replace("− ", "+ −").replace("−", "-").partition("and bias: ")[2]
    *terms, total = re.findall(r"-?\d\.\d\d", numbers.partition(";")[0])
    assert len(terms) == 7  # six maps and the bias
    assert sum(map(float, terms)) == pytest.approx(float(total), abs=0.04)
    for layer, words in [("S2", "The largest of 2 × 2 values"), ("output", "84 products")]:
        stage.get_by_role("combobox", name="layer").select_option(label=layer)
        assert stage.locator("p", has_text=words).count() == 1


def test_the_grey_square_moves_and_changes_the_answer(page, reader, stage):
    stage.get_by_role("checkbox", name="cover a part").check()
    square = stage.get_by_role("application", name="Grey square")
    square.press("ArrowDown")
    assert square.get_attribute("aria-label").startswith("Grey square at row 14, column 13;")
    box = square.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.2)
    page.mouse.up()
    assert square.get_attribute("aria-label").startswith("Grey square at row 3, column 25;")
    assert "without the square" in reader.words(1)
    body = """const image = Float64Array.from({ length: 1024 }, (_, at) => at / 1024);
        return [...figure.cover(image, { row: 2, column: 24 })];"""
    found = np.reshape(call(page, "microscope", body, None), (32, 32))
    expected = np.arange(1024).reshape(32, 32) / 1024
    expected[2:10, 24:] = 0.5
    assert np.array_equal(found, expected)


def test_five_corrections_change_the_last_layer_and_can_be_forgotten(reader, stage):
    assert reader.words(1).startswith("It reads a 2,")
    reader.choose("it should be a", "7")
    correct = stage.get_by_role("button", name="Correct it")
    correct.click()
    assert reader.words(1).startswith("It reads a 7,")
    before, after = map(int, re.findall(r"(\d+) → (\d+) of 200", reader.words(2))[0])
    assert before == 196 > after  # one wrong label costs it scans that it could read
    assert "850 parameters, was trained on 1 of your digits" in reader.words(2)
    for _ in range(6):
        correct.click()
    assert "trained on 5 of your digits" in reader.words(2)
    stage.get_by_role("button", name="Forget").click()
    assert reader.words(1).startswith("It reads a 2,")
    assert reader.words(2) == "No corrections yet; five at most."


def picture(size, paper: int = 255) -> bytes:
    """A PNG with an upright bar of ink."""
    image = Image.new("L", size, paper)
    image.paste(255 - paper, [int(size[0] * share) for share in (0.47, 0.2, 0.53, 0.8)])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_ink_of_a_picture_is_what_differs_from_its_border(page):
    grey = np.full((9, 7), 0.8)
    grey[3:6, 2:5] = [[0.1, 0.75, 0.1], [0.45, 0.8, 0.1], [0.1, 0.1, 0.1]]
    body = "const found = figure.inkOf(argument, 7); return found && [...found];"
    found = np.reshape(call(page, "microscope", body, grey.flatten().tolist()), (9, 7))
    assert found[3:6, 2:5] == pytest.approx(np.array([[1, 0, 1], [1 / 3, 0, 1], [1, 1, 1]]))
    assert found.sum() == pytest.approx(found[3:6, 2:5].sum())
    assert call(page, "microscope", body, [0.5] * 62 + [0.55]) is None


def test_a_picture_file_is_read_or_gets_a_sentence(reader, stage):
    for content, sentence in (
        (picture((400, 400), 0), "It reads a 1,"),  # bright ink
        (b"not a picture", "this one cannot be read"),
        (picture((400, 400), 255), "It reads a 1,"),
        (picture((7200, 7000)), "between 64 and 20 million pixels, got 7200 by 7000"),
        (picture((40, 40))[:60], "must hold something darker or brighter"),  # cut off
        (b"", "this one cannot be read"),
    ):
        file = {"name": "x.png", "mimeType": "image/png", "buffer": content}
        stage.locator("input[type=file]").set_input_files(file)
        reader.wait(sentence)


def test_the_fallback_holds_the_recorded_errors():
    wrong = [record["conditions"]["drawn-like"]["wrong"] for record in RECORDS.of("lecture")]
    assert f"<td>{sum(wrong) / len(wrong) / 100:.1f}</td>" in FIGURE.html

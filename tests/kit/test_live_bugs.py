"""Find the bug: real outputs, an exhibit for each round, and a game with all its feedback."""

import re

import pytest
import torch
from docutils.nodes import make_id
from live_helpers import CHAPTERS, call, data_of, on_page

from coursekit.live import bugs

FIGURE = bugs.figure()
ROUNDS = data_of(FIGURE)["rounds"]
RIGHT = [[choice["right"] for choice in one["choices"]].index(True) for one in ROUNDS]


def test_each_round_prints_what_its_program_prints_and_leads_to_its_exhibit():
    text = (CHAPTERS / "bug_museum.ipynb").read_text(encoding="utf8")
    headings = re.findall(r'"### (\d+)\. ([^"\\]+)', text)
    anchors = {f"Exhibit {n}: {title}": f"#{make_id(f'{n}. {title}')}" for n, title in headings}
    assert len(ROUNDS) >= 6 and max(map(RIGHT.count, range(4))) < len(ROUNDS) / 2
    for one in ROUNDS:
        assert len(one["choices"]) == 4
        assert max(map(len, one["code"].splitlines())) <= 76
        assert one["link"] == anchors[one["exhibit"]]
        assert f'<a href="{one["link"]}">{one["exhibit"]}</a>' in FIGURE.html
    assert on_page("bugs", "bug_museum")[0]["rounds"] == ROUNDS
    state = torch.get_rng_state()
    assert bugs.output_of("print(1)\nprint(torch.rand(2).shape)\n1 / 0") == (
        "1\ntorch.Size([2])\nZeroDivisionError: division by zero"
    )
    assert torch.equal(torch.get_rng_state(), state)
    shown = {one["exhibit"].split(":")[0]: one["printed"] for one in ROUNDS}
    assert shown["Exhibit 12"].endswith("step 3: slope 12")
    assert shown["Exhibit 9"] == "accuracy 1.00, loss 1.4612"
    assert shown["Exhibit 4"].startswith("RuntimeError: Given groups=1, weight of size [16, 3,")


@pytest.mark.browser
def test_a_reader_plays_all_rounds_by_keyboard(page, reader):
    rounds = [{"choices": [{"right": i == 2} for i in range(4)]}] * 3
    body = "return figure.tally(...argument);"
    assert call(page, "bugs", body, [rounds, [[2], [0, 2], [1]]]) == {"solved": 2, "atOnce": 1}
    reader.open(FIGURE, width=390)
    head = reader.stage.locator("p").first
    causes = reader.stage.get_by_role("button")
    link = reader.stage.get_by_role("link")
    for number, (one, right) in enumerate(zip(ROUNDS, RIGHT, strict=True)):
        assert head.inner_text().startswith(f"Round {number + 1} of {len(ROUNDS)}.")
        assert [text.strip() for text in reader.texts("pre")] == [one["code"], one["printed"]]
        whys = [choice["why"].replace("`", "") for choice in one["choices"]]
        for i in {0, 1, 2, 3} - {right} if number == 1 else ():
            causes.nth(i).press("Enter")
            assert reader.words() == f"Not that. {whys[i]}"
            assert causes.nth(i).is_disabled()
        causes.nth(right).press("Enter")
        assert reader.words().startswith(f"Found. {whys[right]}")
        assert (link.inner_text(), link.get_attribute("href")) == (one["exhibit"], one["link"])
        page.keyboard.press("Enter")  # the focus is on the button that goes on
    last = len(ROUNDS)
    assert head.inner_text() == f"All {last} found, {last - 1} at the first try."
    assert link.all_inner_texts() == [ROUNDS[1]["exhibit"]]
    reader.press("Play again")
    assert head.inner_text() == f"Round 1 of {last}. 0 of {last} found, 0 at the first try."

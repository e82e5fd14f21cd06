"""Find the bug: real outputs, an exhibit for each round, and a game with all its feedback."""

import json
import re

import pytest
import torch
from docutils.nodes import make_id
from live_helpers import CHAPTERS, call, on_page

from coursekit.live import bugs

FIGURE = bugs.figure()
ROUNDS = json.loads(re.search('json">(.*?)</script>', FIGURE.html, re.S)[1])["rounds"]
WRONG = [[i for i, choice in enumerate(r["choices"]) if not choice["right"]] for r in ROUNDS]


def test_each_round_has_four_causes_one_right_and_a_program_that_fits():
    assert len(ROUNDS) >= 6
    for one in ROUNDS:
        assert len(one["choices"]) == 4
        assert max(map(len, one["code"].splitlines())) <= 76
    places = [next(i for i, c in enumerate(r["choices"]) if c["right"]) for r in ROUNDS]
    assert max(map(places.count, range(4))) < len(ROUNDS) / 2


def test_the_output_is_that_of_the_program():
    state = torch.get_rng_state()
    assert bugs.output_of("print(1)\nprint(torch.rand(2).shape)\n1 / 0") == (
        "1\ntorch.Size([2])\nZeroDivisionError: division by zero"
    )
    assert torch.equal(torch.get_rng_state(), state)
    shown = {r["exhibit"].split(":")[0]: r["printed"] for r in ROUNDS}
    assert shown["Exhibit 12"].endswith("step 3: slope 12")
    assert shown["Exhibit 9"] == "accuracy 1.00, loss 1.4612"
    assert shown["Exhibit 4"].startswith("RuntimeError: Given groups=1, weight of size [16, 3,")


def test_each_round_leads_to_its_exhibit():
    text = (CHAPTERS / "bug_museum.ipynb").read_text(encoding="utf8")
    headings = re.findall(r'"### (\d+)\. ([^"\\]+)', text)
    anchors = {f"Exhibit {n}: {title}": f"#{make_id(f'{n}. {title}')}" for n, title in headings}
    for one in ROUNDS:
        assert one["link"] == anchors[one["exhibit"]]
        assert f'<a href="{one["link"]}">{one["exhibit"]}</a>' in FIGURE.html
    data, _ = on_page("bugs", "bug_museum")
    assert data["rounds"] == ROUNDS


@pytest.mark.browser
def test_a_reader_plays_all_rounds_by_keyboard(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.set_content(FIGURE.html)
    stage = page.locator(".dlv-live-stage")
    head = stage.locator("p").first
    for number, (one, wrong) in enumerate(zip(ROUNDS, WRONG, strict=True)):
        assert head.inner_text().startswith(f"Round {number + 1} of {len(ROUNDS)}.")
        shown = [block.inner_text().strip() for block in stage.locator("pre").all()]
        assert shown == [one["code"], one["printed"]]
        causes = stage.get_by_role("button")
        for i in wrong if number == 1 else []:
            causes.nth(i).press("Enter")
            why = one["choices"][i]["why"].replace("`", "")
            assert stage.get_by_role("status").inner_text() == f"Not that. {why}"
            assert causes.nth(i).is_disabled()
        right = next(i for i in range(4) if i not in wrong)
        causes.nth(right).press("Enter")
        why = one["choices"][right]["why"].replace("`", "")
        assert stage.get_by_role("status").inner_text().startswith(f"Found. {why}")
        link = stage.get_by_role("link")
        assert (link.inner_text(), link.get_attribute("href")) == (one["exhibit"], one["link"])
        page.keyboard.press("Enter")  # the focus is on the button that goes on
    last = len(ROUNDS)
    assert head.inner_text() == f"All {last} found, {last - 1} at the first try."
    assert stage.get_by_role("link").all_inner_texts() == [ROUNDS[1]["exhibit"]]
    stage.get_by_role("button", name="Play again").press("Enter")
    assert head.inner_text() == f"Round 1 of {last}. 0 of {last} found, 0 at the first try."


@pytest.mark.browser
def test_tally(page):
    rounds = [{"choices": [{"right": i == 2} for i in range(4)]}] * 3
    body = "return figure.tally(argument[0], argument[1]);"
    assert call(page, "bugs", body, [rounds, [[2], [0, 2], [1]]]) == {"solved": 2, "atOnce": 1}

"""The live figure of checkpoints: its rules against dlvlib.training, and its text."""

import re
from types import SimpleNamespace

import pytest
import torch
from live_helpers import (
    CHAPTERS,
    call,
    on_page,
)

from coursekit import live
from dlvlib import results
from dlvlib.training import EpochRecord, History
from dlvlib.training.history import best_epoch, is_out_of_patience

pytestmark = pytest.mark.browser
DATA, FALLBACK = on_page("checkpoints", "17_case_study_overfitting")
FIGURE = live.show("checkpoints", DATA, FALLBACK)


def random_runs(count):
    generator = torch.Generator().manual_seed(0)
    for number in range(count):
        # Few different values, so that equals occur; the first of them must win.
        draw = torch.randint(1, 12, (2, 1 + number % 30), generator=generator).tolist()
        yield {"val_loss": draw[0], "val_top1": [value / 12 for value in draw[1]]}


def history_of(run, epochs):
    rows = zip(run["val_loss"], run["val_top1"], strict=True)
    records = [
        EpochRecord(i, 0.1, 1.0, 0.5, loss, top1, 1.0) for i, (loss, top1) in enumerate(rows, 1)
    ]
    return History(records[:epochs])


def expected(run, rule, patience):
    """(kept, trained) by the library's own functions, epoch after epoch as in training."""
    total = len(run["val_loss"])
    monitor = "val_top1" if rule == "top1" else "val_loss"
    patience = patience if rule == "patience" else 0
    settings = SimpleNamespace(monitor=monitor, patience=patience)
    trained = 1
    while trained < total and not is_out_of_patience(history_of(run, trained), settings):
        trained += 1
    kept = trained if rule == "last" else best_epoch(history_of(run, trained), settings)
    return [kept, trained]


@pytest.mark.parametrize("rule", ["loss", "top1", "last", "patience"])
def test_rules_agree_with_the_training_loop(page, rule):
    cases = [[run, rule, 1 + i % 7] for i, run in enumerate(random_runs(200))]
    found = call(
        page,
        "checkpoints",
        "return argument.map((case_) => figure.decide(...case_)).map((d) => [d.kept, d.trained]);",
        cases,
    )
    assert found == [expected(*case) for case in cases]


def test_page_shows_the_records():
    for number, run in enumerate(DATA["runs"]):
        (path,) = (CHAPTERS / "results/overfitting").glob(f"case-*-seed{number}.json")
        record = results.read_record(path)
        for name in ("train_loss", "val_loss", "val_top1"):
            assert run[name] == pytest.approx([e[name] for e in record["history"]], abs=6e-4)
        chosen, test = record["metrics"]["chosen_epoch"], record["metrics"]["test_top1"]
        assert run["test_top1"][chosen - 1] == pytest.approx(test, abs=6e-4)


def test_keyboard_changes_the_choice_and_what_it_costs(page):
    page.set_content(FIGURE.html)
    run = DATA["runs"][0]
    words = page.locator("p[role=status]").first
    epoch = page.get_by_role("slider", name="epoch", exact=True)
    epoch.press("End")
    last = len(run["val_loss"])
    cost = f"validation cost {run['val_loss'][-1]:.2f}"
    assert words.inner_text().startswith(f"Epoch {last}, after {last} epochs")
    assert cost in words.inner_text()
    rule = page.get_by_role("combobox", name="keep the weights of")
    rule.select_option(label="lowest validation cost")
    kept = expected(run, "loss", 0)[0]
    assert epoch.get_attribute("aria-valuetext") == f"epoch {kept} of {last}"
    assert ", 0.00 above the lowest" in words.inner_text()
    assert f"epoch {kept}" in page.get_by_role("img").first.get_attribute("aria-label")
    rule.select_option(label="early stopping")
    patience = page.get_by_role("slider", name="patience")
    patience.press("Home")
    kept, trained = expected(run, "patience", 1)
    assert words.inner_text().startswith(f"Epoch {kept}, after {trained} epochs")
    epoch.press("ArrowRight")  # whoever moves the slider decides alone
    assert rule.input_value() == "own"
    assert not patience.is_visible()


def test_test_images_speak_when_asked_and_warn_when_asked_again(page):
    page.set_content(FIGURE.html)
    test = DATA["runs"][0]["test_top1"]
    verdict = page.locator("p[role=status]").nth(1)
    ask = page.get_by_role("button", name="Ask the test images")
    epoch = page.get_by_role("slider", name="epoch", exact=True)
    epoch.press("Home")
    assert not re.search(r"\d", verdict.inner_text())
    ask.press("Enter")
    assert verdict.inner_text() == f"Test accuracy {100 * test[0]:.1f} %."
    epoch.press("End")
    assert "not asked" in verdict.inner_text()
    ask.press("Enter")
    assert f"{100 * test[-1]:.1f} %" in verdict.inner_text()
    assert "asked 2 times" in verdict.inner_text()

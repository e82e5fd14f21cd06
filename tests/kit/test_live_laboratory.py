"""The laboratory: what it concludes, what its fields refuse, and what a reader can do with it."""

import re

import numpy as np
import pytest
from live_helpers import call, made
from scipy import stats

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_t_and_the_seeds_needed_agree_with_scipy(page):
    freedoms = [2, 4, 8, 18, 58, 198, 1998]
    chances = [0.6, 0.95, 0.99]
    ratios = [0.15, 0.3, 0.5, 1, 1.5, 2, 3, 5]
    body = """const [freedoms, chances, ratios] = argument;
        const bounds = (freedom) => chances.map((chance) => figure.boundOf(chance, freedom));
        return [freedoms.map(bounds),
            ratios.map(figure.seedsNeeded), figure.seedsNeeded(0.01) === Infinity];"""
    bounds, needed, is_many = call(page, "laboratory", body, [freedoms, chances, ratios])
    for freedom, found in zip(freedoms, bounds, strict=True):
        expected = stats.t.ppf([(1 + chance) / 2 for chance in chances], freedom)
        assert found == pytest.approx(expected, rel=1e-9)
    assert is_many
    n = np.arange(2, 2000)
    for ratio, found in zip(ratios, needed, strict=True):
        bar, shift = stats.t.ppf(0.975, 2 * n - 2), ratio * np.sqrt(n / 2)
        power = stats.nct.sf(bar, 2 * n - 2, shift)
        assert abs(found - n[np.argmax(power >= 0.8)]) <= 1


def test_the_conclusion_is_that_of_the_t_test(page):
    drawn = np.random.default_rng(0)
    pairs = [
        (drawn.normal(90, 2, n).tolist(), drawn.normal(90 + shift, 1, n).tolist())
        for n in (2, 3, 10)
        for shift in (-6, -1, 0, 1, 6)
    ]
    body = "return argument.map((pair) => figure.conclude(...pair));"
    found = call(page, "laboratory", body, pairs)
    kinds = set()
    for (a, b), text in zip(pairs, found, strict=True):
        test = stats.ttest_ind(b, a)
        low, high = test.confidence_interval(0.95)
        words = text.replace("−", "-")
        assert f"{len(a)} seeds each" in words
        kinds.add(words.split()[0])
        gap = np.mean(b) - np.mean(a)
        if test.pvalue < 0.05:
            assert words.startswith(f"{'B' if gap > 0 else 'A'} is better by {abs(gap):.1f}")
            low, high = sorted([abs(low), abs(high)])
        else:
            assert words.startswith(f"Cannot tell yet: B - A is {gap:.1f} points")
            assert re.search(r"(about [\d,]+|than 1,000) (more )?seeds each would", words)
        assert f"interval {low:.1f} to {high:.1f}," in words
    assert kinds == {"A", "B", "Cannot"}
    flat = [([9.5, 9.5], [9.5, 9.5]), ([9.5, 9.5], [90, 90]), ([1], [2])]
    same, apart, single = call(page, "laboratory", body, flat)
    assert same == "All networks ended at 9.5 %: no difference, and no spread (2 seeds each)."
    assert apart.startswith("B is better by 80.5 points with every seed")
    assert single.startswith("One network each shows no spread")


BAD = [
    ("learning rate of A", "fast", "a number above 0, 100 at most, got fast."),
    ("learning rate of B", "-0.1", "a number above 0, 100 at most, got -0.1."),
    ("batch size of B", "0", "a whole number from 1 to 1,437, got 0."),
    ("batch size of A", "2.5", "a whole number from 1 to 1,437, got 2.5."),
    ("momentum of A", "1", "a number from 0 to below 1, got 1."),
    ("weight decay of B", "", "a number from 0 to 10, got nothing."),
    ("training images of A", "1e9", "a whole number from 10 to 1,437, got 1e9."),
    ("training images of A", "0x10", "a whole number from 10 to 1,437, got 0x10."),
    ("epochs", "Infinity", "a whole number from 1 to 30, got Infinity."),
    ("first seed", "-1", "a whole number from 0 to 1,000,000, got -1."),
]


def test_a_bad_field_gets_a_sentence_and_nothing_is_trained(reader):
    reader.open(made("laboratory"))
    for name, text, words in BAD:
        good = reader.stage.get_by_role("textbox", name=name, exact=True).input_value()
        box = reader.write(name, text)
        assert reader.words() == f"{name} must be {words}"
        assert reader.find("button", "Play").is_disabled()
        assert box.get_attribute("aria-invalid") == "true"
        reader.write(name, good)
        assert reader.words() == "Nothing is trained yet: press Play."
    for name in ("A", "B"):
        reader.choose(f"activation of {name}", "sigmoid")
    text = reader.stage.inner_text
    assert "the same recipe: whatever lies between them is chance" in text()
    reader.choose("width (maps) of B", "4")
    assert "A and B differ in one setting: width (maps)." in text()
    reader.write("learning rate of A", "0.1")
    assert "differ in 2 settings (learning rate, width (maps))" in text()


def test_a_reader_trains_pauses_adds_seeds_and_shares_the_recipe(page, reader):
    page.goto("about:blank")  # with real frames
    reader.open(made("laboratory"))
    for name in "AB":  # two recipes that train in an instant
        reader.choose(f"width (maps) of {name}", "2")
        reader.write(f"training images of {name}", "60")
    reader.write("epochs", "2")
    page.evaluate("""() => {
        window.slices = 0;
        const plain = window.setTimeout;
        window.setTimeout = (slice, ...others) => plain(() => {
            slice();
            window.slices += 1;
        }, ...others);
    }""")
    play = reader.find("button", "Play")
    play.evaluate("""async (node) => {
        node.click();
        const isBegun = () => / [1-9]\\d* of 20 networks/.test(document.body.innerText);
        while (!isBegun()) await new Promise((next) => setTimeout(next));
        node.click();
    }""")
    reader.wait("Not all seeds are trained yet: press Play.")
    play.press("Enter")
    reader.wait("10 seeds each")
    assert page.evaluate("window.slices") > 3
    conclusion = reader.words()
    assert "20 of 20 networks are trained." in reader.stage.inner_text()
    assert "standard deviation" in reader.picture()
    reader.press("5 more seeds")
    reader.wait("15 seeds each")
    reader.press("Reset")
    reader.wait("Nothing is trained yet: press Play.")
    play.press("Enter")
    reader.wait("10 seeds each")
    assert reader.words() == conclusion  # the same seeds, the same networks
    for name, text in (("batch size", "1"), ("weight decay", "10"), ("learning rate", "100")):
        reader.write(f"{name} of B", text)
    reader.wait("10 of 20 networks are trained.")  # A keeps its own
    play.press("Enter")
    reader.wait("10 seeds each")
    assert "10 of B diverged: their weights are no longer numbers" in reader.stage.inner_text()
    assert reader.words().startswith("A is better by")
    reader.press("Link")
    reader.wait("now holds both recipes")
    link = page.evaluate("location.hash")
    page.evaluate("location.hash = ''")
    reader.write("learning rate of B", "0.3")
    page.evaluate("(link) => { location.hash = link; }", link)
    page.wait_for_function("document.querySelectorAll('input')[1].value === '100'")
    page.evaluate("(link) => { location.hash = link; }", link.replace("tanh", "swish"))
    reader.wait("activation of B must be one of ReLU, tanh, sigmoid, got swish.")


def test_the_fallback_holds_what_pytorch_trains():
    means = re.findall(r"<td>(\d+\.\d) %</td>", made("laboratory").html)
    assert [float(mean) for mean in means] == pytest.approx([90, 93], abs=4)

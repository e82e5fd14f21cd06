"""The live figures: the HTML that Python writes, and what a browser makes of it."""

import json
import math
import re

import pytest
import torch
from live_helpers import call, check_figure, on_page

from coursekit import live
from dlvlib import plotting

DATA = {
    "labels": ["butterfly", "candle", "<b>car</b>"],
    "logits": [11.5, 12.8, -2.4],
    "log10_min": -1,
    "log10_max": 2,
}
FIGURES = sorted(
    {*live.NAMES}
    - {"quiz", "bugs", "pad", "microscope", "shapes", "atlas", "laboratory", "degradation"}
)  # which have tests of their own
FALLBACK = live.table("By temperature", ["class", "τ = 1"], [["candle", "78.58 %"]])


@pytest.mark.browser
def test_softmax_of_the_script_agrees_with_torch(page):
    generator = torch.Generator().manual_seed(0)
    logits = 30 * torch.randn(200, 7, generator=generator, dtype=torch.double)
    logits[0, :2] = 1000
    temperatures = 10 ** (3 * torch.rand(200, generator=generator, dtype=torch.double) - 1)
    found = call(
        page,
        "softmax",
        "return argument.map(([logits, tau]) => figure.softmax(logits, tau));",
        list(zip(logits.tolist(), temperatures.tolist(), strict=True)),
    )
    expected = torch.softmax(logits / temperatures[:, None], dim=1)
    torch.testing.assert_close(torch.tensor(found, dtype=torch.double), expected)


@pytest.mark.browser
def test_entropy_of_the_script(page):
    found = call(
        page,
        "softmax",
        "return argument.map((probs) => figure.entropy(probs));",
        [[1.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.9, 0.1]],
    )
    expected = [0.0, math.log(4), -0.9 * math.log(0.9) - 0.1 * math.log(0.1)]
    assert found == pytest.approx(expected)


def cells(page):
    return page.locator(".dlv-live-stage tbody tr td:nth-child(3)").all_inner_texts()


@pytest.mark.browser
def test_slider_moves_the_bars_by_keyboard(page):
    page.set_content(live.show("softmax", DATA, FALLBACK).html)
    slider = page.get_by_role("slider", name="temperature")
    assert cells(page) == ["21.42 %", "78.58 %", "0.00 %", "0.519 nats"]
    assert "candle 78.58 %" in slider.get_attribute("aria-valuetext")
    slider.focus()
    page.keyboard.press("End")  # τ = 100
    hot = torch.softmax(torch.tensor(DATA["logits"]) / 100, dim=0)
    assert cells(page)[:3] == [f"{100 * p:.2f} %" for p in hot.tolist()]
    assert "temperature 100" in slider.get_attribute("aria-valuetext")
    page.keyboard.press("Home")  # τ = 0.1
    assert cells(page)[1] == "100.00 %"
    page.get_by_role("button", name="Back to").press("Enter")
    assert cells(page)[0] == "21.42 %"


@pytest.mark.browser
def test_twenty_answers_at_three_temperatures(page):
    probs = [0.25, 0.5, 0.25]
    numbers = [0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999]
    body = "return argument[1].map((number) => figure.sample(argument[0], number));"
    assert call(page, "softmax", body, [probs, numbers]) == [0, 0, 1, 1, 2, 2]
    page.set_content(live.show("softmax", DATA, FALLBACK).html)
    drawn = page.locator(".dlv-live-stage [role=status]")
    assert drawn.inner_text() == ""
    page.get_by_role("button", name="Draw 20").press("Enter")
    page.get_by_role("slider").press("Home")  # τ = 0.1: candle always
    lines = drawn.inner_text().splitlines()
    titles = [line.split(":")[0] for line in lines]
    assert titles == ["τ = 0.3", "τ = 0.1, of the slider", "τ = 10"]
    assert lines[1].endswith(": 0 butterfly, 20 candle, 0 <b>car</b>")
    counts = [[int(n) for n in re.findall(r"(\d+) [bc<]", line)] for line in lines]
    assert [sum(line) for line in counts] == [20] * 3
    assert counts[0][1] >= counts[2][1]  # the same numbers: what is hot loses the likeliest


@pytest.fixture(scope="module")
def plain(chromium):
    """A page of a browser that runs no scripts."""
    return chromium.new_context(java_script_enabled=False).new_page()


@pytest.mark.browser
@pytest.mark.parametrize("name", [*FIGURES, "quiz", "bugs"])
def test_the_figure_of_a_page_keeps_the_rules_of_every_figure(page, plain, name):
    most = {"bugs": 40_000, "reliability": 30_000}.get(name, 25_000)
    check_figure(page, plain, live.show(name, *on_page(name)), most)


@pytest.mark.browser
def test_three_figures_on_one_page_are_independent(page):
    html = live.show("softmax", DATA, FALLBACK).html
    page.set_content("".join([html] * 3))
    assert page.get_by_role("slider").count() == 3
    page.get_by_role("slider").nth(1).press("End")
    readings = page.locator("output").all_inner_texts()
    assert readings == ["τ = 1.00", "τ = 100", "τ = 1.00"]


@pytest.mark.browser
def test_data_is_text_never_markup(page):
    hostile = {**DATA, "labels": ["</script><img src=x onerror=alert(1)>", "b", "c"]}
    page.set_content(live.show("softmax", hostile, FALLBACK).html)
    assert page.locator("img").count() == 0
    assert "<img src=x" in page.locator(".dlv-live-stage tbody th").first.inner_text()


def test_output_is_the_same_text_at_every_run():
    first, second = (live.show("softmax", DATA, FALLBACK) for _ in range(2))
    assert first._repr_html_() == second._repr_html_()
    assert repr(first) == "LiveFigure(name='softmax')"
    assert ' id="' not in first.html
    assert json.dumps("candle") in first.html


@pytest.mark.parametrize("name", live.NAMES)
def test_scripts_are_safe_inside_a_page(name):
    source = live.module(name).replace("http://www.w3.org/2000/svg", "")  # the name of SVG
    for forbidden in ("</script", "innerHTML", "insertAdjacentHTML", "eval(", "://", "onclick"):
        assert forbidden not in source
    assert "export function mount(stage, data)" in source


def test_figures_wear_the_colours_of_the_families():
    html = live.show("softmax", DATA, FALLBACK).html
    light = dict(re.findall(r"--dlv-(\w+): (#\w+)", html[: html.index("data-theme")]))
    assert light == plotting.FAMILY_COLORS


def contrast(one, other):
    """The contrast ratio of WCAG 2 between two colours such as "#0072B2"."""

    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read_on_the_ground_of_either_theme():
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    light, dark = live.show("softmax", DATA, FALLBACK).html.split("data-theme", 1)
    for part, ground in ((light, "#FFFFFF"), (dark, "#14181E")):
        colors = re.findall(r"--dlv-\w+: (#\w+)", part)
        assert len(colors) == len(plotting.FAMILY_COLORS)
        assert min(contrast(color, ground) for color in colors) > 4.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sofmax", DATA, FALLBACK), "name must be one of .*softmax.*, got 'sofmax'"),
        (("common", DATA, FALLBACK), "got 'common'"),
        (("softmax", DATA, " "), "fallback must describe the figure"),
        (("softmax", {**DATA, "logits": [math.nan]}, FALLBACK), "not JSON compliant"),
    ],
)
def test_a_figure_that_cannot_be_shown_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        live.show(*arguments)


def test_table_escapes_text():
    html = live.table("a < b", ["x", "y"], [["<i>", "1 & 2"]])
    assert "<caption>a &lt; b</caption>" in html
    assert '<th scope="row">&lt;i&gt;</th><td>1 &amp; 2</td>' in html


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_is_readable_in_both_themes(page, dark):
    text, ground = ("#EEEEEE", "#121212") if dark else ("#1F2933", "#FFFFFF")
    # The book's theme paints HTML outputs in the text's own colour when it is dark.
    theme = (
        f":root {{ --pst-color-text-base: {text}; --pst-color-background: {ground}; }}"
        f".text_html {{ background: {text}; color: {ground}; }} th, label {{ color: {text}; }}"
    )
    html = live.show("softmax", DATA, FALLBACK).html
    page.set_content(f'<style>{theme}</style><div class="text_html">{html}</div>')
    colors = page.evaluate(
        "[...document.querySelectorAll('.dlv-live label, .dlv-live th, .dlv-live td')]"
        ".map((node) => getComputedStyle(node).color)"
    )
    figure = page.locator(".dlv-live")
    expected = figure.evaluate("(node) => getComputedStyle(node).color")
    assert set(colors) == {expected}
    assert expected != figure.evaluate("(node) => getComputedStyle(node).backgroundColor")


@pytest.mark.browser
def test_bars_can_be_seen_on_a_phone(page):
    page.set_viewport_size({"width": 340, "height": 700})
    page.set_content(live.show("softmax", DATA, FALLBACK).html)
    page.get_by_role("slider").press("Home")
    bar = page.locator(".dlv-live-stage tbody tr:nth-child(2) td:last-child div")
    assert bar.bounding_box()["width"] > 50


@pytest.mark.browser
@pytest.mark.parametrize("name", FIGURES)
def test_ten_thousand_events_of_a_slider_draw_the_figure_twice(page, name):
    """At once and in the next frame; what is shown in the end belongs to the last event."""
    page.goto("about:blank")  # with real frames again
    page.set_content(live.show(name, *on_page(name)).html)
    updates, shown, expected = page.evaluate("""async () => {
        const frame = () => new Promise((next) => requestAnimationFrame(next));
        const slider = document.querySelector("input[type=range]:not([disabled])");
        const move = (value) => {
            slider.value = value;
            slider.dispatchEvent(new Event("input"));
        };
        const settled = async () => {
            for (let i = 0; i < 3; i += 1) await frame();
            return slider.getAttribute("aria-valuetext");
        };
        let updates = 0;
        const observer = new MutationObserver((records) => { updates += records.length; });
        observer.observe(slider, { attributeFilter: ["aria-valuetext"] });
        for (let i = 0; i < 10000; i += 1) move(i % 2 ? slider.max : slider.min);
        const shown = await settled();
        observer.disconnect();
        move(slider.min);
        await settled();
        move(slider.max);
        return [updates, shown, await settled()];
    }""")
    assert updates == 2
    assert shown == expected

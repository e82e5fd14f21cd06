"""The live figures: the HTML that Python writes, and what every figure must do in a browser."""

import math
import re

import pytest
from live_helpers import FALLBACK, made, on_page
from test_live_atlas import FIGURE as ATLAS

from coursekit import live
from dlvlib import plotting

DATA = {"labels": ["candle", "b"], "logits": [1.0, 0.0], "log10_min": -1, "log10_max": 2}
SOFTMAX = live.show("softmax", DATA, FALLBACK)
MADE = {"degradation", "laboratory", "microscope", "pad", "shapes"}  # the others are on a page
MOST = {  # bytes; else 25,000
    "atlas": 80_000,
    "bugs": 40_000,
    "degradation": 45_000,
    "laboratory": 220_000,
    "microscope": 480_000,
    "pad": 230_000,
    "reliability": 30_000,
    "shapes": 70_000,
}
FLOOD = """async () => {
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
    return [updates, shown === await settled()];
}"""


@pytest.mark.browser
@pytest.mark.parametrize("name", live.NAMES)
def test_every_figure_keeps_the_rules(page, plain, name):
    """Fit a phone, stay small, describe itself, yield to the fallback on paper and in `plain`.

    A slider draws at once and in the next frame; the last of its events decides.
    """
    own = ATLAS if name == "atlas" else made(name) if name in MADE else None
    figure = own or live.show(name, *on_page(name))
    page.goto("about:blank")  # with real frames again
    assert len(figure.html.encode()) < MOST.get(name, 25_000)
    assert ' id="' not in figure.html
    page.set_viewport_size({"width": 320, "height": 700})
    page.set_content(figure.html)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    stage, fallback = page.locator(".dlv-live-stage"), page.locator(".dlv-live-fallback")
    for picture in stage.locator("svg[role]").all():
        assert len(picture.get_attribute("aria-label")) > 20
    controls = "(controls) => controls.every(({ labels }) => labels.length === 1)"
    assert stage.locator("input, select").evaluate_all(controls)
    for slider in stage.locator("input[type=range]").all():
        assert slider.get_attribute("aria-valuetext")
    assert (fallback.is_visible(), stage.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (fallback.is_visible(), stage.is_visible()) == (True, False)
    page.emulate_media(media="screen")
    plain.set_content(figure.html)
    assert plain.locator(".dlv-live-fallback").is_visible()
    assert not plain.locator(".dlv-live-stage").is_visible()
    if not own and name not in ("quiz", "bugs"):  # which have no slider
        assert page.evaluate(FLOOD) == [2, True]


@pytest.mark.browser
def test_figures_on_one_page_are_independent_and_data_is_never_markup(page):
    labels = ["</script><img src=x onerror=alert(1)>", "b"]
    figure = live.show("softmax", DATA | {"labels": labels}, FALLBACK)
    page.set_content(figure._repr_html_() * 3)  # as a notebook shows it
    assert page.locator("img").count() == 0
    assert "<img src=x" in page.locator(".dlv-live-stage tbody th").first.inner_text()
    page.get_by_role("slider").nth(1).press("End")
    readings = page.locator("output").all_inner_texts()
    assert readings == ["τ = 1.00", "τ = 100", "τ = 1.00"]


FORBIDDEN = re.compile(r"</script|innerHTML|insertAdjacentHTML|eval\(|://|onclick")


def test_scripts_are_safe_inside_a_page():
    for name in live.NAMES:
        source = live.module(name).replace("http://www.w3.org/2000/svg", "")  # the name of SVG
        assert not FORBIDDEN.search(source), name


def contrast(one, other):
    """The contrast ratio of WCAG 2 between two colours such as "#0072B2"."""

    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_figures_wear_the_colours_of_the_families_and_can_be_read_in_either_theme():
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    light, dark = (
        dict(re.findall(r"--dlv-(\w+): (#\w+)", part))
        for part in SOFTMAX.html.split("data-theme", 1)
    )
    assert light == plotting.FAMILY_COLORS and dark.keys() == light.keys()
    for colors, ground in ((light, "#FFFFFF"), (dark, "#14181E")):
        assert min(contrast(color, ground) for color in colors.values()) > 4.5


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
def test_text_is_readable_in_both_themes(page):
    for text, ground in (("#EEEEEE", "#121212"), ("#1F2933", "#FFFFFF")):
        # The book's theme paints HTML outputs in the text's own colour when it is dark.
        theme = (
            f":root {{ --pst-color-text-base: {text}; --pst-color-background: {ground}; }}"
            f".text_html {{ background: {text}; color: {ground}; }} th, label {{ color: {text}; }}"
        )
        page.set_content(f'<style>{theme}</style><div class="text_html">{SOFTMAX.html}</div>')
        colors = page.evaluate(
            "[...document.querySelectorAll('.dlv-live label, .dlv-live th, .dlv-live td')]"
            ".map((node) => getComputedStyle(node).color)"
        )
        figure = page.locator(".dlv-live")
        expected = figure.evaluate("(node) => getComputedStyle(node).color")
        assert set(colors) == {expected}
        assert expected != figure.evaluate("(node) => getComputedStyle(node).backgroundColor")

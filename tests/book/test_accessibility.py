"""What the browser tests ask of every page is found missing in a page that lacks it."""

import re

import accessibility
import browsing
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STYLE = "body { color: #000; background: #fff } :focus { outline: 2px solid }"
HEAD = (
    f'<!doctype html><html lang="en"><meta charset="utf8"><title>T</title><style>{STYLE}</style>'
)
HEAD += '<link rel="icon" href="data:,">'
SKIP = '<nav aria-label="Skip"><a href="#main-content">Skip to main content</a></nav>'
GOOD = f"""{HEAD}<body>{SKIP}<main id="main-content" tabindex="-1"><h1>A page</h1>
<h2>Quiz</h2><fieldset><legend>Which loss?</legend>
<label><input type="radio" name="q" style="width: 24px; height: 24px"> cross-entropy</label>
</fieldset><details><summary>Answer</summary><p><a href="#main-content">Yes.</a></p></details>
<label>Rate <input type="range" style="height: 24px"></label>
<svg role="img" aria-label="A line that rises" width="9" height="9"><path d="M0 9 9 0"/></svg>
<div class="highlight"><pre><span class="k">for</span> <span class="k">if</span></pre></div>
</main></body></html>"""


def body(text: str, *, main: str = 'id="main-content" tabindex="-1"') -> str:
    return f"{HEAD}<body>{SKIP}<main {main}><h1>A page</h1>{text}</main></body></html>"


AXE = {  # a rule of each tag in `browsing.RULES`, and a page that breaks it
    "color-contrast": body('<p style="color: #999">pale</p>'),
    "link-in-text-block": body(
        '<p>See <a href="#main-content" style="color: #222; text-decoration: none">it</a> now</p>'
    ),
    "image-alt": body('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'),
    "label": body('<input type="range">'),
    "heading-order": body("<h3>Two levels down</h3>"),
    "autocomplete-valid": body("<label>You <input autocomplete='me'></label>"),
    "target-size": body(
        '<button style="width: 9px; height: 9px; padding: 0" aria-label="A"></button>'
        '<button style="width: 9px; height: 9px; padding: 0" aria-label="B"></button>'
    ),
    "region": GOOD.replace(SKIP, f"{SKIP}<p>outside of every landmark</p>"),
}


@pytest.fixture
def show(browser, tmp_path):
    """Opens a page with this HTML in the tab of the test; nothing may go wrong in it."""
    with browsing.watched(browser) as (tab, problems):

        def opened(html: str):
            (tmp_path / "page.html").write_text(html, encoding="utf8")
            tab.goto((tmp_path / "page.html").as_uri())
            return tab

        yield opened
        assert problems == []


def test_a_good_page_passes(show):
    tab = show(GOOD)
    tab.evaluate(browsing.UNFOLD)
    assert accessibility.motion(tab) == []
    assert accessibility.unseen_focus(tab) == []
    assert accessibility.skip_link(tab) == []
    assert accessibility.broken_rules(tab) == []


def test_axe_finds_each_broken_rule(show):
    for rule, html in AXE.items():
        problems = accessibility.broken_rules(show(html))
        assert any(problem.startswith(f"axe {rule}, ") for problem in problems), (rule, problems)


def test_of_words_that_look_alike_one_is_checked_on_each_background(show):
    pale = '<b style="color: #767676">{}</b>'  # on grey
    words = f"<code>word</code> {pale.format('b')} {pale.format('both')}"
    html = f'<p>{words} {words}</p><p style="background: #ddd">{words} {words}</p>'
    tab = show(body(html))
    (problem,) = accessibility.broken_rules(tab)
    assert tab.evaluate("document.querySelectorAll('p [data-look]').length") == 4
    assert problem.startswith("axe color-contrast, 1 times") and "#dddddd" in problem


def test_of_words_of_code_one_of_each_class_is_checked(show):
    style = (
        ".highlight { background: #fff } .c { color: #000 } [data-theme=dark] .c { color: #eee }"
    )
    words = "<span class='k'>for</span> <span class='c'>in</span> "
    tab = show(body(f"<style>{style}</style><div class='highlight'><pre>{3 * words}</pre></div>"))
    assert accessibility.broken_rules(tab) == []
    assert tab.locator("pre span").count() == 2
    assert tab.locator("pre").inner_text() == 3 * "for in "
    browsing.set_scheme(tab, "dark")
    (problem,) = accessibility.broken_rules(tab, rules=browsing.COLOURS)
    assert problem.startswith("axe color-contrast") and ".c" in problem


def test_a_look_that_is_known_is_not_checked_again(show):
    pale, link = (
        body('<p style="color: #999">pale</p>'),
        '<a href="#m" style="color: #222{}">it</a>',
    )
    plain = body(f"<p>See {link.format('')} now</p>")
    bare = body(f"<p>See {link.format('; text-decoration: none')} now</p>")
    known = set()
    for html, count in ((pale, 1), (pale, 0), (plain, 0), (bare, 1), (bare, 0)):
        problems = accessibility.broken_rules(show(html), rules=browsing.COLOURS, known=known)
        assert len(problems) == count, html


def test_one_scheme_alone_may_be_pale(show):
    dark = "[data-theme=dark] body { background: #333 } [data-theme=dark] nav a { color: #fff }"
    tab = show(body(f"<style>{dark}</style>"))
    assert accessibility.broken_rules(tab) == []
    browsing.set_scheme(tab, "dark")
    (problem,) = accessibility.broken_rules(tab, rules=browsing.COLOURS)
    assert problem.startswith("axe color-contrast")
    assert accessibility.broken_rules(tab, rules=browsing.COLOURS, within=["nav"]) == []


BROKEN_LINKS = [
    (GOOD.replace(SKIP, ""), "not the first stop of Tab"),
    (GOOD.replace(SKIP, f'<a href="x">x</a>{SKIP}'), "not the first stop of Tab"),
    (
        GOOD.replace("</style>", "nav { position: absolute; left: -999px }</style>"),
        "does not show when it has the focus",
    ),
    (GOOD.replace('id="main-content" tabindex="-1"', ""), "does not move into main"),
    (GOOD.replace('main id="main-content" tabindex="-1"', "div"), "does not move into main"),
]


def test_a_skip_link_that_does_not_work_is_found(show):
    for html, expected in BROKEN_LINKS:
        (problem,) = accessibility.skip_link(show(html))
        assert expected in problem


def test_a_focus_that_does_not_show_is_found(show):
    for css in (
        "button:focus { outline: none }",
        "button { opacity: 0 }",
        "button { outline: 0 none }",
    ):
        html = body(f"<style>{css}</style><button>go</button><input aria-label='a'>")
        problems = accessibility.unseen_focus(show(html.replace(":focus {", ":focus-visible {")))
        # an outline that only the unfocused button lacks is fine
        unseen = [] if "0 none" in css else ["the focus does not show on <button>go</button>"]
        assert problems == unseen, css


def test_motion_against_the_wish_of_the_reader_is_found(show):
    for css in (
        "p { transition: color 1s }",
        "p { animation: pale 2s infinite }",
        "html { scroll-behavior: smooth }",
    ):
        asked = f"@media (prefers-reduced-motion: no-preference) {{{css}}}"
        for text, count in ((css, 1), (asked, 0)):
            html = f"<style>@keyframes pale {{ to {{ opacity: 0 }} }} {text}</style><p>x</p>"
            problems = accessibility.motion(show(body(html)))
            assert len(problems) == count
            assert all(re.match("moves: <(p|html)", problem) for problem in problems)

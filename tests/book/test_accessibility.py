"""What the browser tests ask of every page is found missing in a page that lacks it."""

import browsing
import pytest
from accessibility import broken_rules, motion, skip_link, unseen_focus

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


def button(css: str) -> str:
    return body(f"<style>{css}</style><button>go</button><input aria-label='a'>")


def moving(css: str) -> str:
    return body(f"<style>@keyframes pale {{ to {{ opacity: 0 }} }} {css}</style><p>x</p>")


UNASKED = "@media (prefers-reduced-motion: no-preference)"
SMALL = '<button style="width: 9px; height: 9px; padding: 0" aria-label="A"></button>'
AWAY = "nav { position: absolute; left: -999px }</style>"
PLAIN = '<p>See <a href="#main-content" style="color: #222; text-decoration: none">it</a> now</p>'
MAIN = 'id="main-content" tabindex="-1"'
FAULTS = [  # a check, a page, and what it finds there; of axe a rule of each tag in RULES
    (broken_rules, body('<p style="color: #999">pale</p>'), "axe color-contrast, "),
    (broken_rules, body(PLAIN), "axe link-in-text-block, "),
    (broken_rules, body('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">'), "image-alt, "),
    (broken_rules, body("<h3>Two levels down</h3>"), "axe heading-order, "),
    (broken_rules, body("<label>You <input autocomplete='me'></label>"), "autocomplete-valid, "),
    (broken_rules, body(SMALL + SMALL.replace("A", "B")), "axe target-size, "),
    (broken_rules, GOOD.replace(SKIP, f"{SKIP}<p>outside of every landmark</p>"), "axe region, "),
    (skip_link, GOOD.replace(SKIP, ""), "not the first stop of Tab"),
    (skip_link, GOOD.replace(SKIP, f'<a href="x">x</a>{SKIP}'), "not the first stop of Tab"),
    (skip_link, GOOD.replace("</style>", AWAY), "does not show when it has the focus"),
    (skip_link, GOOD.replace(MAIN, ""), "does not move into main"),
    (skip_link, GOOD.replace(f"main {MAIN}", "div"), "does not move into main"),
    (unseen_focus, button("button:focus-visible { outline: none }"), "on <button>go</button>"),
    (unseen_focus, button("button { opacity: 0 }"), "on <button>go</button>"),
    (unseen_focus, button("button { outline: 0 none }"), None),  # only without the focus
    (motion, moving("p { transition: color 1s }"), "moves: <p"),
    (motion, moving("p { animation: pale 2s infinite }"), "moves: <p"),
    (motion, moving("html { scroll-behavior: smooth }"), "moves: <html"),
    (motion, moving(f"{UNASKED} {{ p {{ transition: color 1s }} }}"), None),
    (motion, moving(f"{UNASKED} {{ p {{ animation: pale 2s infinite }} }}"), None),
    (motion, moving(f"{UNASKED} {{ html {{ scroll-behavior: smooth }} }}"), None),
]


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
    for check in (motion, unseen_focus, skip_link, broken_rules):
        assert check(tab) == []


def test_each_fault_is_found(show):
    for check, html, expected in FAULTS:
        problems = check(show(html))
        assert (len(problems) == 1 and expected in problems[0]) if expected else not problems, (
            html,
            problems,
        )


def test_of_words_that_look_alike_one_is_checked_on_each_background(show):
    pale = '<b style="color: #767676">{}</b>'  # on grey
    words = f"<code>word</code> {pale.format('b')} {pale.format('both')}"
    html = f'<p>{words} {words}</p><p style="background: #ddd">{words} {words}</p>'
    tab = show(body(html))
    (problem,) = broken_rules(tab)
    assert tab.evaluate("document.querySelectorAll('p [data-look]').length") == 4
    assert problem.startswith("axe color-contrast, 1 times") and "#dddddd" in problem


def test_of_words_of_code_one_of_each_class_is_checked(show):
    style = (
        ".highlight { background: #fff } .c { color: #000 } [data-theme=dark] .c { color: #eee }"
    )
    words = "<span class='k'>for</span> <span class='c'>in</span> "
    tab = show(body(f"<style>{style}</style><div class='highlight'><pre>{3 * words}</pre></div>"))
    assert broken_rules(tab) == []
    assert tab.locator("pre span").count() == 2
    assert tab.locator("pre").inner_text() == 3 * "for in "
    browsing.set_scheme(tab, "dark")
    (problem,) = broken_rules(tab, rules=browsing.COLOURS)
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
        problems = broken_rules(show(html), rules=browsing.COLOURS, known=known)
        assert len(problems) == count, html


def test_one_scheme_alone_may_be_pale(show):
    dark = "[data-theme=dark] body { background: #333 } [data-theme=dark] nav a { color: #fff }"
    tab = show(body(f"<style>{dark}</style>"))
    assert broken_rules(tab) == []
    browsing.set_scheme(tab, "dark")
    (problem,) = broken_rules(tab, rules=browsing.COLOURS)
    assert problem.startswith("axe color-contrast")
    assert broken_rules(tab, rules=browsing.COLOURS, within=["nav"]) == []

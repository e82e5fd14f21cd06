"""A quiz in a real browser: answered with the keyboard, remembered, readable without a script."""

import json

import pytest

from coursekit import live, quiz

pytestmark = pytest.mark.browser
ADDRESS = "http://quiz.test/page.html"  # answered by the test itself: storage needs an origin
QUIZ = """
- id: net.pool
  question: Has pooling `weights`?
  choices:
    - {text: Some., why: A maximum needs none.}
    - {text: None., why: It only compares., right: true}
    - {text: "<img src=x onerror=alert(1)>", why: Text is no markup.}
- id: net.learned
  question: What is learned?
  several: true
  choices:
    - {text: kernels, why: By gradient descent., right: true}
    - {text: strides, why: You choose them.}
    - {text: biases, why: Like kernels., right: true}
"""


def figure(text=QUIZ):
    """The HTML of a quiz that is in no file."""
    questions = quiz.parse(text, where="test.yml")
    entries = [quiz.asdict(q) | {"hash": quiz._hash(q)} for q in questions]
    data = {"quiz": "test", "questions": entries}
    return live.show("quiz", data, quiz.fallback(questions)).html


@pytest.fixture
def visit(chromium):
    """Open a page that holds some HTML, all in one browser profile; errors fail the test."""
    context = chromium.new_context()
    context.set_default_timeout(300_000)
    problems, asked = [], {ADDRESS}
    context.on("weberror", lambda found: problems.append(str(found.error)))
    context.on("request", lambda request: asked.add(request.url))

    def open_page(html, before=""):
        page = context.new_page()
        answer = {"body": html, "content_type": "text/html; charset=utf-8"}
        page.route(ADDRESS, lambda route: route.fulfill(**answer))
        page.add_init_script(before)
        page.goto(ADDRESS)
        return page

    yield open_page
    context.close()
    assert (problems, asked) == ([], {ADDRESS})


def verdicts(page):
    texts = page.get_by_role("status").all_inner_texts()
    return [text.replace("\n", " ").strip() for text in texts]


def tab_to(page, name, *keys):
    """Press Tab until the control of that name has the focus, and then these keys."""
    focus = "(document.activeElement.labels?.[0] ?? document.activeElement).textContent"
    for _ in range(30):
        page.keyboard.press("Tab")
        if name in page.evaluate(focus):
            break
    else:
        raise AssertionError(f"no way to {name} with Tab")
    for key in keys:
        page.keyboard.press(key)


def test_answered_wrong_then_right_with_the_keyboard_only(visit):
    page = visit(figure())
    assert page.get_by_text("0 of 2 right").is_visible()
    tab_to(page, "Some.", "Space")
    tab_to(page, "Check", "Enter")
    assert verdicts(page)[0] == "✗ Not yet.  A maximum needs none."
    assert page.get_by_text("0 of 2 right").is_visible()
    tab_to(page, "Try again", "Enter")
    assert verdicts(page)[0] == ""
    assert page.evaluate("document.activeElement.type") == "radio"
    page.keyboard.press("ArrowDown")  # to the second choice
    page.keyboard.press("Enter")  # a choice checks itself, too
    assert verdicts(page)[0] == "✓ Right.  It only compares."
    assert page.get_by_text("1 of 2 right").is_visible()
    tab_to(page, "kernels", "Space")
    tab_to(page, "strides", "Space", "Enter")
    assert verdicts(page)[1] == (
        "✗ Not yet.  “strides” does not belong here. You choose them.  "
        "“biases” is missing. Like kernels."
    )
    page.keyboard.press("Space")  # strides are withdrawn
    assert verdicts(page)[1] == ""
    tab_to(page, "biases", "Space", "Enter")
    assert verdicts(page)[1].startswith("✓ Right.  “kernels” belongs here. By gradient descent.")
    assert page.get_by_text("2 of 2 right").is_visible()


def test_controls_have_names_and_text_is_never_markup(visit):
    page = visit(figure() * 2)
    for status in page.get_by_role("status").all():
        assert status.get_attribute("aria-live") == "polite"
    first, second = page.get_by_role("radio", name="None.").all()  # each of a form of its own
    assert page.get_by_role("group", name="1. Has pooling weights?").count() == 2
    assert page.get_by_role("checkbox", name="strides").count() == 2
    check = page.get_by_role("button", name="Check").first
    check.press("Enter")
    assert verdicts(page)[0] == "Choose an answer first."
    assert page.get_by_role("button", name="again").count() == 0
    first.check()
    second.check()
    page.get_by_role("radio", name="Some.").nth(1).check()
    assert first.is_checked()
    check.click()
    assert page.get_by_text("✓").get_attribute("aria-hidden") == "true"  # the word is read out
    assert page.locator("img").count() == 0
    assert page.get_by_role("radio", name="<img src=x onerror=alert(1)>").count() == 2
    assert page.locator(".dlv-live-stage code").all_inner_texts() == ["weights"] * 2


def answer_both(page):
    page.get_by_role("radio", name="None.").check()
    page.get_by_role("checkbox", name="strides").check()
    for button in page.get_by_role("button", name="Check").all():
        button.click()


def test_answers_are_remembered_until_their_question_changes(visit):
    page = visit(figure())
    answer_both(page)
    before = verdicts(page)
    page.reload()
    assert verdicts(page) == before
    assert page.get_by_role("radio", name="None.").is_checked()
    assert page.get_by_text("1 of 2 right").is_visible()
    other = visit(figure(QUIZ.replace("What is learned?", "What does training change?")))
    assert verdicts(other) == ["✓ Right.  It only compares.", ""]
    assert not other.get_by_role("checkbox", name="strides").is_checked()
    other.get_by_role("button", name="Check").first.click()
    assert list(json.loads(other.evaluate("localStorage['dlv-quiz.test']"))) == ["net.pool"]
    page.get_by_role("button", name="Start again").press("Enter")
    assert verdicts(page) == ["", ""]
    assert page.get_by_text("0 of 2 right").is_visible()
    page.reload()
    assert verdicts(page) == ["", ""]


STORED = ["{", "null", "7", "[]", '{"net.pool": 1}', '{"net.pool": null}']
STORED += [
    json.dumps({"net.pool": {"hash": "HASH"} | ({"chosen": chosen} if chosen != "none" else {})})
    for chosen in ("none", [], [99], [-1], [0.5], ["1"], [None], [0, 1], [1, 1], {"0": 1}, "1", 1)
]


def test_what_else_is_in_the_storage_does_no_harm(visit):
    single, several = (quiz._hash(question) for question in quiz.parse(QUIZ, where=""))
    twice = json.dumps({"net.learned": {"hash": several, "chosen": [0, 0]}})
    page = visit(figure())
    for stored in [*STORED, twice]:
        stored = stored.replace("HASH", single)
        page.evaluate("(stored) => { localStorage['dlv-quiz.test'] = stored; }", stored)
        page.reload()
        before, after = page.evaluate("""() => {
            const stage = document.querySelector(".dlv-live-stage");
            const before = stage.innerText;
            stage.querySelectorAll("input")[1].click();
            for (const button of stage.querySelectorAll("[type=submit]")) button.click();
            return [before, stage.innerText];
        }""")
        assert "0 of 2 right" in before and "Start again" not in before, stored
        assert "1 of 2 right" in after and "Start again" in after, stored


def test_two_tabs_keep_the_answers_of_both(visit):
    first, second = visit(figure()), visit(figure())
    first.get_by_role("radio", name="None.").check()
    first.get_by_role("button", name="Check").first.click()
    second.get_by_role("checkbox", name="kernels").check()
    second.get_by_role("checkbox", name="biases").check()
    second.get_by_role("button", name="Check").last.click()
    for page in (first, second, visit(figure())):
        page.reload()
        assert page.get_by_text("2 of 2 right").is_visible()
    first.get_by_role("button", name="Try again").first.click()  # withdraws one answer alone
    assert list(json.loads(first.evaluate("localStorage['dlv-quiz.test']"))) == ["net.learned"]


def test_works_where_storage_is_refused(visit):
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }});"
    page = visit(figure(), before=refuse)
    answer_both(page)
    assert verdicts(page)[0] == "✓ Right.  It only compares."
    page.get_by_role("button", name="Start again").click()
    assert page.get_by_text("0 of 2 right").is_visible()


def test_every_quiz_can_be_answered_right_and_fits_a_phone(visit):
    quizzes = {name: quiz.read(name) for name in quiz.names()}
    right = [
        [[choice.right for choice in question.choices] for question in questions]
        for questions in quizzes.values()
    ]
    html = "".join(quiz.show(name).html for name in quizzes)
    page = visit(f'<meta name="viewport" content="width=device-width">{html}')
    page.set_viewport_size({"width": 390, "height": 800})
    sizes, chosen, told = page.evaluate(
        """(right) => {
            const stages = [...document.querySelectorAll(".dlv-live-stage")];
            const sizes = [];
            const chosen = stages.map((stage, i) => [...stage.querySelectorAll("form")]
                .map((form, j) => {
                    const controls = [...form.querySelectorAll("input")];
                    const check = form.querySelector("[type=submit]");
                    for (const control of [...controls, check]) {
                        const { width, height } = control.getBoundingClientRect();
                        sizes.push(width, height);
                    }
                    controls.forEach((control, k) => { if (right[i][j][k]) control.click(); });
                    check.click();
                    return controls.map((control) => control.checked);
                }));
            return [sizes, chosen, stages.map((stage) => stage.innerText)];
        }""",
        right,
    )
    assert min(sizes) >= 24
    assert chosen == right
    for text, questions in zip(told, quizzes.values(), strict=True):
        assert f"{len(questions)} of {len(questions)} right" in text
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

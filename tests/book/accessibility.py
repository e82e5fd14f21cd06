"""What a page must offer to every reader; each function returns problems, one sentence each."""

import browsing

FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex^='-'])"
ENTER_MAIN = "document.activeElement?.closest('main') !== null"
SKIP_LINK = f"""() => {{
    const first = [...document.querySelectorAll("{FOCUSABLE}")]
        .find((e) => e.checkVisibility({{ visibilityProperty: true }}));
    if (!first?.matches("a[href='#main-content']")) return "it is not the first stop of Tab";
    first.focus();
    const box = first.getBoundingClientRect();
    const shown = box.width > 1 && box.left >= 0 && box.top >= 0 && box.bottom <= innerHeight;
    return shown ? "" : "it does not show when it has the focus";
}}"""
# Of elements that look alike (same tag, classes and parent's classes) one is enough.
UNSEEN_FOCUS = f"""() => {{
    const known = new Set(), unseen = [];
    const frame = (e) => {{
        const style = getComputedStyle(e);
        return [style.boxShadow, style.borderColor, style.borderWidth].join();
    }};
    for (const e of document.querySelectorAll("{FOCUSABLE}")) {{
        const kind = [e.tagName, e.className, e.parentElement.className].join("|");
        if (known.has(kind) || e.disabled || !e.checkVisibility()) continue;
        document.activeElement.blur();
        const before = frame(e);
        e.focus({{ preventScroll: true }});
        if (document.activeElement !== e) continue;
        known.add(kind);
        const style = getComputedStyle(e);
        const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
        const visible = e.checkVisibility({{ visibilityProperty: true, opacityProperty: true }});
        if (!visible || (!outlined && frame(e) === before))
            unseen.push(e.outerHTML.slice(0, 120).replace(/\\s+/g, " "));
    }}
    document.activeElement.blur();
    return unseen;
}}"""
MOVING = """() => [...document.querySelectorAll("*")].filter((e) => {
    const style = getComputedStyle(e);
    const lasts = (times) => times.split(",").some((time) => parseFloat(time) > 0.001);
    return style.scrollBehavior === "smooth" || lasts(style.transitionDuration)
        || (style.animationName !== "none" && lasts(style.animationDuration));
}).map((e) => e.outerHTML.slice(0, 100).replace(/\\s+/g, " "))"""


def broken_rules(page, **choice) -> list[str]:
    """Run axe-core; `choice` goes to `browsing.violations`."""
    return [
        f"axe {found['id']}, {found['count']} times, first at {found['target']}: {found['why']}"
        for found in browsing.violations(page, **choice)
    ]


def skip_link(page) -> list[str]:
    """Follow the first link of the page by keyboard: it must show, and lead into main."""
    problem = page.evaluate(SKIP_LINK)
    if not problem:
        page.keyboard.press("Enter")
        problem = "" if page.evaluate(ENTER_MAIN) else "the focus does not move into main"
    return [f"skip link: {problem}"] if problem else []


def unseen_focus(page) -> list[str]:
    """Give the focus to each kind of element that the Tab key reaches: it must show."""
    page.keyboard.press("Tab")  # from now on the browser takes the reader for a keyboard user
    return [f"the focus does not show on {html}" for html in page.evaluate(UNSEEN_FOCUS)]


def motion(page) -> list[str]:
    """List what moves although the reader asked for little motion; needs such a context."""
    return [f"moves: {html}" for html in page.evaluate(MOVING)[:3]]

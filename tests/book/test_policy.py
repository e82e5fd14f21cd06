"""The policy of each page: present, strict, obeyed; and what the theme offers works under it."""

import re

import browsing
import guard
import policy
import pytest
import test_book

ROOT = test_book.ROOT
HEAD = '<!doctype html><html lang="en"><head>\n  <meta charset="utf-8" /><title>T</title>'
PLAIN = f'{HEAD}<link rel="icon" href="data:,"></head><body>%s</body></html>'
OWN = "<script>document.title = 'own script ran';</script>"
HANDLER = re.compile(r"^on[a-z]+$")
PAGE_KB, SITE_MB = 600, 30
MARKUP = re.compile(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b|\beval\(")

each_page = pytest.mark.parametrize("page", test_book.PAGES or ["no-page"])


def directives(content: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in content.split(";"))


def handlers(soup) -> list[str]:
    """List what runs from an attribute; the policy refuses it, so nothing may rely on it."""
    found = [
        f"{test_book.tag_text(tag)} has {name}"
        for tag in soup(True)
        for name, value in tag.attrs.items()
        if HANDLER.match(name) or str(value).strip().lower().startswith("javascript:")
    ]
    return found


# The policy as a function of a page


def test_only_scripts_that_run_are_in_the_policy():
    html = PLAIN % (
        "<script>a()</script><script type='module'>b()</script><script src='c.js'></script>"
        '<script type="application/json">{"d": 1}</script><SCRIPT>\r\ne()\r\n</SCRIPT>'
    )
    assert policy.inline_scripts(html) == ["a()", "b()", "\ne()\n"]


def test_the_policy_is_strict_for_scripts():
    rules = directives(policy.policy_of(PLAIN % OWN))
    assert rules["default-src"] == rules["object-src"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert re.fullmatch(r"'self' 'sha256-[\w+/]{43}='", rules["script-src"])
    assert directives(policy.policy_of(PLAIN % ""))["script-src"] == "'self'"


def test_a_page_is_protected_once():
    html = PLAIN % '<button onclick="window.print()">print</button>'
    once = policy.protect(html)
    assert policy.protect(once) == once
    assert once.count("Content-Security-Policy") == 1
    assert '<button data-does="print">' in once
    assert once.index("Content-Security-Policy") < once.index("<title>")


def test_a_page_that_hides_its_character_set_is_refused():
    with pytest.raises(ValueError, match="character set first"):
        policy.protect("<html><head><title>T</title><meta charset='utf-8'></head></html>")


def test_the_build_warns_of_a_handler():
    html = PLAIN % '<button data-does="print">a</button><img alt="b" src="c.png" onerror="x()">'
    assert guard.problems_of(html) == ["<img> runs code from onerror"]


# The policy in the browser


BREAKS = {  # put into a page after its policy was written
    "inline": "<script>document.title = 'broken'</script>",
    "eval": "<script src='eval.js'></script>",
    "handler": "<img src='data:,' alt='' onerror=\"document.title = 'broken'\">",
    "link": "<a id='link' href=\"javascript:document.title = 'broken'\">x</a>",
    "base": "<base href='https://a.invalid/'><script src='own.js'></script>",
    "other host": "<script src='https://a.invalid/x.js'></script>",
    "picture": "<img src='https://a.invalid/x.png' alt=''>",
}


@pytest.fixture(params=["disk", "server"])
def opener(request, browser, tmp_path):
    """Writes one page and opens it, from the disk and from a server."""
    (tmp_path / "own.js").write_text("document.title += ', file ran'")
    (tmp_path / "eval.js").write_text("eval('document.title = \"broken\"')")
    with browsing.Server(tmp_path) as server:
        base = {"disk": tmp_path.as_uri(), "server": server.address}[request.param]

        def opened(html):
            (tmp_path / "page.html").write_text(html, encoding="utf8")
            return browsing.opened(browser, f"{base}/page.html")

        yield opened


def test_the_scripts_of_the_page_and_of_the_site_run(opener):
    module = "<script type='module'>document.title += ', module ran'</script>"
    style = "<style>p { color: red }</style><p style='color: blue'>x</p>"
    html = PLAIN % f"{OWN}<script src='own.js'></script>{module}{style}"
    with opener(policy.protect(html)) as (page, problems):
        assert page.title() == "own script ran, file ran, module ran"
    assert problems == []


@pytest.mark.parametrize("name", BREAKS)
def test_what_the_policy_forbids_does_not_happen(opener, name):
    html = policy.protect(PLAIN % OWN)
    with opener(html.replace("</body>", f"{BREAKS[name]}</body>")) as (page, problems):
        if name == "link":
            page.click("#link")
        page.wait_for_timeout(50)
        assert page.title().startswith("own script ran")
    assert any("Content Security Policy" in problem for problem in problems), problems


# The built book


@each_page
def test_page_is_protected_small_and_runs_nothing_from_an_attribute(page):
    test_book.need_book()
    html = (test_book.HTML / page).read_text(encoding="utf8")
    soup = test_book.parse(test_book.HTML / page)
    (meta,) = soup("meta", {"http-equiv": "Content-Security-Policy"})
    assert meta["content"] == policy.policy_of(html)
    assert not list(meta.find_all_previous(["script", "link", "style", "base"]))
    assert handlers(soup) == []
    pictures = {img["src"] for img in soup("img") if "_images/" in img["src"]}
    sizes = [(test_book.HTML / page).parent.joinpath(src).stat().st_size for src in pictures]
    assert (len(html.encode()) + sum(sizes)) / 1000 < PAGE_KB


def test_the_site_is_small():
    test_book.need_book()
    total = sum(path.stat().st_size for path in test_book.HTML.rglob("*") if path.is_file())
    assert total / 1e6 < SITE_MB


def own_scripts() -> dict[str, str]:
    files = [
        *ROOT.glob("dlvlib/**/*.js"),
        *ROOT.glob("_static/*.js"),
        ROOT / "coursekit/live/__init__.py",
    ]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf8") for path in files}


@pytest.mark.parametrize("name", own_scripts())
def test_no_script_of_ours_turns_text_into_markup(name):
    assert not MARKUP.search(own_scripts()[name])


def test_the_checks_of_a_page_can_fail():
    soup = test_book.BeautifulSoup(
        "<p onclick='x()'>a</p><a href=' javascript:x()'>b</a>", "html.parser"
    )
    assert len(handlers(soup)) == 2
    assert handlers(test_book.BeautifulSoup(test_book.GOOD, "html.parser")) == []
    for script in ("box.innerHTML = data", "a.insertAdjacentHTML('x', y)", "eval(x)"):
        assert MARKUP.search(script)
    assert not MARKUP.search("box.textContent = evaluate(x)")

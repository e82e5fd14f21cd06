"""The notebooks for any Jupyter hold no markup of the book, and their links lead somewhere."""

import re
from types import SimpleNamespace

import nbformat
import notebooks
import pytest
from built import HTML, ROOT, anchors
from coursebook import portable
from page_checks import ADDRESS, RAW

pytestmark = pytest.mark.book

CODE = re.compile(r"(`{3,}).*?\1|(?<!\})`[^`\n]+`|\${1,2}.+?\${1,2}", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")


def problems_of(text: str) -> list[str]:
    """What Jupyter would show as it is, and links into the book that end nowhere."""
    prose = LINK.sub("]", CODE.sub("", text))
    problems = [f"raw markup: {match[0].strip()!r}" for match in RAW.finditer(prose)]
    for link in ("".join(groups) for groups in LINK.findall(CODE.sub("", text))):
        page, _, anchor = link.removeprefix(ADDRESS).partition("#")
        if not link.startswith(("https://", "mailto:")):
            problems.append(f"a link that only the book has: {link}")
        elif link.startswith(ADDRESS) and not (HTML / page).is_file():
            problems.append(f"no such page: {link}")
        elif link.startswith(ADDRESS) and anchor and anchor not in anchors(HTML / page):
            problems.append(f"no such place: {link}")
    return problems


def test_each_page_is_a_notebook_without_markup_of_the_book(book):
    problems = []
    for path in notebooks.book_notebooks():
        name = path.relative_to(ROOT)
        notebook = nbformat.read(HTML.parent / "notebooks" / name, as_version=4)
        nbformat.validate(notebook)
        assert notebook == nbformat.read(HTML / "_sources" / name, as_version=4)
        code = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        assert [cell.source for cell in notebook.cells if cell.cell_type == "code"] == code
        texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        problems += [f"{name}: {found}" for text in texts for found in problems_of(text)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("See {ref}`sec-a`.", "raw markup: '{ref}`'"),
        (":::{note}\nx\n:::", "raw markup"),
        ("[x](05_training.ipynb)", "only the book has"),
        (f"[x]({ADDRESS}chapters/none.html)", "no such page"),
        (f"[x]({ADDRESS}index.html#none)", "no such place"),
        (f"[x]({ADDRESS}index.html), `{{ref}}` and $a$", None),
    ],
)
def test_what_jupyter_cannot_show_is_found(book, text, problem):
    found = problems_of(text)
    assert all(problem in line for line in found) and bool(found) == bool(problem)


@pytest.fixture
def page():
    """A page of a book with one section, one figure, one equation and one source."""
    people = [SimpleNamespace(prelast_names=["van"], last_names=["Dam"])] * 3
    entry = SimpleNamespace(
        fields={"year": "2020", "title": "{A} question?", "eprint": "1.2"},
        persons={"author": people},
    )
    domains = {
        "std": SimpleNamespace(
            labels={"sec-a": ("q", "sec-a", "A section")},
            anonlabels={"fig-a": ("p", "fig-a")},
            objects={("term", "net"): ("words", "term-net")},
        ),
        "math": SimpleNamespace(equations={"eq-a": ("p", 1)}),
        "cite": SimpleNamespace(
            bibdata=SimpleNamespace(data=SimpleNamespace(entries={"d": entry}))
        ),
    }
    numbers = {"figure": {"fig-a": (3, 1)}, "displaymath": {"equation-eq-a": (3, 2)}}
    app = SimpleNamespace(
        env=SimpleNamespace(get_domain=domains.get, toc_fignumbers={"p": numbers}),
        config=SimpleNamespace(html_baseurl="https://a.b/", numfig_format={"figure": "Fig. %s"}),
        srcdir=ROOT,
    )
    return portable.Page(app)


@pytest.mark.parametrize(
    ("source", "resolved"),
    [
        ("(sec-b)=\n# T", "# T"),
        ("{ref}`sec-a`", "[A section](https://a.b/q.html#sec-a)"),
        ("{ref}`so\ncalled <sec-a>`", "[so\ncalled](https://a.b/q.html#sec-a)"),
        ("{numref}`fig-a`", "[Fig. 3.1](https://a.b/p.html#fig-a)"),
        ("{eq}`eq-a`", "[(3.2)](https://a.b/p.html#equation-eq-a)"),
        ("$$\nx\n$$ (eq-a)", "$$\nx \\tag{3.2}\n$$"),
        ("{term}`nets <net>`", "[nets](https://a.b/words.html#term-net)"),
        ("{footcite:t}`d`", "[van Dam et al. (2020)](https://arxiv.org/abs/1.2)"),
        ("{footcite:p}`d`", "([van Dam et al., 2020](https://arxiv.org/abs/1.2))"),
        ("```{admonition} N\n:class: tip\n$x$\n\ny\n```", "\n> **N**\n>\n> $x$\n>\n> y\n"),
        (
            "````{dropdown} D\n```python\n{ref}`x`\n```\n````",
            "<details><summary>D</summary>\n\n```python\n{ref}`x`\n```\n\n</details>",
        ),
        (
            "{footcite:t}`d`\n```{footbibliography}\n```",
            "[van Dam et al. (2020)](https://arxiv.org/abs/1.2)\n"
            "- van Dam et al. (2020). A question? https://arxiv.org/abs/1.2",
        ),
    ],
)
def test_markup_is_resolved(page, source, resolved):
    assert page.resolve(source) == resolved


@pytest.mark.parametrize("source", ["{ref}`no`", "{none}`x`", "```{video} x\n```"])
def test_what_is_unknown_stops_the_build(page, source):
    with pytest.raises(ValueError, match="cannot resolve"):
        page.resolve(source)

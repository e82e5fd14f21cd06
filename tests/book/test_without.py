"""A shorter book: after chapters were removed, nothing leads to them and no rule is broken."""

import re
import subprocess
from pathlib import Path

import checkout
import lint_book
import notebooks
import pytest
import without
from sphinx_external_toc.parsing import parse_toc_yaml

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
CHAPTERS = [
    m[1] for page in notebooks.reading_order() if (m := re.match(r"chapters/(\d\d)", page))
]
SECOND = CHAPTERS[::2]
FILES = ("_toc.yml", "claims.yml", "teaching/lecture_map.yml")


@pytest.mark.slow
def test_nothing_leads_to_a_removed_chapter(tmp_path):
    checkout.copy(ROOT, tmp_path)
    subprocess.check_call(["git", "init", "--quiet", tmp_path])  # lint_book asks git for the files
    pages = set(notebooks.reading_order())
    labels = without.titles(tmp_path, without.removed_pages(tmp_path, SECOND))
    removed = without.remove(tmp_path, SECOND)
    left = list(parse_toc_yaml(tmp_path / "_toc.yml"))
    assert set(left) == pages - set(removed) and len(removed) > len(SECOND)
    texts = {page: notebooks.source(notebooks.source_file(tmp_path, page)) for page in left}
    texts |= {name: (tmp_path / name).read_text(encoding="utf8") for name in FILES}
    for name, text in texts.items():
        links = {without.target_of(link, name) for link in without.ROLE.finditer(text)}
        assert not links & set(labels), name
        assert name not in FILES or not any(page in text for page in removed), name
    assert lint_book.lint(tmp_path) == []


GONE = {"chapters/02_b": "B", "sec-b": "B", "eq-b": "an equation of “B”"}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("{ref}`sec-b`, {ref}`sec-a`", "B, {ref}`sec-a`"),
        ("{ref}`so\ncalled <sec-b>` and {eq}`eq-b`", "so\ncalled and an equation of “B”"),
        ("{doc}`02_b`, {doc}`/chapters/02_b`, {doc}`../02_b`", "B, B, {doc}`../02_b`"),
        ("`{ref}` and {claim}`sec-b`", "`{ref}` and {claim}`sec-b`"),
    ],
)
def test_a_link_becomes_plain_text(text, plain):
    assert without.unlinked(text, "chapters/01_a", GONE) == plain


def test_a_row_goes_with_its_only_link_and_the_others_are_numbered_again():
    rows = ["1. {doc}`02_b`: x", "2. {doc}`01_a` after {ref}`sec-b`", "3. {doc}`03_c`"]
    rows += ["| {ref}`sec-b` | x |", "| {ref}`sec-b` | {ref}`sec-a` |", "|---|", "- {doc}`02_b`"]
    kept = ["1. {doc}`01_a` after {ref}`sec-b`", "2. {doc}`03_c`", *rows[4:6]]
    assert without.without_rows("\n".join(rows), "chapters/x", GONE).splitlines() == kept


def test_a_term_leads_to_a_page_that_uses_it_or_goes():
    entries = ["net\nnetwork\n  A.\n  See {ref}`sec-b`.", "old\n  B.\n  See {ref}`sec-b`."]
    entries.append("two\n  See it.\n  See {ref}`sec-b`, {ref}`sec-d`.")
    text = "```{glossary}\n" + "\n\n".join(entries) + "\n```\n"
    labels = [("sec-a", "a netting"), ("sec-c", "two networks"), ("sec-d", "a net")]
    found = without.shorter_glossary(text, GONE, labels)
    left = ["net\nnetwork\n  A.\n  See {ref}`sec-c`.", "two\n  See it.\n  See {ref}`sec-d`."]
    assert found == "```{glossary}\n" + "\n\n".join(left) + "\n```\n"


def test_a_claim_is_shown_by_another_page_or_goes():
    claims = [f"- id: a.{name}\n  shown_in: chapters/02_b\n" for name in "xy"]
    text = "".join(["# chapters/02_b\n", *claims, "# chapters/03_c\n"])
    used = {"chapters/01_a": set(), "chapters/03_c": {"a.y"}}
    found = without.shorter_claims(text, {"chapters/02_b"}, used)
    assert found == "- id: a.y\n  shown_in: chapters/03_c\n# chapters/03_c\n"


@pytest.mark.parametrize(
    ("numbers", "message"),
    [(["0", CHAPTERS[0]], "must be one of .*, got 0$"), (CHAPTERS, "must be left, got")],
)
def test_chapters_that_cannot_be_removed_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        without.removed_pages(ROOT, numbers)


def test_the_checkout_itself_is_no_copy_to_replace(monkeypatch):
    monkeypatch.setattr(without, "LIST", "README.md")  # as if --here had shortened it
    monkeypatch.setattr(without.shutil, "rmtree", lambda folder: pytest.fail(f"removed {folder}"))
    monkeypatch.setattr("sys.argv", ["without", CHAPTERS[0], "--out", str(ROOT)])
    assert "--out must be a new folder or an earlier copy" in without.main()

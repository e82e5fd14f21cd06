"""The links to the glossary, the map from slides to pages, and the plan of a term."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import shorter
from coursebook import glossary, layout, tables, term
from coursebook.claims import find_claims
from docutils import nodes
from docutils.utils import new_document
from files import write_files
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        (
            "A dense layer, Layers, two dense layers; overlayer.",  # the longest wins, each once
            ["layer", "dense layer"],
            ["dense layer -> #dense layer", "Layers -> #layer"],
        ),
        ("Batch normalisation.", ["batch", "(linked) batch normalisation"], []),
        ("On a Mac.", ["MAC"], []),
        ("Two MACs.", ["MAC"], ["MACs -> #MAC"]),
        ("batch-size, minibatch and batching", ["batch"], []),
    ],
)
def test_terms_are_linked(text, names, expected):
    left = {name: (name, "") for name in names if not name.startswith("(linked)")}
    parts = glossary.with_links(text, [n.removeprefix("(linked) ") for n in names], left, "")
    links = [part for part in parts if isinstance(part, nodes.reference)]
    assert [f"{link.astext()} -> {link['refuri']}" for link in links] == expected
    assert "".join(part.astext() for part in parts) == text


def test_tables_and_footnotes_hold_no_links():
    for outer in (nodes.paragraph, nodes.table, nodes.footnote):
        text = nodes.Text("a layer")
        outer("", nodes.entry("", nodes.paragraph("", "", text)))
        assert glossary.is_open(text) == (outer is nodes.paragraph)


def test_an_entry_of_the_glossary_leads_to_the_section_that_introduces_its_term():
    sections = [
        ["Lead", nodes.strong("", "stride")],
        ["First use", nodes.Text("Two strides and a jump.")],
        ["What is a net?", nodes.emphasis("", "stride")],
        ["Bold", nodes.strong("", "strides")],
    ]
    page = nodes.document(None, None)
    for title, node in sections:
        text = nodes.paragraph("", "", node)
        section = nodes.section("", nodes.title("", title), text, ids=[title.split()[0]])
        (page[0] if page.children else page).append(section)
    found = [glossary.introduced_in(page[0], [name]) for name in ("stride", "net", "jump", "step")]
    assert found == ["Bold", "What", "First", ""]


def test_the_glossary_is_sorted_short_bilingual_and_linked():
    text = (ROOT / "chapters" / "glossary.md").read_text(encoding="utf8")
    body = text.partition("```{glossary}\n")[2].removesuffix("```\n")
    entries = [entry.splitlines() for entry in body.strip().split("\n\n")]
    assert len(entries) >= 90 or shorter.REMOVED
    names = [entry[0].lower() for entry in entries]
    assert names == sorted(set(names))
    for entry in entries:
        text = " ".join(line.strip() for line in entry if line.startswith("  "))
        assert text.startswith("{fr}`"), entry[0]
        assert text.rstrip(".").split("See ")[-1].startswith("{ref}`sec-"), entry[0]
        assert len(text.split()) <= 60, entry[0]


ENTRIES = term.read_map(ROOT / term.MAP)


def test_the_map_and_the_plan_name_every_chapter_experiment_and_exercise():
    mapped = {page for entry in ENTRIES for page in entry["pages"]} - {"references"}
    for folder in ("chapters", "chapters/training", "exercises"):
        files = [*(ROOT / folder).glob("*.ipynb"), *(ROOT / folder).glob("[0-9]*.md")]
        names = {file.relative_to(ROOT).with_suffix("").as_posix() for file in files}
        assert names and names <= mapped, names - mapped
    plan = (ROOT / "teaching/plan.md").read_text(encoding="utf8").partition("{term-plan}")[2]
    named = re.findall(r"(?:chapters|exercises)/\S+", plan)
    planned = [page for page in named if page not in shorter.REMOVED]
    assert sorted(planned) == sorted(mapped - {"chapters/run_it_yourself"})


def test_the_map_leads_to_each_correction():
    claims = find_claims(ROOT).values()
    slides = [entry["slide"] for entry in ENTRIES]
    found = [term.slide_of(claim, slides) for claim in claims if claim["kind"] == "corrected"]
    assert found and None not in found


def test_the_slides_are_in_the_order_of_the_chapters():
    first = [e["pages"][0] for e in ENTRIES if e["slide"] != "Exercise: reminder on layers"]
    chapters = [page for page in first if re.match(r"chapters/\d", page)]
    # The lecture has the quizzes of page 8 near its end, and the family of 15 amid the runs of 14.
    elsewhere = {"chapters/08_key_ingredients", "chapters/15_residual_family"}
    in_order = [page for page in chapters if page not in elsewhere]
    assert in_order == sorted(in_order)


@pytest.mark.parametrize(
    "text",
    [
        "- {slide: A}",
        "- {slide: A, pages: []}",
        "- {slide: A, pages: [x]}\n- {slide: A, pages: [y]}",
    ],
)
def test_a_map_with_a_mistake_is_refused(tmp_path, text):
    path = tmp_path / "map.yml"
    path.write_text(text)
    with pytest.raises(ExtensionError, match="must"):
        term.read_map(path)


def test_a_plan_adds_the_times_of_the_pages_that_are_there(tmp_path):
    pages = {
        "chapters/01_net": "# Net: how?\n**Time:** 40 minutes to read, 25 for it; 9 s.\n## Why?",
        "chapters/training/03_run": "# Experiment 3: run\n**Time:** 15 minutes to read; an hour.",
        "exercises/02_net": "# Exercise 2: net\n**Time:** about an hour.",
    }
    write_files(tmp_path, {f"{page}.md": text for page, text in pages.items()})
    whole = " ".join(pages)
    rows = term.term_rows(tmp_path, ["chapters/09_gone | Gone", f"{whole} | Why?"])
    assert rows == [
        [
            "1",
            "{doc}`1\N{NO-BREAK SPACE}Net </chapters/01_net>`",
            "65 + 75 = 140".replace(" ", "\N{NO-BREAK SPACE}"),
            "{doc}`2 </exercises/02_net>`",
            "{doc}`3 </chapters/training/03_run>`",
            "*Why?*",
        ]
    ]
    with pytest.raises(ExtensionError, match="must be a section of .*, got 'Wh'"):
        term.term_rows(tmp_path, [f"{whole} | Wh"])


@pytest.mark.skipif(bool(shorter.REMOVED), reason="the sum is that of the whole book")
def test_the_first_page_gives_the_time_of_all_pages():
    pages = sorted((ROOT / "chapters").glob("[0-9][0-9]_*"))
    total = sum(term.minutes_in(page.read_text(encoding="utf8")) for page in pages)
    assert f"about {total / 60:.0f} hours" in (ROOT / "index.md").read_text(encoding="utf8")


COSTS = {"A": {"params": 61706, "macs": 416520, "receptive_field": 16, "ms_per_image": 12.3}}


def test_the_table_of_networks_joins_costs_and_sources():
    costs = ["12", "0.06", "0.42", "16", "1998"]
    source = "{footcite:p}`key`"
    lines = [f"A | 1998 | 9 {source}", f"A | 1998 | {source}"]
    rows = [[f"A {source}", "9", *costs], [f"A {source}", "–", *costs]]
    assert tables.network_rows(lines, COSTS) == rows


@pytest.mark.parametrize("line", ["B | 1998 | [1]", "A | 1998"])
def test_the_table_of_networks_refuses_a_line(line):
    with pytest.raises(ExtensionError, match=re.escape(repr(line))):
        tables.network_rows([line], COSTS)


def hidden_cell(mode, text, *outputs):
    source = nodes.container("", nodes.literal_block(text, text))
    prompts = {"prompt_show": "Show the code", "prompt_hide": "Hide the code"}
    return nodes.container("", source, *outputs, hide_mode=mode, **prompts)


def test_hidden_cells_that_follow_each_other_unfold_together():
    output = nodes.container()
    cells = [hidden_cell("input", "a = 1"), hidden_cell("input", "a", output)]
    solution = hidden_cell("all", "2", nodes.container())
    section = nodes.section("", nodes.title("", "Check yourself"), *cells, solution)
    document = new_document("page")
    document += section
    layout.join_hidden_cells(None, document)
    assert section[1:] == [cells[1], solution]
    assert [block.astext() for block in cells[1][0]] == ["a = 1", "a"]
    assert [cell["prompt_show"] for cell in section[1:]] == ["Show the code", "Show the solution"]


def test_a_published_solution_shows_neither_marks_nor_dots():
    code = (
        "net = ...  # trained\ntop1 = ...\n### BEGIN SOLUTION\ntop1 = 1\n### END SOLUTION\n"
        "def f():\n    ### BEGIN SOLUTION\n    return ...\n    ### END SOLUTION\n\ncheck(f)"
    )
    shown = "top1 = 1\ndef f():\n    return ...\n\ncheck(f)"
    for page, expected in [("solutions/01_a", shown), ("exercises/01_a", code)]:
        document = new_document("page")
        document += nodes.literal_block(code, code)
        layout.drop_marks(SimpleNamespace(env=SimpleNamespace(docname=page)), document)
        assert document[0].rawsource == document.astext() == expected

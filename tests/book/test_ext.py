"""The directives of _ext, in a small book of their own; warnings are errors there too."""

import doctest
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from dlvlib import results

ROOT = Path(__file__).parents[2]

MACHINE = {"accelerator": "none", "torch_threads": 1, "torch": "2.14.1+cpu"}
CLAIMS = [
    {"id": "net.params", "value": 12345, "format": ",d", "kind": "computed", "expression": "f(x)"},
    {"id": "net.year", "value": 1998, "kind": "cited", "source": "someone1998, table 2"},
    {
        "id": "net.top1",
        "value": 96.5,
        "unit": "%",
        "kind": "recorded",
        "results": "net",
        "measure": "record['metrics']['top1']",
        "band": [95, 97.5],
    },
    {"id": "goal.word", "value": "min", "kind": "corrected", "correct": "max", "why": "So $x$."},
    {
        "id": "code.call",
        "value": "eval",
        "code": True,
        "kind": "corrected",
        "correct": "`evaluate`",
        "why": "It hides `eval`.",
    },
    {"id": "net.hidden", "value": 7, "kind": "computed", "expression": "7"},
]
PAGES = {
    "index.md": "# Index\n\n```{toctree}\n:glob:\n\nchapters/*\n```\n",
    "chapters/claims.md": "(sec-claims)=\n# Claims\n\n```{claims}\n```\n\n"
    "## References\n\n```{footbibliography}\n```\n",
    "chapters/corrections.md": "# Corrections\n\n```{corrections}\n```\n\n## Spelling\n\nText.\n",
    "chapters/runs.md": "# Runs\n\n```{page-times}\n```\n\n```{recorded-runs}\n```\n",
    "chapters/words.md": "# Words\n\n```{glossary}\nterm\n  {fr}`mot`. Like {term}`term`.\n```\n",
    "references.bib": "@book{someone1998,\n author={Some One}, title={Title}, year={1998},"
    " publisher={House}}\n",
    "conf.py": f"import sys\nsys.path[:0] = [{str(ROOT / '_ext')!r}]\n"
    "extensions = ['myst_nb', 'sphinxcontrib.bibtex', 'claims', 'footnotes', 'french', 'ledger',"
    " 'runs']\nbibtex_bibfiles = ['references.bib']\nmyst_footnote_transition = False\n"
    "myst_enable_extensions = ['dollarmath']\nnb_execution_mode = 'force'\n"
    "exclude_patterns = ['_build', 'jupyter_execute']\n",
}


def make_book(folder: Path) -> Path:
    for name, text in PAGES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf8")
    text = "# A net\n\nHas {claim}`net.params`, {claim}`net.year`, {claim}`net.top1`,"
    text += " {claim}`goal.word`, {claim}`code.call`, and again {claim}`net.params`."
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("1 + 1")]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "chapters" / "01_net.ipynb")
    common = {"lecture": "Slide", "shown_in": "chapters/01_net"}
    claims = [{"statement": f"About {c['id']}.", **common, **c} for c in CLAIMS]
    (folder / "claims.yml").write_text(yaml.safe_dump(claims), encoding="utf8")
    return folder


def record(folder: Path, run: str, budget: str, seed: int, **fields) -> Path:
    return results.write_record(
        folder / "chapters" / "results" / "net" / f"{run}-{budget}-seed{seed}.json",
        **{
            "experiment": "net",
            "run": f"{run}-{budget}-seed{seed}",
            "budget": budget,
            "seed": seed,
            "model": run,
            "dataset": {"name": "cifar10_jpeg"},
            "config": {},
            "history": [],
            "metrics": {"top1": 0.96},
            "wall_seconds": 100.0 + seed,
            "machine": MACHINE,
            "git_commit": "0123456789abcdef",
            "recorded_at": "2026-01-02T03:04:05Z",
            **fields,
        },
    )


def sphinx(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html"]
    environment = {
        **os.environ,
        "IPYTHONDIR": str(ROOT / "tools" / "ipython"),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    return subprocess.run(
        [*command, folder, folder / "_build"], capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = make_book(tmp_path_factory.mktemp("book"))
    for seed in (0, 1, 2):
        record(folder, "small", "laptop", seed)
    record(folder, "large", "laptop", 4)
    record(folder, "small", "smoke", 0)
    record(folder, "small", "full", 0, machine={**MACHINE, "accelerator": "A GPU"})
    done = sphinx(folder)
    assert done.returncode == 0, done.stderr
    return folder


def read(book: Path, page: str) -> BeautifulSoup:
    html = (book / "_build" / "chapters" / f"{page}.html").read_text(encoding="utf8")
    return BeautifulSoup(html, "html.parser").find(class_="body")


def rows(table) -> list[list[str]]:
    return [[" ".join(c.get_text(" ").split()) for c in row(["th", "td"])] for row in table("tr")]


def test_every_claim_is_counted_by_its_kind(book):
    counts = {row[0]: row[1] for row in rows(read(book, "claims").find("table"))[1:]}
    assert counts == {"computed": "2", "cited": "1", "recorded": "1", "corrected": "2", "all": "6"}


def test_every_claim_stands_with_its_value_and_its_proof(book):
    shown = {row[0]: row for row in rows(read(book, "claims")("table")[1])[1:]}
    assert list(shown) == ["12,345", "1998", "96.5 %", "min", "eval", "7"]
    assert "About net.params." in shown["12,345"][1] and "Slide: Slide" in shown["12,345"][1]
    assert shown["12,345"][2] == "Computed: f(x)"
    assert shown["1998"][2].startswith("Cited: One") and "table 2" in shown["1998"][2]
    assert "between 95 and 97.5" in shown["96.5 %"][2]
    assert shown["min"][2] == "Corrected: max (why)"
    assert shown["eval"][2] == "Corrected: evaluate (why)"


def test_a_value_links_to_the_place_that_shows_it(book):
    links = {a.get_text(): a["href"] for a in read(book, "claims")("table")[1]("a")}
    page = read(book, "01_net")
    for text, anchor in [("12,345", "claim-net-params"), ("eval", "claim-code-call")]:
        assert links[text] == f"01_net.html#{anchor}"
        assert len(page(id=anchor)) == 1
    assert links["7"] == "01_net.html"  # its page shows no value: the top of the page
    assert page.find(id="claim-net-params")["class"] == ["claim"]
    assert page.find(id="claim-goal-word")["class"] == ["claim", "words"]  # may break
    assert page.find(id="claim-code-call").find("code").get_text() == "eval"


def test_each_correction_stands_once_with_its_reason_and_its_place(book):
    page = read(book, "corrections")
    terms = [dt.get_text() for dt in page("dt")]
    assert sorted(term.strip("¶") for term in terms) == ["About code.call.", "About goal.word."]
    text = " ".join(page.get_text(" ").split())
    assert "The lecture has: min (slide Slide )" in text
    assert "Right is: max" in text and "Why: So" in text
    places = [a["href"] for a in page("a") if a.get_text() == "In the book"]
    assert sorted(places) == [
        "01_net.html#claim-code-call",
        "01_net.html#claim-goal-word",
    ]
    why = [a["href"] for a in read(book, "claims")("a") if a.get_text() == "(why)"]
    assert sorted(why) == [f"corrections.html#correction-{n}" for n in ("code-call", "goal-word")]
    assert all(page.find(id=href.partition("#")[2]) for href in why)


def test_the_time_of_a_page_comes_in_steps(book):
    found = rows(read(book, "runs").find("table"))
    assert found[0] == ["Page", "Time to execute"]
    ((name, time),) = found[1:]
    assert name == "A net"
    assert int(time.removeprefix("under ").removesuffix(" s")) % 5 == 0


def test_recorded_runs_are_listed_with_where_they_come_from(book):
    made, seeds = (rows(table) for table in read(book, "runs")("table")[1:])
    assert made[0] == ["Experiment", "Runs", "Data", "Machine", "Median", "Total", "Made"]
    full, laptop = made[1:]
    assert full[0] == "net budget full" and full[3] == "A GPU torch 2.14.1"
    assert laptop[1:4] == ["4", "CIFAR-10, JPEG copy", "CPU, 1 thread torch 2.14.1"]
    assert laptop[4:] == ["1.7 min", "6.8 min", "2026-01-02 0123456"]
    assert ["net", "laptop", "small", "0 to 2"] in seeds
    assert ["net", "laptop", "large", "4"] in seeds
    assert "smoke" not in str(made) + str(seeds)


def test_a_french_word_says_its_language(book):
    assert read(book, "words").find("i", lang="fr").get_text() == "mot"


def test_a_second_build_gives_the_same_pages(book, tmp_path):
    again = tmp_path / "book"
    shutil.copytree(book, again, ignore=shutil.ignore_patterns("_build", "jupyter_execute"))
    assert sphinx(again).returncode == 0
    for page in ("claims", "corrections"):
        assert str(read(book, page)) == str(read(again, page))


def test_without_records_the_page_says_how_to_make_them_and_an_edited_one_fails(tmp_path):
    folder = make_book(tmp_path)
    (folder / "chapters" / "01_net.ipynb").unlink()
    (folder / "claims.yml").write_text("[]", encoding="utf8")
    done = sphinx(folder)
    assert done.returncode == 0, done.stderr
    assert "make train" in read(folder, "runs").get_text()
    path = record(folder, "small", "laptop", 0)
    path.write_text(path.read_text().replace("0.96", "0.99"))
    (folder / "chapters" / "runs.md").write_text(PAGES["chapters/runs.md"] + "\n")
    done = sphinx(folder)
    assert done.returncode != 0
    assert "it was edited after the run" in done.stderr


@pytest.mark.parametrize("name", ["claims", "runs"])
def test_the_examples_in_the_docstrings_hold(name):
    tested = doctest.testmod(importlib.import_module(name))
    assert tested.attempted and not tested.failed


GLOSSARY = ROOT / "chapters" / "glossary.md"


def test_the_glossary_is_sorted_short_bilingual_and_linked():
    body = (
        GLOSSARY.read_text(encoding="utf8").partition("```{glossary}\n")[2].removesuffix("```\n")
    )
    entries = [entry.splitlines() for entry in body.strip().split("\n\n")]
    assert len(entries) >= 90
    names = [entry[0].lower() for entry in entries]
    assert names == sorted(set(names))
    for entry in entries:
        text = " ".join(line.strip() for line in entry if line.startswith("  "))
        assert text.startswith("{fr}`"), entry[0]
        assert text.rstrip(".").split("See ")[-1].startswith("{ref}`sec-"), entry[0]
        assert len(text.split()) <= 60, entry[0]

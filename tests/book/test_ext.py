"""The extension in `_ext`, in a small book of its own; warnings are errors there too."""

import doctest
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from coursebook import execution, glossary, kernels, offline, site, tables
from docutils import nodes
from jupyter_cache.executors.utils import single_nb_execution
from sphinx.errors import ExtensionError

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
GLOSSARY = """# Words

```{glossary}
term
  {fr}`mot`. A word with a meaning. More.

weight
  {fr}`poids`. Like {term}`term`.
```
"""
PAGES = {
    "_toc.yml": "format: jb-book\nroot: index\nchapters:\n- glob: chapters/*\n",
    "index.md": "# Index\n",
    "chapters/claims.md": "(sec-claims)=\n# Claims\n\n```{claims}\n```\n\n"
    "## References\n\n```{footbibliography}\n```\n",
    "chapters/corrections.md": "# Corrections\n\n```{corrections}\n```\n\n## Spelling\n\nText.\n",
    "chapters/runs.md": "# Runs\n\n```{page-times}\n```\n\n```{recorded-runs}\n```\n",
    "chapters/glossary.md": GLOSSARY,
    "references.bib": "@book{someone1998,\n author={Some One}, title={Title}, year={1998},"
    " publisher={House}}\n",
    "conf.py": f"""import sys
sys.path[:0] = [{str(ROOT / "_ext")!r}]
extensions = ["myst_nb", "sphinx_external_toc", "sphinxcontrib.bibtex", "notfound.extension"]
extensions += ["sphinx_book_theme", "coursebook"]
html_theme = "sphinx_book_theme"
html_theme_options = {{"repository_url": "https://github.com/someone/course"}}
templates_path = [{str(ROOT / "_ext/coursebook/templates")!r}]
bibtex_bibfiles = ["references.bib"]
myst_footnote_transition = False
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "cache"
nb_execution_cache_path = "cache"
exclude_patterns = ["_build", "jupyter_execute", "cache"]
""",
}
NET = """# A net

Has {claim}`net.params`, {claim}`net.year`, {claim}`net.top1`, {claim}`goal.word`,
{claim}`code.call`, and again {claim}`net.params`. The weight, a term and a term."""
CODE = """from pathlib import Path
runs = Path("runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
from coursekit import quiz
quiz.show("04_lenet")"""


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf8")


def write_net(folder: Path, text: str = NET) -> None:
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(CODE)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "chapters" / "01_net.ipynb")


def write_claims(folder: Path, claims=CLAIMS) -> None:
    common = {"lecture": "Slide *3*", "shown_in": "chapters/01_net"}
    entries = [{"statement": f"About {c['id']}.", **common, **c} for c in claims]
    write(folder, "claims.yml", yaml.safe_dump(entries))


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
        [*command, ".", "_build"], capture_output=True, text=True, env=environment, cwd=folder
    )


def build(folder: Path) -> None:
    done = sphinx(folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    for name, text in PAGES.items():
        write(folder, name, text)
    write_net(folder)
    write_claims(folder)
    for seed in (0, 1, 2):
        record(folder, "small", "laptop", seed)
    record(folder, "large", "laptop", 4)
    record(folder, "small", "smoke", 0)
    record(folder, "small", "full", 0, machine={**MACHINE, "accelerator": "A GPU"})
    build(folder)
    return folder


def read(folder: Path, page: str) -> BeautifulSoup:
    html = (folder / "_build" / "chapters" / f"{page}.html").read_text(encoding="utf8")
    return BeautifulSoup(html, "html.parser").find(class_="bd-article")


def rows(table) -> list[list[str]]:
    return [[" ".join(c.get_text(" ").split()) for c in row(["th", "td"])] for row in table("tr")]


@pytest.mark.slow
def test_every_claim_is_counted_and_listed_with_its_proof(small_book):
    counts, claims = read(small_book, "claims")("table")
    kinds = {row[0]: row[1] for row in rows(counts)[1:]}
    assert kinds == {"computed": "2", "cited": "1", "recorded": "1", "corrected": "2", "all": "6"}
    shown = {row[0]: row for row in rows(claims)[1:]}
    assert list(shown) == ["12,345", "1998", "96.5 %", "min", "eval", "7"]
    assert shown["12,345"][1] == "About net.params. Slide: Slide *3*"
    assert shown["12,345"][2] == "Computed: f(x)"
    assert shown["1998"][2].startswith("Cited: One") and "table 2" in shown["1998"][2]
    assert "between 95 and 97.5. record['metrics']['top1']" in shown["96.5 %"][2]
    assert shown["min"][2] == "Corrected: max (why)"
    assert shown["eval"][2] == "Corrected: evaluate (why)"


@pytest.mark.slow
def test_a_value_links_to_its_first_mention(small_book):
    links = {a.get_text(): a["href"] for a in read(small_book, "claims")("table")[1]("a")}
    page = read(small_book, "01_net")
    for text, anchor in [("12,345", "claim-net-params"), ("eval", "claim-code-call")]:
        assert links[text] == f"01_net.html#{anchor}"
        assert len(page(id=anchor)) == 1
    assert links["7"] == "01_net.html"  # its page does not show it: the top of the page
    assert page.find(id="claim-net-params")["class"] == ["claim"]
    assert page.find(id="claim-goal-word")["class"] == ["claim", "words"]  # may break
    assert page.find(id="claim-code-call").find("code").get_text() == "eval"


@pytest.mark.slow
def test_each_correction_is_listed_once_with_its_reason_and_its_place(small_book):
    page = read(small_book, "corrections")
    terms = [dt.get_text() for dt in page("dt")]
    assert sorted(term.strip("¶#") for term in terms) == ["About code.call.", "About goal.word."]
    text = " ".join(page.get_text(" ").split())
    assert "The lecture has: min (slide Slide *3* )" in text
    assert "Right is: max" in text and "Why: So" in text
    places = [a["href"] for a in page("a") if a.get_text() == "In the book"]
    names = ("code-call", "goal-word")
    assert sorted(places) == [f"01_net.html#claim-{name}" for name in names]
    why = [a["href"] for a in read(small_book, "claims")("a") if a.get_text() == "(why)"]
    assert sorted(why) == [f"corrections.html#correction-{name}" for name in names]
    assert all(page.find(id=href.partition("#")[2]) for href in why)


@pytest.mark.slow
def test_times_and_recorded_runs_are_listed_with_their_origin(small_book):
    times, made, seeds = (rows(table) for table in read(small_book, "runs")("table"))
    assert times[0] == ["Page", "Time to execute"]
    ((name, time),) = times[1:]
    assert name == "A net"
    assert int(time.removeprefix("under ").removesuffix(" s")) % 5 == 0
    assert made[0] == ["Experiment", "Runs", "Data", "Machine", "Median", "Total", "Made"]
    full, laptop = made[1:]
    assert full[0] == "net budget full" and full[3] == "A GPU torch 2.14.1"
    assert laptop[1:4] == ["4", "CIFAR-10, JPEG copy", "CPU, 1 thread torch 2.14.1"]
    assert laptop[4:] == ["1.7 min", "6.8 min", "2026-01-02 0123456"]
    assert ["net", "laptop", "small", "0 to 2"] in seeds
    assert ["net", "laptop", "large", "4"] in seeds
    assert "smoke" not in str(made) + str(seeds)


@pytest.mark.slow
def test_a_first_mention_links_to_the_glossary_and_french_is_marked(small_book):
    links = read(small_book, "01_net")(class_="term-link")
    assert [(a.get_text(), a["title"]) for a in links] == [
        ("weight", "Like term."),
        ("term", "A word with a meaning."),
    ]
    assert [a["href"] for a in links] == ["glossary.html#term-weight", "glossary.html#term-term"]
    assert read(small_book, "glossary").find("em", lang="fr").get_text() == "mot"


@pytest.mark.slow
def test_only_a_change_of_the_library_executes_again(small_book, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(small_book, folder)
    build(folder)  # where a book was moved, Sphinx reads all of it
    renamed = GLOSSARY.replace("term\n", "word\n", 1).replace("`term`", "`word`")
    write(folder, "chapters/glossary.md", renamed)
    build(folder)  # only the glossary is read again
    links = read(folder, "01_net")(class_="term-link")
    assert [a["href"] for a in links] == ["glossary.html#term-weight"]

    write_claims(folder, [{**CLAIMS[0], "value": 54321}, *CLAIMS[1:]])
    write_net(folder, NET.replace("# A net", "# Another net"))
    cached = next((folder / "cache").glob("executed/*/base.ipynb"))
    cached.write_text(cached.read_text().replace("Right.", "An old quiz."))
    build(folder)
    assert (folder / "chapters" / "runs").read_text() == "x"
    text = read(folder, "01_net").get_text()
    assert "54,321" in text and "Right." in text and "An old quiz" not in text
    assert "54,321" in read(folder, "claims").get_text()
    assert "Another net" in read(folder, "runs").get_text()

    (folder / "_build" / "chapters" / "runs.html").unlink()  # as after an interruption
    write(folder, "dlvlib/new.py", "x = 1\n")
    build(folder)
    assert (folder / "chapters" / "runs").read_text() == "xx"
    assert read(folder, "runs")("table")

    path = record(folder, "small", "laptop", 9)
    path.write_text(path.read_text().replace("0.96", "0.99"))
    write_net(folder, NET + " {claim}`net.unknown`")
    done = sphinx(folder)
    assert done.returncode != 0
    assert "it was edited after the run" in done.stderr
    assert "the claim 'net.unknown' is not in claims.yml" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux alone")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_forked_kernel_works_as_one_of_its_own_and_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "LOADED", ["ipykernel.kernelapp", "matplotlib.pyplot"])
    monkeypatch.setenv("MPLBACKEND", "agg")
    code = "import os, matplotlib.pyplot as plt; plt.plot([1, 2]); print(os.getcwd(), os.getpid())"
    cells = [nbformat.v4.new_code_cell(source) for source in (code, "1 / 0")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    options = {"timeout": 60, "allow_errors": False}
    options["kernel_manager_class"] = kernels.manager_class(kernels.FEW)
    assert options["kernel_manager_class"] is kernels.ForkedKernelManager
    result = single_nb_execution(notebook, str(tmp_path), **options)
    assert "ZeroDivisionError" in str(result.err)
    outputs = notebook.cells[0].outputs
    folder, process = "".join(o.get("text", "") for o in outputs).split()
    assert folder == str(tmp_path)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), 0)


def test_the_digest_of_the_inputs_knows_names_and_contents_and_leaves_quizzes_out(tmp_path):
    write(tmp_path, "kit/a.py", "1")
    found = [execution.digest(tmp_path, ["kit"])]
    write(tmp_path, "kit/quizzes/01.yml", "1")
    write(tmp_path, "kit/__pycache__/a.pyc", "1")
    assert execution.digest(tmp_path, ["kit", "missing"]) == found[0]
    write(tmp_path, "kit/a.py", "2")
    found.append(execution.digest(tmp_path, ["kit"]))
    (tmp_path / "kit" / "a.py").rename(tmp_path / "kit" / "b.py")
    found.append(execution.digest(tmp_path, ["kit"]))
    assert len(set(found)) == 3


@pytest.mark.parametrize("part", ["claims", "figures", "layout", "tables", "site"])
def test_the_examples_in_the_docstrings_hold(part):
    tested = doctest.testmod(importlib.import_module(f"coursebook.{part}"))
    assert tested.attempted and not tested.failed


@pytest.mark.parametrize(
    "address", ["http://github.com/a/b", "https://github.com/a", "https://gitlab.com/a/b", ""]
)
def test_another_address_is_refused(address):
    with pytest.raises(ExtensionError, match=r"must be https://github.com/OWNER/NAME, got"):
        site.site_address(address)


def test_a_missing_mathjax_is_named(monkeypatch):
    monkeypatch.setattr(offline, "PACKAGE", "no-such-package")
    with pytest.raises(ExtensionError, match="equations need the package no-such-package"):
        offline.mathjax_folder()


def test_no_script_of_ours_turns_text_into_markup():
    markup = re.compile(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b|\beval\(")
    scripts = [*ROOT.glob("coursekit/**/*.js"), *ROOT.glob("_static/*.js")]
    scripts += [ROOT / "coursekit/live/__init__.py", *ROOT.glob("_ext/**/*.html")]
    assert scripts and not [path for path in scripts if markup.search(path.read_text("utf8"))]


# Links to the glossary


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        (
            "A dense layer, Layers, two dense layers; overlayer.",  # the longest wins, each once
            ["layer", "dense layer"],
            ["dense layer -> #dense layer", "Layers -> #layer"],
        ),
        ("On a Mac.", ["MAC"], []),
        ("Two MACs.", ["MAC"], ["MACs -> #MAC"]),
        ("batch-size, minibatch and batching", ["batch"], []),
    ],
)
def test_terms_are_linked(text, names, expected):
    left = {name: (name, "") for name in names}
    parts = glossary.with_links(text, names, left, "")
    links = [part for part in parts if isinstance(part, nodes.reference)]
    assert [f"{link.astext()} -> {link['refuri']}" for link in links] == expected
    assert "".join(part.astext() for part in parts) == text


def test_a_term_in_a_longer_term_is_not_linked():
    names = ("batch", "batch normalisation")
    parts = glossary.with_links("Batch normalisation.", names, {"batch": ("term-batch", "")}, "")
    assert not any(isinstance(part, nodes.reference) for part in parts)


@pytest.mark.parametrize("outer", [nodes.paragraph, nodes.table, nodes.footnote])
def test_tables_and_footnotes_hold_no_links(outer):
    text = nodes.Text("a layer")
    outer("", nodes.entry("", nodes.paragraph("", "", text)))
    assert glossary.is_open(text) == (outer is nodes.paragraph)


def test_the_glossary_is_sorted_short_bilingual_and_linked():
    text = (ROOT / "chapters" / "glossary.md").read_text(encoding="utf8")
    body = text.partition("```{glossary}\n")[2].removesuffix("```\n")
    entries = [entry.splitlines() for entry in body.strip().split("\n\n")]
    assert len(entries) >= 90
    names = [entry[0].lower() for entry in entries]
    assert names == sorted(set(names))
    for entry in entries:
        text = " ".join(line.strip() for line in entry if line.startswith("  "))
        assert text.startswith("{fr}`"), entry[0]
        assert text.rstrip(".").split("See ")[-1].startswith("{ref}`sec-"), entry[0]
        assert len(text.split()) <= 60, entry[0]


# The map of the lecture

ENTRIES = tables.read_map(ROOT / tables.MAP)


def test_the_map_names_every_chapter_experiment_and_exercise():
    pages = {page for entry in ENTRIES for page in entry["pages"]}
    for folder in ("chapters", "chapters/training", "exercises"):
        files = [*(ROOT / folder).glob("*.ipynb"), *(ROOT / folder).glob("[0-9]*.md")]
        names = {file.relative_to(ROOT).with_suffix("").as_posix() for file in files}
        assert names and names <= pages, names - pages


def test_the_slides_are_in_the_order_of_the_chapters():
    first = [entry["pages"][0] for entry in ENTRIES]
    chapters = [page for page in first if page.startswith("chapters/")]
    reminders = {"chapters/08_key_ingredients"}  # whose quizzes the lecture has near its end
    in_order = [page for page in chapters if page not in reminders]
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
        tables.read_map(path)

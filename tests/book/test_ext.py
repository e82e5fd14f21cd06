"""The extension in `_ext`, in a small book of its own; warnings are errors there too."""

import doctest
import importlib
import os
import re
import shutil
import sys
from functools import partial

import files
import pytest
import small_book as small
from coursebook import execution, kernels, offline, site
from files import write_files
from jupyter_cache.executors.utils import single_nb_execution
from small_book import build, read, record, rows, sphinx
from sphinx.errors import ExtensionError

from coursekit import quiz
from coursekit.live import backprop

FIRST = "first"


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """The folder of a built book; its pages are kept in `FIRST`, as a test builds it again."""
    folder = tmp_path_factory.mktemp("book")
    write_files(folder, small.PAGES)
    small.write_net(folder)
    small.write_claims(folder)
    for seed in (0, 1, 2):
        record(folder, "small", "laptop", seed)
    record(folder, "large", "laptop", 4)
    record(folder, "small", "smoke", 0)
    record(folder, "small", "full", 0, machine={**small.MACHINE, "accelerator": "A GPU"})
    build(folder)
    shutil.copytree(folder / small.MADE, folder / FIRST)
    return folder


@pytest.fixture
def first(small_book):
    """Reads a page of the first build."""
    return partial(read, small_book, made=FIRST)


@pytest.mark.slow
def test_every_claim_is_counted_and_listed_with_its_origin(first):
    counts, claims = first("claims")("table")
    kinds = {row[0]: row[1] for row in rows(counts)[1:]}
    assert kinds == {"computed": "2", "cited": "1", "recorded": "1", "corrected": "4", "all": "8"}
    shown = {row[0]: row for row in rows(claims)[1:]}
    assert list(shown) == ["12,345", "1998", "96.5 %", "min", "eval", "old", "two", "7"]
    assert shown["12,345"][1] == "About net.params. Slide: Slide *3*"
    assert shown["12,345"][2] == "Computed: f(x)"
    assert shown["1998"][2].startswith("Cited: One") and "table 2" in shown["1998"][2]
    ours = "Recorded: ours is 0.96 on average over 5 runs, 0.96 to 0.96. Not reproduced: "
    ours += "the lecture’s value lies above all of ours."
    assert shown["96.5 %"][2] == f"{ours} record['metrics']['top1']"
    assert shown["min"][2] == "Corrected: max (why)"
    assert shown["eval"][2] == "Corrected: evaluate (why)"


@pytest.mark.slow
def test_a_value_links_to_its_first_mention(first):
    links = {a.get_text(): a["href"] for a in first("claims")("table")[1]("a")}
    page = first("01_net")
    for text, anchor in [("12,345", "claim-net-params"), ("eval", "claim-code-call")]:
        assert links[text] == f"01_net.html#{anchor}"
        assert len(page(id=anchor)) == 1
    assert links["7"] == "01_net.html"  # its page does not show it: the top of the page
    assert page.find(id="claim-net-params")["class"] == ["claim"]
    assert page.find(id="claim-goal-word")["class"] == ["claim", "words"]  # may break
    assert page.find(id="claim-code-call").find("code").get_text() == "eval"


@pytest.mark.slow
def test_each_correction_is_listed_once_with_its_reason_and_its_place(first):
    page = first("corrections")
    terms = [dt.get_text() for dt in page("dt")]
    assert sorted(term.strip("¶#") for term in terms) == [
        "About code.call.",
        "About code.style.",
        "About goal.word.",
    ]
    text = " ".join(page.get_text(" ").split())
    assert "The slide has: “ min ” ( Slide *3* )" in text
    assert "If you change only a few slides, change these: Slide *3* : About goal.word." in text
    assert "About goal.word. Should be: max." in text
    assert "Should be: max" in text and "Why: So" in text
    places = [a["href"] for a in page("a") if a.get_text() in ("eval", "min")]
    names = ("code-call", "goal-word")
    assert sorted(places) == [f"01_net.html#claim-{name}" for name in names]
    assert page.select("a code")[0].get_text() == "eval"
    assert "About code.call" in page.find(id="names").get_text()
    minor = " ".join(page.find(id="style-not-mistakes").get_text(" ").split())
    both = "old , \N{LEFT DOUBLE QUOTATION MARK} two \N{RIGHT DOUBLE QUOTATION MARK} ( Slide *3* )"
    assert f"The slide has: {both} Better: new, four Why: It reads well" in minor
    assert "As elsewhere" not in text and len(page(id="correction-code-spaces")) == 1
    why = [a["href"] for a in first("claims")("a") if a.get_text() == "(why)"]
    names = ("code-call", "code-spaces", "code-style", "goal-word")
    assert sorted(why) == [f"corrections.html#correction-{name}" for name in names]
    assert all(page.find(id=href.partition("#")[2]) for href in why)


@pytest.mark.slow
def test_recorded_runs_are_listed_with_their_origin(first):
    made, seeds = (rows(table) for table in first("runs")("table"))
    assert made[0] == ["Experiment", "Runs", "Data", "Machine", "Median", "Total", "Made"]
    full, laptop = made[1:]
    assert full[0] == "net budget full" and full[3] == "A GPU torch 2.14.1"
    assert laptop[1:4] == ["4", "CIFAR-10, JPEG copy", "CPU, 1 thread torch 2.14.1"]
    assert laptop[4:] == ["1.7 min", "6.8 min", "2026-01-02 0123456"]
    assert ["net", "laptop", "small", "0 to 2"] in seeds
    assert ["net", "laptop", "large", "4"] in seeds
    assert "smoke" not in str(made) + str(seeds)


@pytest.mark.slow
def test_a_first_mention_links_to_the_glossary_and_french_is_marked(first):
    links = first("01_net")(class_="term-link")
    assert [(a.get_text(), a["title"]) for a in links] == [
        ("weight", "Like term."),
        ("term", "A word with a meaning."),
    ]
    assert [a["href"] for a in links] == ["glossary.html#term-weight", "glossary.html#term-term"]
    assert first("glossary").find("em", lang="fr").get_text() == "mot"


@pytest.mark.slow
def test_a_live_figure_and_a_quiz_are_shown(small_book):
    html = (small_book / FIRST / "live.html").read_text(encoding="utf8")
    assert backprop.figure().html in html and quiz.show("04_lenet").html in html


@pytest.mark.slow
def test_only_a_change_of_the_library_executes_again(small_book):
    folder = small_book
    renamed = small.GLOSSARY.replace("term\n", "word\n", 1).replace("`term`", "`word`")
    write_files(folder, {"chapters/glossary.md": renamed})
    build(folder)  # only the glossary is read again
    links = read(folder, "01_net")(class_="term-link")
    assert [a["href"] for a in links] == ["glossary.html#term-weight"]

    small.write_claims(folder, [{**small.CLAIMS[0], "value": 54321}, *small.CLAIMS[1:]])
    small.write_net(folder, small.NET.replace("# A net", "# Another net"))
    cached = next((folder / "cache").glob("executed/*/base.ipynb"))
    cached.write_text(cached.read_text().replace("Right.", "An old quiz."))
    build(folder)
    assert (folder / "chapters" / "runs").read_text() == "x"
    text = read(folder, "01_net").get_text()
    assert "54,321" in text and "Right." in text and "An old quiz" not in text
    text = read(folder, "claims").get_text()
    assert "54,321" in text and "Shown in Another net" in text

    (folder / "_build" / "html" / "chapters" / "runs.html").unlink()  # as after an interruption
    write_files(folder, {"dlvlib/new.py": "x = 1\n"})
    build(folder)
    assert (folder / "chapters" / "runs").read_text() == "xx"
    assert read(folder, "runs")("table")

    path = record(folder, "small", "laptop", 9)
    path.write_text(path.read_text().replace("0.96", "0.99"))
    small.write_net(folder, small.NET + " {claim}`net.unknown`")
    wrong = ["{live} common", "{live} os", "{quiz} 17_more"]
    text = "".join(f"```{directive}\n```\n\n" for directive in wrong)
    write_files(folder, {"chapters/live.md": f"# Live\n\n{text}"})
    done = sphinx(folder)
    assert done.returncode != 0
    assert "got '17_more'" in done.stderr
    known = "atlas, backprop, bugs, degradation, laboratory, microscope, pad, shapes"
    for name in ("common", "os"):
        assert f"live must be one of {known}, got '{name}'" in done.stderr
    assert "it was edited after the run" in done.stderr
    assert "the claim 'net.unknown' is not in claims.yml" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux alone")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_forked_kernel_works_as_one_of_its_own_and_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "LOADED", ["ipykernel.kernelapp", "matplotlib.pyplot"])
    monkeypatch.setenv("MPLBACKEND", "agg")
    code = """import multiprocessing, os, matplotlib.pyplot as plt
plt.plot([1, 2])
print(os.getcwd(), os.getpid(), multiprocessing.Lock()._semlock.name)"""
    notebook = files.notebook(code, "1 / 0")
    options = {"timeout": 60, "allow_errors": False}
    options["kernel_manager_class"] = kernels.manager_class(kernels.FEW)
    assert options["kernel_manager_class"] is kernels.ForkedKernelManager
    result = single_nb_execution(notebook, str(tmp_path), **options)
    assert "ZeroDivisionError" in str(result.err)
    outputs = notebook.cells[0].outputs
    folder, process, file = "".join(o.get("text", "") for o in outputs).split()
    assert folder == str(tmp_path)
    assert file == "None"  # that a lock would leave behind in a kernel that gets killed
    assert any(kind.startswith("image/") for output in outputs for kind in output.get("data", {}))
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), 0)


def test_the_digest_of_the_inputs_knows_names_and_contents_and_leaves_quizzes_out(tmp_path):
    write_files(tmp_path, {"kit/a.py": "1"})
    found = [execution.digest(tmp_path, ["kit"])]
    write_files(tmp_path, {"kit/quizzes/01.yml": "1", "kit/__pycache__/a.pyc": "1"})
    assert execution.digest(tmp_path, ["kit", "missing"]) == found[0]
    write_files(tmp_path, {"kit/a.py": "2"})
    found.append(execution.digest(tmp_path, ["kit"]))
    (tmp_path / "kit" / "a.py").rename(tmp_path / "kit" / "b.py")
    found.append(execution.digest(tmp_path, ["kit"]))
    assert len(set(found)) == 3


def test_the_examples_in_the_docstrings_hold():
    parts = ("api", "claims", "figures", "layout", "pages", "site", "sources", "tables", "term")
    for name in (*(f"coursebook.{part}" for part in parts), "lint_claims", "release"):
        tested = doctest.testmod(importlib.import_module(name))
        assert tested.attempted and not tested.failed, name


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
    scripts = [*small.ROOT.glob("coursekit/**/*.js"), *small.ROOT.glob("_static/*.js")]
    scripts += [small.ROOT / "coursekit/live/__init__.py", *small.ROOT.glob("_ext/**/*.html")]
    assert scripts and not [path for path in scripts if markup.search(path.read_text("utf8"))]

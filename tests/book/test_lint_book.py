"""`lint_book` finds each kind of fault in a small book; `make lint` runs it on the real one."""

import shutil
import subprocess
from pathlib import Path

import files
import lint_book
import nbformat
import notebooks
import pytest
import torch
import yaml

from dlvlib import results

URL = "https://github.com/owner/name"
CHAPTER, SOLUTION, EXERCISE = "chapters/01_a.ipynb", "solutions/01_q.ipynb", "exercises/01_q.ipynb"
QUIZ, RECORD = "coursekit/quizzes/01_a.yml", "chapters/results/demo/net.json"
CLAIM = yaml.safe_load("""
{id: net.params, statement: "The network has 61,706 parameters.", lecture: Networks, value: 61706,
 format: ",d", kind: computed, expression: num_params(Net()), shown_in: index}
""")
CHOICES = yaml.safe_load("""
- {text: Yes., why: "It is small, as nets go.", right: true}
- {text: No., why: It is too small for that.}
- {text: Maybe., why: It is not a matter of taste.}
""")
QUESTION = {"question": "Is it small?", "choices": CHOICES}
QUESTIONS = [{"id": f"net.size-{number}", **QUESTION} for number in range(4)]
FIGURE = {
    "figure": {"name": "fig-one", "caption": "What the network answers to one image."},
    "image": {"alt": "Ten bars, of which the one of class 3 is the only high one of them."},
}
FIELDS = yaml.safe_load("""
{experiment: demo, run: net, budget: full, seed: 0, model: net, git_commit: abc,
 dataset: {name: digits, checksum: abc}, config: {}, history: [], metrics: {test_top1: 0.87654},
 wall_seconds: 61.0, machine: {}}
""")


def markdown(text):
    return nbformat.v4.new_markdown_cell(text)


def code(source, output="", *, name="stdout", **metadata):
    outputs = [nbformat.v4.new_output("stream", name=name, text=output)] if output else []
    return nbformat.v4.new_code_cell(source, outputs=outputs, metadata=metadata)


def write_page(path, *cells):
    notebook = files.notebook(*cells, **notebooks.KERNEL)
    notebooks.set_up(notebook, URL)
    files.write_notebook(path, *notebook.cells, **notebook.metadata)
    return notebook


SAFE = """import torch

torch.load('a', weights_only=True)
data.load('mnist', download=False)
"""


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A small book that breaks no rule."""
    root = tmp_path_factory.mktemp("book")
    pages = [page.removesuffix(".ipynb") for page in (CHAPTER, SOLUTION, EXERCISE)]
    contents = {"format": "jb-book", "root": "index", "chapters": [{"file": p} for p in pages]}
    text = {
        "_config.yml": f"repository:\n  url: {URL}\n",
        "_toc.yml": yaml.safe_dump(contents),
        "chapters/02_b.md": "## Check yourself\n\n```{quiz} 02_b\n```\n",
        "index.md": "# Book\n\nIt has {claim}`net.params` and `61706` weights.\n",
        "claims.yml": yaml.safe_dump([CLAIM]),
        QUIZ: yaml.safe_dump(QUESTIONS),
        "dlvlib/data.py": SAFE,
        "tests/test_a.py": "import torch\n",
    }
    files.write_files(root, text)
    figure = code("figure(1)", **{"mystnb": FIGURE})
    figure.outputs = [nbformat.v4.new_output("display_data", {"text/plain": "<Figure size 1>"})]
    box = ":::{admonition} At a glance\nIt is short, has 161,706 words, and needs no GPU.\n:::"
    head = markdown(f"(sec-a)=\n# A chapter\n\n{box}")
    quiz = markdown("## Check yourself"), 'quiz.show("01_a")'
    tail = markdown("## Summary\n\n## References")
    write_page(root / CHAPTER, head, "import os", "1 + 1", figure, *quiz, tail)
    asked = "a = ...\n### BEGIN SOLUTION\na = 1\n### END SOLUTION\ncheck(a)"
    title = markdown("# Exercise")
    solution = write_page(root / SOLUTION, title, code(asked, "Right. One.\n"))
    exercise = notebooks.make_exercise(solution)
    exercise.cells[-1].outputs = code("", "Not yet. Try.\n").outputs
    files.write_notebook(root / EXERCISE, *exercise.cells, **exercise.metadata)
    weights = results.write_weights(
        (root / RECORD).with_suffix(".safetensors"), {"scale": torch.ones(2)}
    )
    results.write_record(root / RECORD, **FIELDS, weights=weights)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    return root


@pytest.fixture
def book(clean, tmp_path):
    return Path(shutil.copytree(clean, tmp_path / "book"))


def test_the_small_book_breaks_no_rule(clean):
    assert lint_book.lint(clean) == []


DATA, LOAD, TORCH = "dlvlib/data.py", "torch.load without weights_only=True", "import torch\n"
DEEP = "## Text\\n\\n#### Deep\\n\\n## Check"
HOME = "/".join(["", "home", "me", "a"])  # in one, lint_book would report this line
FAULTS = [  # file, what is replaced by what, problem
    (CHAPTER, "{", "", "is not a valid notebook"),
    (CHAPTER, '"cell_type": "code"', '"cell_type": "coda"', "is not a valid notebook"),
    (CHAPTER, '"kernelspec"', '"x": 1, "kernelspec"', "metadata must be"),
    (CHAPTER, "# @title Set-up", "# @title Our set-up", "must be the set-up"),
    (CHAPTER, '"1 + 1"', '"' + "1\\n" * 25 + '2"', "at most 25 lines, got 26"),
    (CHAPTER, '"1 + 1"', f'"{"1" * 120}"', "characters wide, got 120"),
    (CHAPTER, '"1 + 1"', '"%pip install x"', "must not start a process"),
    (CHAPTER, '"1 + 1"', '"import subprocess"', "must not start a process"),
    (CHAPTER, '"1 + 1"', r'"fit(device=\"cpu\")"', "must take the GPU if there is one"),
    (CHAPTER, "# A chapter", "## A chapter", "must start with its only title"),
    (CHAPTER, "## Check", DEEP, "skips a level"),
    (CHAPTER, "text/plain", "image/png", "stores an image"),
    (SOLUTION, '"name": "stdout"', '"name": "stderr"', "stores output on stderr"),
    (SOLUTION, "Right. ", "Right. " + "!" * 80, "must print at most 76 characters a line"),
    (CHAPTER, "fig-one", "one", "name must start with fig-, got 'one'"),
    (CHAPTER, FIGURE["figure"]["caption"], "Short.", "needs a caption"),
    (CHAPTER, FIGURE["image"]["alt"], "Bars.", "needs a text for those who cannot see it"),
    (CHAPTER, "At a glance", "In short", "must have a box"),
    (CHAPTER, "no GPU", "no time", "must say whether a GPU helps"),
    (CHAPTER, "## Summary", "## The end", "must end with Check yourself"),
    (CHAPTER, "(sec-a)=", "(a)=", "must start with a label"),
    (EXERCISE, "check(a)", "check(a, 1)", "differs from its solution"),
    (SOLUTION, "Right. ", "Wrong. ", "must be right"),
    (EXERCISE, "Not yet. ", "Right. ", "must store “Not yet.”"),
    ("_toc.yml", f"- file: {CHAPTER[:-6]}\n", "", "is not in _toc.yml"),
    ("claims.yml", "kind: computed", "kind: cited", "missing source"),
    ("claims.yml", "format: ',d'", "format: ',q'", "format ',q' does not fit"),
    ("claims.yml", "id: net.params", "id: net", "id must be words"),
    ("claims.yml", "num_params(Net())", "'61_706'", "expression must compute something"),
    ("claims.yml", "shown_in: index", f"shown_in: {CHAPTER[:-6]}", "does not use it"),
    ("claims.yml", "shown_in: index", "joins: no.one\n  shown_in: index", "joins must be a corr"),
    ("index.md", "{claim}`net.params`", "{claim}`net.param`", "'net.param' is not in claims.yml"),
    ("claims.yml", "kind: computed", "kind: [", "is not valid YAML"),
    ("_toc.yml", "chapters/01_a", "chapters/02_a", "there is no page chapters/02_a"),
    (QUIZ, "question: Is it small?", "question: Is it $small$?", "must be plain text"),
    (QUIZ, "why: It is small", "why: It has 61706 weights", "61706 is typed, but belongs to"),
    (QUIZ, "net.size-3", "networks.size", "the id must be net."),
    (QUIZ, "It is too small for that.", "It is small, as nets go.", "a reason of its own"),
    (CHAPTER, "01_a", "02_a", "must show its quiz"),
    ("_toc.yml", "- file: sol", "- file: chapters/02_b\n- file: sol", "must have a quiz"),
    (DATA, "True", "False", LOAD),
    (DATA, "'a', weights", "'a', allow_pickle=True, weights", "with allow_pickle"),
    (DATA, TORCH, "import torch\nsklearn.datasets.fetch_openml('a')\n", "fetch_openml"),
    (DATA, TORCH, "import torch\nmnist(download=True)\n", "download=True"),
    (DATA, TORCH, "import torch\nmodels.a(weights='b')\n", "with weights"),
    ("tests/test_a.py", "torch\n", "torch\n\ntorch.load('a')\n", LOAD),
    (DATA, "'a'", f"'{HOME}'", "data.py:3: holds a path of one machine"),
    (SOLUTION, "Right. ", f"Right. {HOME} ", "stores a path of the machine"),
    ("index.md", "# Book", "# Book\n\nAKIA" + "A" * 16, "index.md:3: holds a secret"),
    ("index.md", "# Book", "# Book\n\nhttp://10.0." "0.1/", "the address of one network"),
    (RECORD, "0.87654", "0.87655", "does not match its digest"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "problem"), FAULTS, ids=lambda text: text[-30:])
def test_a_fault_is_reported(book, file, old, new, problem):
    path = book / file
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf8")
    found = lint_book.lint(book)
    assert [line for line in found if problem in line], found
    assert all("\n" not in line for line in found)


def test_a_bad_record_is_reported(book):
    def write_run(name, **changes):
        results.write_record(book / "chapters/results/demo" / f"{name}.json", **FIELDS | changes)

    write_run("a", run="a", budget="smoke")
    write_run("b", run="b", git_commit="unknown")
    write_run("c", run="d")
    (book / RECORD).with_suffix(".safetensors").write_bytes(b"")
    problems = [
        "a.json: a smoke run must not be published",
        "b.json: git_commit must be known",
        "c.json: must be demo/d.json by its fields",
        "net.safetensors: does not match net.json",
    ]
    found = lint_book.lint(book)
    assert [[p for p in problems if p in line] for line in found] == [[p] for p in problems]


def test_a_typed_number_is_found_however_it_is_written(book):
    for text in ("61,706", "61 706", "61706", "$61{,}706$", "61\\,706", "(61,706)."):
        (book / "index.md").write_text(f"# Book\n\n{{claim}}`net.params`: {text}\n")
        (found,) = lint_book.lint(book)
        assert found.startswith("index: 61"), text
        assert "is typed, but belongs to the claim net.params" in found


def test_code_and_longer_numbers_are_no_typed_number(book):
    text = """{claim}`net.params` 161,706 and 61,7061 and 61,706.5 and 0.61706 [a](page61706.md)

```python
61706
```

    x = 61706
"""
    (book / "index.md").write_text(f"# Book\n\n{text}")
    assert lint_book.lint(book) == []

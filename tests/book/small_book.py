"""A small book: what its pages hold, how it is built and read. Warnings are errors there too."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import notebooks
import yaml
from bs4 import BeautifulSoup
from files import write_files, write_notebook

from dlvlib import results

ROOT = Path(__file__).parents[2]
MADE = "_build/html/chapters"
MACHINE = {"accelerator": "none", "torch_threads": 1, "torch": "2.14.1+cpu"}
RECORD = {"experiment": "net", "dataset": {"name": "cifar10_jpeg"}, "config": {}, "history": []}
RECORD |= {"metrics": {"top1": 0.96}, "machine": MACHINE, "git_commit": "0123456789abcdef"}
RECORD |= {"recorded_at": "2026-01-02T03:04:05Z"}
CLAIMS = yaml.safe_load("""
- {id: net.params, value: 12345, format: ",d", kind: computed, expression: f(x)}
- {id: net.year, value: 1998, kind: cited, source: "someone1998, table 2"}
- {id: net.top1, value: 96.5, unit: "%", kind: recorded, results: net, band: [95, 97.5],
   measure: "record['metrics']['top1']"}
- {id: goal.word, value: min, kind: corrected, correct: max, why: So $x$., first: true}
- {id: code.call, value: eval, code: true, kind: corrected, correct: "`evaluate`",
   why: It hides `eval`., group: Names}
- {id: code.style, value: old, kind: corrected, correct: new, why: It reads well, minor: true,
   described: true, group: "Style, not mistakes"}
- {id: code.spaces, value: two, kind: corrected, correct: four, why: As elsewhere, minor: true,
   joins: code.style}
- {id: net.hidden, value: 7, kind: computed, expression: "7"}
""")
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
    "chapters/runs.md": "# Runs\n\n```{recorded-runs}\n```\n",
    "chapters/live.md": "# Live\n\n```{live} backprop\n```\n\n```{quiz} 04_lenet\n```\n",
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
suppress_warnings = ["myst.footnote"]
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


def write_net(folder: Path, text: str = NET) -> None:
    cells = nbformat.v4.new_markdown_cell(text), CODE
    write_notebook(folder / "chapters" / "01_net.ipynb", *cells, **notebooks.KERNEL)


def write_claims(folder: Path, claims=CLAIMS) -> None:
    common = {"lecture": "Slide *3*", "shown_in": "chapters/01_net"}
    entries = [{"statement": f"About {c['id']}.", **common, **c} for c in claims]
    write_files(folder, {"claims.yml": yaml.safe_dump(entries)})


def record(folder: Path, name: str, budget: str, seed: int, **fields) -> Path:
    run = f"{name}-{budget}-seed{seed}"
    own = {"run": run, "budget": budget, "seed": seed, "model": name, "wall_seconds": 100.0 + seed}
    path = folder / "chapters" / "results" / "net" / f"{run}.json"
    return results.write_record(path, **{**RECORD, **own, **fields})


def sphinx(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html"]
    environment = {
        **os.environ,
        "IPYTHONDIR": str(ROOT / "tools" / "ipython"),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    return subprocess.run(
        [*command, ".", "_build/html"], capture_output=True, text=True, env=environment, cwd=folder
    )


def build(folder: Path) -> None:
    done = sphinx(folder)
    assert done.returncode == 0, done.stderr


def read(folder: Path, page: str, made: str = MADE) -> BeautifulSoup:
    html = (folder / made / f"{page}.html").read_text(encoding="utf8")
    return BeautifulSoup(html, "html.parser").find(class_="bd-article")


def rows(table) -> list[list[str]]:
    return [[" ".join(c.get_text(" ").split()) for c in row(["th", "td"])] for row in table("tr")]

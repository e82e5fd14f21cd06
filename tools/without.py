"""Make a shorter course: the same book without some chapters.

    python tools/without.py 11 12 [--out _build/without] [--here]

Copies the checkout, and removes from the copy the chapters with these numbers, their quizzes,
their figures and their rows in every table of pages. With a chapter go the experiments, exercises
and solutions that teaching/lecture_map.yml names beside removed chapters only. What other pages
say about a removed page stays as plain text. The library and the course kit stay whole.
"""

import argparse
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import checkout
import nbformat
import yaml
from lint_claims import USE
from notebooks import reading_order, source, source_file

from dlvlib._common import write_atomically

ROOT = Path(__file__).resolve().parent.parent
LIST = "without.txt"  # of the pages that a shorter course lacks; its tests read it
CACHE = Path("_build", ".jupyter_cache")  # so that no cell of the copy is executed again
ROLE = re.compile(
    r"\{(?P<role>ref|numref|eq|doc)\}`(?:(?P<text>[^`<]+?)\s*<(?P<named>[^`>]+)>|(?P<bare>[^`]+))`"
)
HEADING = re.compile(
    r"^\((?P<label>[\w-]+)\)=\s*\n(?:\([\w-]+\)=\s*\n)*#+ (?P<title>[^:\n]+)", re.M
)
EQUATION = re.compile(r"^\$\$ *\(([\w-]+)\)|^:label: *([\w-]+)", re.M)
FIGURE = re.compile(r"^:name: *([\w-]+)", re.M)
BUTTON = re.compile(r"^(```\{button-ref\} )(\S+)$", re.M)
Change = Callable[[str], str]
Gone = dict[str, str]  # a removed page or label, and the text in place of a link to it


def removed_pages(root: Path, numbers: list[str]) -> set[str]:
    """Return the pages that go: the chapters with these numbers, and what only they need.

    Raises:
        ValueError: if no chapter has one of the numbers, or no chapter would be left.
    """
    pages = reading_order(root)
    chapters = {m[1]: page for page in pages if (m := re.match(r"chapters/(\d\d)_", page))}
    if unknown := [number for number in numbers if number.zfill(2) not in chapters]:
        raise ValueError(
            f"a chapter must be one of {', '.join(chapters)}, got {', '.join(unknown)}"
        )
    removed = {chapters[number.zfill(2)] for number in numbers}
    if removed == set(chapters.values()):
        raise ValueError("a chapter must be left, got the numbers of all")
    beside: dict[str, set[str]] = {}
    for row in yaml.safe_load((root / "teaching/lecture_map.yml").read_text(encoding="utf8")):
        for page in row["pages"]:
            if page.startswith(("chapters/training/", "exercises/")):
                beside.setdefault(page, set()).update(set(row["pages"]) & set(chapters.values()))
    removed |= {page for page, its in beside.items() if its and its <= removed}
    solutions = {page.replace("exercises/", "solutions/") for page in removed}
    return removed | (solutions & set(pages))


def titles(root: Path, removed: set[str]) -> Gone:
    """Return what replaces a link to each page, section, figure and equation that goes.

    Of a title with a question, such as "VGG: how far does a layer see?", what is before it.
    """
    gone = {}
    for page in removed:
        path = source_file(root, page)
        text = source(path)
        title = re.search(r"^# ([^:\n]+)", text, re.M)[1]
        gone[page] = title
        gone |= {match["label"]: match["title"] for match in HEADING.finditer(text)}
        found = EQUATION.findall(text)
        gone |= {a or b: f"an equation of “{title}”" for a, b in found}
        names = FIGURE.findall(text)
        if path.suffix == ".ipynb":
            cells = nbformat.read(path, as_version=4).cells
            figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in cells]
            names += [figure["name"] for figure in figures if "name" in figure]
        gone |= dict.fromkeys(names, f"a figure of “{title}”")
    return gone


def target_of(link: re.Match[str], page: str) -> str:
    """Return the label or the page to which a role on `page` leads."""
    target = link["named"] or link["bare"]
    if link["role"] != "doc":
        return target
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(page), target)).lstrip("/")


def unlinked(text: str, page: str, gone: Gone) -> str:
    """Replace the links to what is gone by plain text."""

    def plain(link: re.Match[str]) -> str:
        target = target_of(link, page)
        return link["text"] or gone[target] if target in gone else link[0]

    return ROLE.sub(plain, text)


def without_rows(text: str, page: str, gone: Gone) -> str:
    """Drop table rows with no link but to what is gone, and list items that begin with one.

    The numbers of the other items follow each other again.
    """
    kept, number = [], 0
    for line in text.splitlines(keepends=True):
        first = re.match(r"(?:- |(\d+)\. )?(?=\{doc\}`)|\| ", line)
        links = [target_of(link, page) in gone for link in ROLE.finditer(line)]
        is_row = first is not None and first[0] == "| "
        if first and links and (all(links) if is_row else first[0] and links[0]):
            continue
        if first and first[1]:
            number += 1
            line = line.replace(first[1], str(number), 1)
        kept.append(line)
    return "".join(kept)


def shorter_glossary(text: str, gone: Gone, labels: list[tuple[str, str]]) -> str:
    """Keep the pages that a term leads to and that are left; if none is, the first page that
    uses the term takes their place, and without one the term goes."""

    def page_of(entry: str) -> str | None:
        names = "|".join(re.escape(line) for line in entry.splitlines() if line[:1].strip())
        used = re.compile(rf"(?<![\w-])(?:{names})(?:s|es)?(?![\w-])", re.IGNORECASE)
        return next((label for label, prose in labels if used.search(prose)), None)

    before, fence, rest = text.partition("```{glossary}\n")
    body, end, after = rest.partition("```")
    entries = []
    for entry in body.strip("\n").split("\n\n"):
        prose, _, pages = entry.rpartition("See {ref}")
        shown = re.findall(r"`([\w-]+)`", pages)
        if prose and gone.keys() & set(shown):
            left = [label for label in shown if label not in gone] or [page_of(entry)]
            if left == [None]:
                continue
            links = ", ".join(f"{{ref}}`{label}`" for label in left)
            entry = f"{prose}See {links}."
        entries.append(entry)
    return before + fence + "\n\n".join(entries) + "\n" + end + after


def shorter_claims(text: str, removed: set[str], used: dict[str, set[str]]) -> str:
    """Drop the claims that no page uses any more; another page shows the others."""
    kept = []
    for block in re.split(r"^(?=- id: |# )", text, flags=re.M):
        if not block.startswith("- id: "):
            kept += [] if block.removeprefix("# ").strip() in removed else [block]
            continue
        (claim,) = yaml.safe_load(block)
        if (shown := claim["shown_in"]) in removed:
            page = next((page for page in used if claim["id"] in used[page]), None)
            if page is None:
                continue
            block = block.replace(f"shown_in: {shown}\n", f"shown_in: {page}\n")
        kept.append(block)
    return "".join(kept)


def shorter_contents(text: str, removed: set[str]) -> str:
    """Drop pages from _toc.yml, and the parts that have none left."""
    lines = text.splitlines(keepends=True)
    text = "".join(line for line in lines if line.strip().removeprefix("- file: ") not in removed)
    parts = re.split(r"^(?=  - caption:)", text, flags=re.M)
    return "".join([parts[0], *(part for part in parts[1:] if "- file: " in part)])


def shorter_map(text: str, removed: set[str]) -> str:
    """Drop pages from the map of slides, and the slides that have none left."""
    lines = []
    for line in text.splitlines(keepends=True):
        if pages := re.search(r"pages: \[(.*?)\]", line):
            left = [page for page in pages[1].split(", ") if page not in removed]
            line = line.replace(pages[0], f"pages: [{', '.join(left)}]") if left else ""
        lines.append(line)
    return "".join(lines)


def edit(path: Path, change: Change) -> None:
    """Change a Markdown or YAML file, or the text cells and captions of a notebook."""
    if path.suffix != ".ipynb":
        before = path.read_text(encoding="utf8")
        if (after := change(before)) != before:
            write_atomically(path, after.encode())
        return
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = change(cell.source)
        for settings in cell.metadata.get("mystnb", {}).values():
            if "caption" in settings:
                settings["caption"] = change(settings["caption"])
    write_atomically(path, (nbformat.writes(notebook) + "\n").encode())


def remove(root: Path, numbers: list[str]) -> list[str]:
    """Remove chapters from a checkout; return the removed pages in reading order.

    Raises:
        ValueError: as `removed_pages`.
    """
    order = reading_order(root)
    removed = removed_pages(root, numbers)
    gone = titles(root, removed)
    for page in removed:
        source_file(root, page).unlink()
        if chapter := re.match(r"chapters/(\d\d_\w+)$", page):
            (root / "coursekit" / "quizzes" / f"{chapter[1]}.yml").unlink(missing_ok=True)
            for figure in (root / "chapters" / "figures").glob(f"{chapter[1][:2]}_*"):
                figure.unlink()
    for old in (root / "_redirects").rglob("*.html"):
        folder = old.parent.relative_to(root / "_redirects").as_posix()
        address = re.search(r"url=([^\"]+)\.html", old.read_text(encoding="utf8"))[1]
        if posixpath.normpath(posixpath.join(folder, address)) in removed:
            old.unlink()
    left = [page for page in order if page not in removed]
    first = next(page for page in left if page.startswith("chapters/"))
    texts = {page: source(source_file(root, page)) for page in left}
    chapters = [texts[page] for page in left if re.match(r"chapters/\d\d_", page)]
    labels = [(HEADING.search(text)["label"], text) for text in chapters]
    used = {page: {a or b for a, b in USE.findall(text)} for page, text in texts.items()}
    changes: dict[str, Change] = {
        "index.md": lambda text: BUTTON.sub(
            lambda button: button[1] + (first if button[2] in removed else button[2]), text
        ),
        "chapters/glossary.md": lambda text: shorter_glossary(text, gone, labels),
        "claims.yml": lambda text: shorter_claims(text, removed, used),
        "teaching/lecture_map.yml": lambda text: shorter_map(text, removed),
        "_toc.yml": lambda text: shorter_contents(text, removed),
    }
    for name, change in changes.items():
        edit(root / name, change)
    for page in left:
        path = source_file(root, page)
        if page == "index" or page.startswith("teaching/"):
            edit(path, lambda text, page=page: without_rows(text, page, gone))
        edit(path, lambda text, page=page: unlinked(text, page, gone))
    listed = [page for page in order if page in removed]
    with (root / LIST).open("a", encoding="utf8") as file:
        file.writelines(f"{page}\n" for page in listed)
    return listed


def main() -> int | str:
    """Run the command line; returns the exit status, or what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="+", metavar="NUMBER", help="as in its file's name")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "without")
    parser.add_argument("--here", action="store_true", help="change this checkout, make no copy")
    arguments = parser.parse_args()
    root = ROOT if arguments.here else arguments.out
    try:
        removed_pages(ROOT, arguments.chapters)
        status = ["git", "-C", str(ROOT), "status", "--porcelain"]
        if arguments.here and subprocess.check_output(status):
            raise ValueError("the checkout must have no uncommitted change, see `git status`")
        if not arguments.here:
            is_copy = (root / LIST).is_file() and not ROOT.is_relative_to(root.resolve())
            if root.exists() and not is_copy:
                raise ValueError(f"--out must be a new folder or an earlier copy, got {root}")
            if root.exists():
                shutil.rmtree(root)
            checkout.copy(ROOT, root)
        removed = remove(root, arguments.chapters)
        if not arguments.here:
            checkout.commit(root)  # the checks ask git which files are the book's
            if (ROOT / CACHE).is_dir():
                shutil.copytree(ROOT / CACHE, root / CACHE)
    except ValueError as error:
        return f"error: {error}"
    print(f"in {root}, without:", *removed, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())

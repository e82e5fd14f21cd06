"""Print what breaks a rule of the book, one line each: "file: problem"; return 1 if anything does.

    python tools/lint_book.py [ROOT]

Checks notebooks, claims and typed numbers, recorded runs, quizzes, and what readers and their
machines rely on: no code in checkpoints, no unchecked download, no local path, no secret. Modules
that could bring one of the first two are banned in pyproject.toml.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import checkout
import lint_claims
import lint_notebooks
from lint_notebooks import LOCAL_PATH
from notebooks import book_notebooks, reading_order, source, source_file

from coursekit import quiz
from dlvlib import results

ROOT = Path(__file__).resolve().parent.parent
CODE = ("dlvlib", "coursekit", "_ext", "tools", "benchmarks")
SECRET = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{20}|AKIA[A-Z0-9]{16}|hf_[A-Za-z]{30}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
)
ADDRESS = re.compile(r"https?://(?!127\.0\.0\.1)\d+\.\d+\.\d+\.\d+|pypi\.org|pythonhosted\.org")
MAX_WEIGHT_BYTES = 2_000_000
Problems = Iterator[tuple[str, str]]


def lint(root: Path) -> list[str]:
    """Return all problems of a book, as "file: problem"."""
    found = list(lint_notebooks.unreadable(root))
    if not found:
        parts = (lint_notebooks.problems, lint_claims.problems, _records, _quizzes, _code, _texts)
        found = [problem for part in parts for problem in part(root)]
    return [f"{file}: {problem}" for file, problem in found]


def _records(root: Path) -> Problems:
    folder = root / "chapters" / "results"
    paths = sorted(folder.rglob("*.json"))
    if not paths:
        yield "chapters/results", "holds no record"
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            record = results.read_record(path)
        except results.RecordError as error:
            yield name, str(error).removeprefix(f"{path.name}: ")
            continue
        if record["budget"] == "smoke":
            yield name, "a smoke run must not be published"
        if record["git_commit"] == "unknown":
            yield name, "git_commit must be known"
        if path != folder / record["experiment"] / f"{record['run']}.json":
            yield name, f"must be {record['experiment']}/{record['run']}.json by its fields"
    for path in sorted(folder.rglob("*.safetensors")):
        name = path.relative_to(root).as_posix()
        try:
            weights = results.read_weights(path.with_suffix(".json"))
        except results.RecordError as error:
            yield name, str(error)
            continue
        if not all(tensor.isfinite().all() for tensor in weights.values()):
            yield name, "weights must be finite"
        if path.stat().st_size > MAX_WEIGHT_BYTES:
            yield name, f"must have at most {MAX_WEIGHT_BYTES} bytes, got {path.stat().st_size}"


def _quizzes(root: Path) -> Problems:
    folder = root / "coursekit" / "quizzes"
    for page in reading_order(root):
        if re.fullmatch(r"chapters/\d\d_\w+", page):
            name = Path(page).name
            text = source(source_file(root, page)).partition("## Check yourself")[2]
            if not (folder / f"{name}.yml").exists():
                yield page, "must have a quiz"
            if f'quiz.show("{name}")' not in text and f"```{{quiz}} {name}\n" not in text:
                yield page, "must show its quiz below Check yourself"
    ids: dict[str, str] = {}
    for path in sorted(folder.glob("*.yml")):
        file = path.relative_to(root).as_posix()
        try:
            questions = quiz.parse(path.read_text(encoding="utf8"), where=path.name)
        except ValueError as error:
            for line in str(error).splitlines():
                yield file, line.removeprefix(path.name).lstrip(":, ")
            continue
        if len(questions) < 4:
            yield file, f"must have four questions or more, got {len(questions)}"
        first_word = questions[0].id.partition(".")[0]
        for question in questions:
            for problem in _question_problems(question, first_word):
                yield file, f"{question.id}: {problem}"
            if question.id in ids:
                yield file, f"{question.id}: the id is also used in {ids[question.id]}"
            ids[question.id] = file


def _question_problems(question: quiz.Question, first_word: str) -> Iterator[str]:
    if not re.fullmatch(rf"{first_word}\.[a-z0-9-]+", question.id):
        yield f"the id must be {first_word}. and one word in small letters"
    reasons = [choice.why for choice in question.choices]
    if not 3 <= len(reasons) <= 7:
        yield f"must have 3 to 7 choices, got {len(reasons)}"
    if len(set(reasons)) < len(reasons) or min(map(len, reasons)) <= 15:
        yield f"every choice must have a reason of its own, got {reasons}"
    if all(choice.right for choice in question.choices):
        yield "a choice must be wrong"


def _code(root: Path) -> Problems:
    paths = [path for folder in CODE for path in sorted((root / folder).rglob("*.py"))]
    for path in [*paths, *book_notebooks(root), *sorted((root / "tests").rglob("*.py"))]:
        name = path.relative_to(root).as_posix()
        try:
            nodes = list(ast.walk(ast.parse(code_of(path))))
        except (SyntaxError, ValueError) as error:  # also json's, of a broken notebook
            yield name, f"cannot be parsed: {error}"
            continue
        for problem in unsafe_loads(nodes):
            yield name, f"can run code that hides in a file: {problem}"
        for problem in () if name.startswith("tests/") else downloads(nodes):
            yield name, f"can fetch something unchecked: {problem}"


def code_of(path: Path) -> str:
    """Return the code of a Python file, or of the cells of a notebook without its magics."""
    if path.suffix == ".py":
        return path.read_text(encoding="utf8")
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source(path, "code"), flags=re.MULTILINE)


def calls(nodes: list[ast.AST]) -> list[tuple[str, dict[str, str]]]:
    """Return each call: what is called, and its keywords, as written."""
    return [
        (ast.unparse(n.func), {k.arg or "**": ast.unparse(k.value) for k in n.keywords})
        for n in nodes
        if isinstance(n, ast.Call)
    ]


def unsafe_loads(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield what could run code that hides in a file."""
    for name, keywords in calls(nodes):
        if name == "torch.load" and keywords.get("weights_only") != "True":
            yield "torch.load without weights_only=True"
        if name.endswith(".load") and keywords.get("allow_pickle", "False") != "False":
            yield f"{name} with allow_pickle"


def downloads(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield what could fetch something from the network."""
    for name, keywords in calls(nodes):
        if keywords.get("download", "False") not in ("False", "download"):
            yield f"download={keywords['download']}"
        if keywords.get("weights", "None") != "None" and "models" in name:
            yield f"{name} with weights"
        if re.search(r"download_(?!url_to_file)|fetch_|_from_url|_download$", name):
            yield name  # that function is of torch.hub, which compares a SHA-256


def _texts(root: Path) -> Problems:
    for name in checkout.files(root):
        try:
            text = (root / name).read_text(encoding="utf8")
        except UnicodeDecodeError:
            continue  # a picture, weights
        for number, line in enumerate(text.splitlines(), 1):
            if found := LOCAL_PATH.search(line):
                yield f"{name}:{number}", f"holds a path of one machine: {found[0]}"
            if SECRET.search(line):
                yield f"{name}:{number}", "holds a secret"
            if found := ADDRESS.search(line):
                yield f"{name}:{number}", f"holds the address of one network: {found[0]}"


def main() -> int:
    """Run the command line; returns the exit status."""
    problems = lint(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
    print("\n".join(problems) or "the book breaks no rule")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

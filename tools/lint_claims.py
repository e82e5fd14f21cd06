"""What claims.yml must be like, and that pages take their numbers from it; see `lint_book.py`."""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from lint_notebooks import code_cells, read
from notebooks import reading_order, source, source_file

from coursekit import quiz
from dlvlib import results

REQUIRED = {"id", "statement", "lecture", "value", "kind", "shown_in"}
REQUIRED_OF = {
    "computed": {"expression"},
    "cited": {"source"},
    "corrected": {"correct", "why"},
    "recorded": {"results", "measure", "band"},
}
OPTIONAL = {"format", "unit", "expression", "code", "minor", "group", "protocol"}
OPTIONAL |= {"described", "choice", "first", "joins"}  # of corrections, see CONTRIBUTING.md
USE = re.compile(r"\{claim\}`([^`]+)`|\bclaim\(\"(.+?)\"\)")
Claim = dict[str, Any]
Owned = tuple[str, str, str | None]  # how a number is written, its owner, its only page


@cache
def read_claims(path: Path) -> list[Claim]:
    """Return the claims of a file, which is parsed once."""
    return yaml.load(
        path.read_text(encoding="utf8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )


def problems(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, problem)."""
    try:
        claims = read_claims(root / "claims.yml")
    except yaml.YAMLError as error:
        yield "claims.yml", f"is not valid YAML: {' '.join(str(error).split())}"
        return
    texts = {page: source(source_file(root, page)) for page in reading_order(root)}
    used = {page: {a or b for a, b in USE.findall(text)} for page, text in texts.items()}
    sound = []
    for claim in claims:
        found = list(claim_problems(claim))
        on_its_page = claim["id"] in used.get(claim["shown_in"], ())
        if not found and not claim.get("minor") and not on_its_page:
            found = [f"{claim['shown_in']} does not use it"]
        for problem in found:
            yield "claims.yml", f"{claim.get('id')}: {problem}"
        sound += [] if found else [claim]
    ids = Counter(claim.get("id") for claim in claims)
    whole = {c.get("id") for c in claims if c.get("kind") == "corrected" and "joins" not in c}
    for claim in claims:
        if "joins" in claim and claim["joins"] not in whole:
            yield "claims.yml", f"{claim.get('id')}: joins must be a correction that joins none"
    for identifier in (identifier for identifier, count in ids.items() if count > 1):
        yield "claims.yml", f"duplicate id {identifier!r}"
    owned = owned_numbers(root, sound)
    for page in used:
        for identifier in sorted(used[page] - set(ids)):
            yield page, f"the claim {identifier!r} is not in claims.yml"
        for problem in typed_numbers(page, prose(root, page), owned):
            yield page, problem


def claim_problems(claim: Claim) -> Iterator[str]:
    """Yield what is wrong with the fields of one claim."""
    required = REQUIRED | REQUIRED_OF.get(claim.get("kind", ""), set())
    if claim.get("kind") not in REQUIRED_OF:
        yield f"kind must be one of {', '.join(REQUIRED_OF)}, got {claim.get('kind')!r}"
    if missing := required - set(claim):
        yield f"missing {', '.join(sorted(missing))}"
    if unknown := set(claim) - required - OPTIONAL:
        yield f"unknown {', '.join(sorted(unknown))}"
    if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", str(claim.get("id"))):
        yield "id must be words with dots between, such as lenet.params"
    if re.fullmatch(r"[\d\s._'\"]+", claim.get("expression", "f()")):
        yield "expression must compute something, got a literal"
    try:
        if not format(claim["value"], claim.get("format", "")):
            yield "value must not be empty"
    except (KeyError, TypeError, ValueError):
        yield f"format {claim.get('format')!r} does not fit the value {claim.get('value')!r}"


def significant_digits(text: str) -> int:
    """Count digits: zeros at the end of an integer do not count, written decimals do.

    >>> [significant_digits(text) for text in ("1,000", "61,706", "96.50", "0.30", "850")]
    [1, 5, 4, 2, 2]
    """
    digits = re.sub(r"\D", "", text).lstrip("0")
    return len(digits if "." in text else digits.rstrip("0"))


def writings(value: float, form: str) -> set[str]:
    """Return the texts that state a number of three significant digits or more.

    >>> sorted(writings(61706, ",d")), sorted(writings(96.5, ".2f")), writings(1000, ",d")
    (['61,706', '61706'], ['96.5', '96.50'], set())
    """
    text = format(value, form)
    found = {text, text.replace(",", "")}
    if isinstance(value, int):
        found |= {f"{value:,d}"}
    if "." in text:
        found |= {text.rstrip("0")}
    return {writing for writing in found if significant_digits(writing) >= 3}


def is_common(value: float) -> bool:
    """Whether a number counts many things: a year, a power of two."""
    is_power = isinstance(value, int) and value > 0 and value & (value - 1) == 0
    return is_power or (isinstance(value, int) and 1950 <= value <= 2050)


def owned_numbers(root: Path, claims: list[Claim]) -> list[Owned]:
    """List the numbers that no page may type.

    Three digits belong to one page only, since 156 may count something else on another.
    """
    owned: list[Owned] = []
    for claim in claims:
        for value in (claim.get("value"), claim.get("correct")):
            if isinstance(value, (int, float)) and not is_common(value):
                for text in writings(value, claim.get("format", "")):
                    page = claim["shown_in"] if significant_digits(text) == 3 else None
                    owned.append((text, f"the claim {claim['id']}", page))
    for folder in sorted({path.parent for path in (root / "chapters/results").rglob("*.json")}):
        for name, values in final_metrics(folder).items():
            for value in {min(values), max(values), statistics.mean(values)}:
                if 0 < value < 1 and significant_digits(text := f"{100 * value:.2f}") == 4:
                    owned.append((text, f"the records of {folder.name}, {name}", None))
    return owned


def final_metrics(folder: Path) -> dict[str, list[float]]:
    """Return the final values of each metric over the readable records of a folder."""
    found = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        try:
            record = results.read_record(path)
        except results.RecordError:
            continue  # reported by lint_book
        for name, value in record["metrics"].items():
            if isinstance(value, float):
                found[name].append(value)
    return found


def quiz_text(root: Path, page: str) -> str:
    """Return the text of the quiz of a page; "" if it is missing or broken."""
    path = root / "coursekit" / "quizzes" / f"{page.removeprefix('chapters/')}.yml"
    try:
        questions = quiz.parse(path.read_text(encoding="utf8"), where=path.name)
    except (FileNotFoundError, ValueError):  # a broken one is reported by lint_book
        return ""
    return "\n\n".join(
        text
        for question in questions
        for text in (question.question, *(f"{c.text}\n\n{c.why}" for c in question.choices))
    )


def prose(root: Path, page: str) -> str:
    """Return what an author typed and a reader reads, with thousands written 61,706.

    No code, no role, no address; captions, alternative texts and the page's quiz are part of it.
    """
    path = source_file(root, page)
    text = source(path, "markdown") + "\n\n" + quiz_text(root, page)
    for cell in code_cells(read(path)) if path.suffix == ".ipynb" else []:
        settings = cell.metadata.get("mystnb", {})
        text += "\n\n" + settings.get("figure", {}).get("caption", "")
        text += "\n\n" + settings.get("image", {}).get("alt", "")
    text = re.sub(r"^(`{3,})(?!`|\{(?!code)).*?^\1`*$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\{[a-z:]+\}`[^`]*`|`[^`\n]*`|\]\([^)]*\)|https?://\S+", " ", text)
    text = re.sub(r"^ {4,}\S.*$", "", text, flags=re.MULTILINE)  # indented code
    return re.sub(r"(?<=\d)(?:\{,\}|\\,|[ \u00a0\u2009\u202f])(?=\d{3}(?!\d))", ",", text)


def typed_numbers(page: str, text: str, owned: list[Owned]) -> Iterator[str]:
    """Yield the owned numbers that a text types."""
    for number, owner, only in owned:
        whole = rf"(?<![\d.,]){re.escape(number)}(?!\d|[.,]\d)"
        if only in (None, page) and number in text and re.search(whole, text):
            yield f"{number} is typed, but belongs to {owner}"

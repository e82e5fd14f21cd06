"""claims.yml holds every number of the lecture that a page repeats; each is tested here."""

import math
import re
import statistics
from functools import cache
from pathlib import Path

import nbformat
import pytest
import torch
import yaml

from coursekit import quiz
from coursekit.checks import LECTURE_SCORES, LECTURE_TARGETS
from dlvlib import data, metrics, models, results
from dlvlib.models import build
from dlvlib.models.lenet import LeNet5
from dlvlib.profile import cost, receptive_field, summary

ROOT = Path(__file__).parents[2]
CLAIMS = yaml.safe_load((ROOT / "claims.yml").read_text(encoding="utf8"))
REQUIRED = {"id", "statement", "lecture", "value", "kind", "shown_in"}
MORE = {
    "computed": {"expression"},
    "cited": {"source"},
    "corrected": {"correct", "why"},
    "recorded": {"results", "measure", "band"},
}
OPTIONAL = {"format", "unit", "expression", "code"}


def with_meta(make):
    """Return make() built on the meta device: shapes and counts of a big net, without memory."""
    with torch.device("meta"):
        return make()


NAMES = {
    "math": math,
    "torch": torch,
    "metrics": metrics,
    "data": data,
    "models": models,
    "cost": cost,
    "receptive_field": receptive_field,
    "summary": summary,
    "build": build,
    "with_meta": with_meta,
    "LeNet5": LeNet5,
    "LECTURE_SCORES": LECTURE_SCORES,
    "LECTURE_TARGETS": LECTURE_TARGETS,
    "softmax": lambda logits: torch.softmax(torch.tensor(logits).double(), dim=0).tolist(),
    "num_params": lambda model: sum(p.numel() for p in model.parameters()),
}
COMPUTED = [claim for claim in CLAIMS if "expression" in claim]
RECORDED = [claim for claim in CLAIMS if claim["kind"] == "recorded"]
by_id = {"ids": lambda claim: claim["id"]}


@cache
def result_of(expression: str) -> object:
    return eval(expression, dict(NAMES))  # our own file, not input


def proved(claim: dict) -> list[str]:
    """The fields that the claim's expression gives, to the last digit: the value, or for a
    correction the value of the lecture or what is right."""
    found = result_of(claim["expression"])
    fields = ["value", "correct"] if claim["kind"] == "corrected" else ["value"]
    return [name for name in fields if type(found) is type(claim[name]) and found == claim[name]]


def one_unit_off(value: int | float) -> int | float:
    """The value with its last stated digit raised by one."""
    if isinstance(value, int):
        return value + 1
    digits = len(str(value).partition(".")[2])
    return round(value + 10**-digits, digits)


PAGES = [
    str(path.relative_to(ROOT).with_suffix(""))
    for pattern in (
        "index.md",
        "references.md",
        "chapters/**/*.md",
        "chapters/**/*.ipynb",
        "exercises/*.ipynb",
        "solutions/*.ipynb",
    )
    for path in sorted(ROOT.glob(pattern))
]


def sources(page: str, *kinds: str) -> str:
    """What stands in the cells of a notebook that are of these kinds; all of a Markdown page."""
    path = ROOT / f"{page}.ipynb"
    if not path.exists():
        return (ROOT / f"{page}.md").read_text(encoding="utf8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type in kinds)


def used_ids(page: str) -> set[str]:
    text = sources(page, "markdown", "code")
    return set(re.findall(r"\{claim\}`([^`]+)`", text)) | set(
        re.findall(r'claim\("(.+?)"\)', text)
    )


@pytest.mark.parametrize("claim", CLAIMS, **by_id)
def test_a_claim_is_complete(claim):
    assert set(claim) - OPTIONAL == REQUIRED | (MORE[claim["kind"]] - OPTIONAL)
    assert MORE[claim["kind"]] <= set(claim)
    assert format(claim["value"], claim.get("format", ""))
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", claim["id"])
    assert not re.fullmatch(r"[\d\s._'\"]+", claim.get("expression", "f()")), "only a literal"


def test_ids_are_unique():
    ids = [claim["id"] for claim in CLAIMS]
    assert len(ids) == len(set(ids)) > 10


@pytest.mark.parametrize("claim", COMPUTED, **by_id)
def test_a_computed_claim_holds(claim):
    assert proved(claim)


@pytest.mark.parametrize("claim", COMPUTED, **by_id)
def test_a_claim_one_unit_off_fails(claim):
    for name in proved(claim):
        if isinstance(claim[name], (int, float)):
            assert name not in proved({**claim, name: one_unit_off(claim[name])})


@pytest.mark.parametrize("claim", RECORDED, **by_id)
def test_a_recorded_claim_lies_in_its_band(claim):
    records = results.read_experiment(ROOT / "chapters" / "results" / claim["results"])
    found = statistics.mean(eval(claim["measure"], {"record": record}) for record in records)
    low, high = claim["band"]
    assert low <= found <= high


@pytest.mark.parametrize("claim", CLAIMS, **by_id)
def test_a_claim_is_used_by_the_page_that_shows_it(claim):
    assert claim["id"] in used_ids(claim["shown_in"])


@pytest.mark.parametrize("page", PAGES)
def test_every_claim_a_page_uses_exists(page):
    assert used_ids(page) <= {claim["id"] for claim in CLAIMS}


# Prose types no number that a claim or a recorded run owns
RESULTS = ROOT / "chapters" / "results"


def significant_digits(text: str) -> int:
    """1,000 has one, 156 has three, 96.50 has four: written decimals count, zeros at the end of
    an integer do not."""
    digits = re.sub(r"\D", "", text).lstrip("0")
    return len(digits if "." in text else digits.rstrip("0"))


def writings(value: int | float, form: str) -> set[str]:
    """The texts that state a number: 61706 as 61,706 and 61706; 96.50 also as 96.5."""
    text = format(value, form)
    found = {text, text.replace(",", "")}
    if isinstance(value, int):
        found |= {f"{value:,d}"}
    if "." in text:
        found |= {text.rstrip("0")}
    return {writing for writing in found if significant_digits(writing) >= 3}


def is_common(value: int | float) -> bool:
    """Years and powers of two count many things, and stay as they are."""
    is_power = isinstance(value, int) and value > 0 and value & (value - 1) == 0
    return is_power or (isinstance(value, int) and 1950 <= value <= 2050)


@cache
def owned_numbers() -> list[tuple[str, str, str | None]]:
    """(text, owner, page) of each number; a text of three digits belongs to one page only, since
    156 may count something else elsewhere."""
    owned = []
    for claim in CLAIMS:
        for field in ("value", "correct"):
            value = claim.get(field)
            if isinstance(value, (int, float)) and not is_common(value):
                for text in writings(value, claim.get("format", "")):
                    page = claim["shown_in"] if significant_digits(text) == 3 else None
                    owned.append((text, f"the claim {claim['id']}", page))
    for folder in sorted({path.parent for path in RESULTS.rglob("*.json")}):
        for name, values in final_metrics(folder).items():
            for value in {min(values), max(values), statistics.mean(values)}:
                if 0 < value < 1 and significant_digits(text := f"{100 * value:.2f}") == 4:
                    owned.append((text, f"the records of {folder.name}, {name}", None))
    return owned


def final_metrics(folder: Path) -> dict[str, list[float]]:
    found = {}
    for record in results.read_experiment(folder):
        for name, value in record["metrics"].items():
            if isinstance(value, float):
                found.setdefault(name, []).append(value)
    return found


def quiz_text(page: str) -> str:
    name = page.removeprefix("chapters/")
    if name not in quiz.names():
        return ""
    return "\n\n".join(
        text
        for question in quiz.read(name)
        for text in (question.question, *(f"{c.text}\n\n{c.why}" for c in question.choices))
    )


def prose(page: str) -> str:
    """What a reader of the page reads and an author typed: no code, no role, no address; captions,
    alt texts and the page's quiz are part of it. Thousands are written 61,706."""
    text = sources(page, "markdown") + "\n\n" + quiz_text(page)
    path = ROOT / f"{page}.ipynb"
    if path.exists():
        for cell in nbformat.read(path, as_version=4).cells:
            settings = cell.metadata.get("mystnb", {})
            caption = settings.get("figure", {}).get("caption", "")
            text += "\n\n" + caption + "\n\n" + settings.get("image", {}).get("alt", "")
    text = re.sub(r"^(`{3,})(?!`|\{(?!code)).*?^\1`*$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\{[a-z:]+\}`[^`]*`|`[^`\n]*`|\]\([^)]*\)|https?://\S+", " ", text)
    text = re.sub(r"^ {4,}\S.*$", "", text, flags=re.MULTILINE)  # indented code
    return re.sub(r"(?<=\d)(?:\{,\}|\\,|[ \u00a0\u2009\u202f])(?=\d{3}(?!\d))", ",", text)


def typed_numbers(page: str, text: str, owned) -> list[str]:
    return [
        f"{page}: {number!r} is typed, and owned by {owner}"
        for number, owner, only in owned
        if only in (None, page)
        and re.search(rf"(?<![\d.,]){re.escape(number)}(?!\d|[.,]\d)", text)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_the_prose_types_no_number_that_a_claim_or_a_run_owns(page):
    problems = typed_numbers(page, prose(page), owned_numbers())
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "text", ["61,706", "61 706", "61706", "$61{,}706$", "61\\,706", "(61,706).", "96.50", "96.5 %"]
)
def test_a_typed_number_is_found(text, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(f"# Title\n\nIt is {text}, we see.\n", encoding="utf8")
    owned = [
        ("61,706", "a", None),
        ("61706", "a", None),
        ("96.50", "b", None),
        ("96.5", "b", "page"),
    ]
    assert typed_numbers("page", prose("page"), owned)


@pytest.mark.parametrize(
    "text",
    [
        "{claim}`lenet.p61706`",
        "`61706`",
        "```python\n61706\n```",
        "161,706 and 61,7061 and 61,706.5 and 0.61706",
        "[text](page61706.md)",
        "    x = 61706",
    ],
)
def test_code_roles_and_longer_numbers_are_no_typed_number(text, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(f"# Title\n\n{text}\n", encoding="utf8")
    owned = [("61,706", "a", None), ("61706", "a", None), ("156", "b", "other")]
    assert not typed_numbers("page", prose("page") + " 156", owned)


def test_a_number_typed_in_a_quiz_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(quiz, "FOLDER", tmp_path)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "page.md").write_text("# Title\n", encoding="utf8")
    why = "It has 61,706 weights."
    choices = [{"text": "Yes.", "why": why, "right": True}, {"text": "No.", "why": "It has."}]
    text = yaml.safe_dump([{"id": "net.a", "question": "Is it?", "choices": choices}])
    (tmp_path / "page.yml").write_text(text, encoding="utf8")
    assert typed_numbers("page", prose("page"), [("61,706", "a", None)])


def test_significant_digits():
    counts = {"1,000": 1, "61,706": 5, "96.50": 4, "0.30": 2, "850": 2, "156": 3}
    assert {text: significant_digits(text) for text in counts} == counts
    assert writings(61706, ",d") == {"61,706", "61706"}
    assert writings(96.5, ".2f") == {"96.50", "96.5"}
    assert writings(1000, ",d") == set()

"""claims.yml holds every number of the lecture that a page repeats; each is tested here."""

import math
import re
import statistics
from pathlib import Path

import nbformat
import pytest
import torch
import yaml

from dlvlib import data, metrics, results
from dlvlib.checks import LECTURE_SCORES, LECTURE_TARGETS
from dlvlib.models.lenet import LeNet5

ROOT = Path(__file__).parent.parent
CLAIMS = yaml.safe_load((ROOT / "claims.yml").read_text(encoding="utf8"))
REQUIRED = {"id", "statement", "lecture", "value", "kind", "shown_in"}
MORE = {
    "computed": {"expression"},
    "cited": {"source"},
    "corrected": {"correct", "why"},
    "recorded": {"results", "measure", "band"},
}
OPTIONAL = {"format", "unit", "expression"}
NAMES = {
    "math": math,
    "torch": torch,
    "metrics": metrics,
    "data": data,
    "LeNet5": LeNet5,
    "LECTURE_SCORES": LECTURE_SCORES,
    "LECTURE_TARGETS": LECTURE_TARGETS,
    "softmax": lambda logits: torch.softmax(torch.tensor(logits).double(), dim=0).tolist(),
    "num_params": lambda model: sum(p.numel() for p in model.parameters()),
}
COMPUTED = [claim for claim in CLAIMS if "expression" in claim]
RECORDED = [claim for claim in CLAIMS if claim["kind"] == "recorded"]
by_id = {"ids": lambda claim: claim["id"]}


def holds(claim: dict) -> bool:
    """Whether the claim's expression gives its value, to the last digit the claim states."""
    found = eval(claim["expression"], dict(NAMES))  # our own file, not input
    return type(found) is type(claim["value"]) and found == claim["value"]


def one_unit_off(value: int | float) -> int | float:
    """The value with its last stated digit raised by one."""
    if isinstance(value, int):
        return value + 1
    digits = len(str(value).partition(".")[2])
    return round(value + 10**-digits, digits)


def used_ids(page: str) -> set[str]:
    path = ROOT / f"{page}.ipynb"
    if path.exists():
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells)
    else:
        text = (ROOT / f"{page}.md").read_text(encoding="utf8")
    return set(re.findall(r"\{claim\}`([^`]+)`", text)) | set(
        re.findall(r'claim\("(.+?)"\)', text)
    )


@pytest.mark.parametrize("claim", CLAIMS, **by_id)
def test_a_claim_is_complete(claim):
    assert set(claim) - OPTIONAL == REQUIRED | (MORE[claim["kind"]] - OPTIONAL)
    assert MORE[claim["kind"]] <= set(claim)
    assert format(claim["value"], claim.get("format", ""))
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", claim["id"])


def test_ids_are_unique():
    ids = [claim["id"] for claim in CLAIMS]
    assert len(ids) == len(set(ids)) > 10


@pytest.mark.parametrize("claim", COMPUTED, **by_id)
def test_a_computed_claim_holds(claim):
    assert holds(claim)


@pytest.mark.parametrize("claim", COMPUTED, **by_id)
def test_a_claim_one_unit_off_fails(claim):
    if isinstance(claim["value"], (int, float)):
        assert not holds({**claim, "value": one_unit_off(claim["value"])})


@pytest.mark.parametrize("claim", RECORDED, **by_id)
def test_a_recorded_claim_lies_in_its_band(claim):
    records = results.read_experiment(ROOT / "chapters" / "results" / claim["results"])
    found = statistics.mean(eval(claim["measure"], {"record": record}) for record in records)
    low, high = claim["band"]
    assert low <= found <= high


@pytest.mark.parametrize("claim", CLAIMS, **by_id)
def test_a_claim_is_used_by_the_page_that_shows_it(claim):
    assert claim["id"] in used_ids(claim["shown_in"])


@pytest.mark.parametrize(
    "page", [str(p.relative_to(ROOT).with_suffix("")) for p in ROOT.glob("chapters/**/*.ipynb")]
)
def test_every_claim_a_page_uses_exists(page):
    assert used_ids(page) <= {claim["id"] for claim in CLAIMS}

"""Every claim of claims.yml that can be computed or was recorded holds; see also lint_claims."""

import ast
import statistics
from functools import cache
from pathlib import Path

import pytest
import torch
from lint_claims import read_claims
from mutants import mutants

from dlvlib import metrics, models, results
from dlvlib.models import build
from dlvlib.models.lenet import LeNet5
from dlvlib.profile import cost, receptive_field, summary

ROOT = Path(__file__).parents[2]
CLAIMS = read_claims(ROOT / "claims.yml")
COMPUTED = {claim["id"]: claim for claim in CLAIMS if "expression" in claim}
UNCHANGED = {  # claims that some change of their expression leaves as they are, and why
    "only the order of the scores counts": {"metrics.table_top1", "metrics.table_top5"},
    "the size of the image changes neither a receptive field nor which layers have weights": {
        *("vgg.field.last_map", "vgg.field.decision", "alexnet.layers"),
    },
    "the size of the map and its border change no number of parameters": {
        *("dsc.conv.512", "dsc.sep.512", "dsc.conv.3", "dsc.sep.3", "dsc.conv.5", "dsc.sep.5"),
        "inception.reduction",
    },
    "the border changes no size of a field, and neither does the last stride": {
        *("features.zf_layer2", "features.alexnet_layer2"),
        *("features.zf_layer5", "features.alexnet_layer5"),
    },
    "the claim is that the variants agree": {
        *("resnet50.params", "residual.params20", "residual.params56", "vgg.dense"),
    },
    "the reductions inside a block change no width of its output": {"inception.channels"},
    "kernel and stride are square": {"features.alexnet_kernel", "features.alexnet_stride"},
    "a layer has parameters or none, whatever its size": {"quiz.parametric"},
}


def with_meta(make):
    """Return make() on the meta device: shapes and counts of a big network without memory."""
    with torch.device("meta"):
        return make()


NAMES = {
    "torch": torch,
    "metrics": metrics,
    "models": models,
    "cost": cost,
    "receptive_field": receptive_field,
    "summary": summary,
    "build": build,
    "with_meta": with_meta,
    "LeNet5": LeNet5,
    "softmax": lambda logits: torch.softmax(torch.tensor(logits).double(), dim=0).tolist(),
    "num_params": lambda model: sum(p.numel() for p in model.parameters()),
}


@cache
def value_of(expression: str) -> object:
    return eval(expression, dict(NAMES))  # from our own file


def unrounded(expression: str) -> str:
    tree = ast.parse(expression, mode="eval").body
    is_round = isinstance(tree, ast.Call) and ast.unparse(tree.func) == "round"
    return ast.unparse(tree.args[0]) if is_round else expression


def test_an_expression_gives_the_stated_value_to_the_last_digit():
    for name, claim in COMPUTED.items():
        found = value_of(claim["expression"])
        # of a correction: the value of the lecture, or what is right
        stated = [claim[field] for field in ("value", "correct") if field in claim]
        assert any(type(found) is type(value) and found == value for value in stated), (
            name,
            found,
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # a mutant may do what torch warns of
def test_every_part_of_an_expression_matters():
    unchanged, changed = set(), set()
    for name, claim in COMPUTED.items():
        expression = unrounded(claim["expression"])
        value = value_of(expression)
        for _, mutant in mutants(expression):
            try:
                found = value_of(mutant)
            except Exception:
                found = None
            (unchanged if found == value else changed).add(name)
    assert unchanged == set().union(*UNCHANGED.values()) & set(COMPUTED)
    assert unchanged - changed <= {"resnet50.params"}, "no part of these matters"


def test_a_recorded_claim_is_in_its_band():
    for claim in (claim for claim in CLAIMS if claim["kind"] == "recorded"):
        paths = sorted((ROOT / "chapters" / "results" / claim["results"]).glob("*.json"))
        records = [results.read_record(path) for path in paths]
        found = statistics.mean(eval(claim["measure"], {"record": record}) for record in records)
        low, high = claim["band"]
        assert low <= found <= high, claim["id"]

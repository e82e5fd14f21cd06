"""Exercise 9: repeat a recorded run, and judge whether a difference is more than chance."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from coursekit.checks.engine.functions import FunctionQuestion
from coursekit.checks.engine.questions import ChoiceQuestion, Question
from coursekit.checks.reproduce.mistakes import RERUN_MISTAKES, draw_run, observe_run, rerun
from dlvlib.results import REQUIRED

Record = Mapping[str, Any]
INPUTS = ("config", "dataset", "model", "seed")  # what goes into a run, besides the code
Z_95 = 1.96  # 95 % of a normal distribution lie within this many standard deviations


def _differing(recorded: Record, mine: Record, fields: Sequence[str] = INPUTS) -> list[str]:
    return [name for name in fields if recorded[name] != mine[name]]


def _draw_records(generator: torch.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two records; each input differs every other time, and so does what came out."""

    def one(numbers: list[int]) -> dict[str, Any]:
        a, b, c, d, e, f, g, h = numbers
        return {
            "model": f"resnet{a}",
            "seed": b,
            "dataset": {"name": "digits", "checksum": f"{c:x}", "test_checksum": f"{d:x}"},
            "config": {"num_epochs": 2 + h, "lr": 0.1 + e},
            "metrics": {"test_top1": 0.9 + f / 100},
            "wall_seconds": 5.0 + g,
        }

    first = torch.randint(0, 9, (8,), generator=generator)
    changed = first + torch.randint(0, 2, (8,), generator=generator)
    return one(first.tolist()), one(changed.tolist())


def _draw_interval(generator: torch.Generator) -> tuple[list[float], list[float], float]:
    """Accuracies of two methods, and a factor."""
    return *_draw_seeds(generator), 2.1 + 2 * torch.rand((), generator=generator).item()


def _draw_seeds(generator: torch.Generator) -> tuple[list[float], list[float]]:
    """Accuracies in per cent of two methods, 3 to 9 seeds each."""
    counts = torch.randint(3, 10, (2,), generator=generator).tolist()
    first, second = ((80 + 15 * torch.rand(n, generator=generator)).tolist() for n in counts)
    return first, second


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return statistics.mean(values), statistics.stdev(values)


def _interval(
    first: Sequence[float],
    second: Sequence[float],
    factor: float,
    *,
    variance: Callable[[Sequence[float]], float] = lambda v: statistics.variance(v) / len(v),
    join: Callable[[float, float], float] = lambda a, b: math.sqrt(a + b),
) -> tuple[float, float]:
    gap = statistics.mean(second) - statistics.mean(first)
    half = factor * join(variance(first), variance(second))
    return gap - half, gap + half


def _all_missing(record: Record, required: Mapping[str, type]) -> list[str]:
    return [n for n, kind in required.items() if not isinstance(record.get(n), kind)]


def _first_missing(record: Record, required: Mapping[str, type]) -> str | None:
    return next(iter(_all_missing(record, required)), None)


def _draw_required(generator: torch.Generator) -> tuple[dict[str, Any], dict[str, type]]:
    """A record with empty values among others, some fields dropped or of the wrong type."""
    chances = torch.randint(0, 8, (len(REQUIRED),), generator=generator).tolist()
    record = {}
    for (name, kind), chance in zip(REQUIRED.items(), chances, strict=True):
        if chance > 0:
            record[name] = (("text",) if kind is dict else {}) if chance == 1 else kind()
    order = torch.randperm(len(REQUIRED), generator=generator).tolist()[:6]
    return record, {list(REQUIRED)[i]: list(REQUIRED.values())[i] for i in order}


_LAST_DIGITS = ("threads", "processor", "torch version", "progress bar", "time of day", "folder")

QUESTIONS: dict[str, Question] = {
    "inputs": ChoiceQuestion(
        expected=frozenset(INPUTS),
        options=(*INPUTS, "metrics", "history", "machine", "wall_seconds", "recorded_at"),
        praise="What goes in must agree; what comes out is compared.",
        hints={
            frozenset({*INPUTS, "metrics"}): "The metrics come out of the run. They are what you "
            "compare, not what you set.",
            frozenset({*INPUTS, "history"}): "The history comes out of the run.",
            frozenset({*INPUTS, "machine"}): "Another machine may change the last digits. It "
            "does not make it another experiment.",
            frozenset({*INPUTS, "wall_seconds"}): "A faster machine runs the same experiment.",
            frozenset(INPUTS) - {"seed"}: "The config's seed orders the images. The weights at "
            "the start are drawn too: with which seed?",
            frozenset(INPUTS) - {"dataset"}: "The same recipe on other images is another "
            "experiment.",
            frozenset(INPUTS) - {"model"}: "The config holds the recipe, not the network.",
            frozenset(INPUTS) - {"config"}: "With another learning rate it is another experiment.",
            frozenset({"metrics"}): "Two different runs may end with the same accuracy.",
        },
    ),
    "differing": FunctionQuestion(
        signature="differing(recorded, mine)",
        reference=_differing,
        draw=_draw_records,
        praise="It looks at all that goes into a run, and at nothing else.",
        hints={
            lambda a, b: [n for n in INPUTS if a[n] == b[n]]: "It lists the fields that agree.",
            lambda a, b: _differing(a, b, (*INPUTS[:2], "metrics", *INPUTS[2:])): "It looks at "
            "what came out as well: the metrics are not an input.",
            lambda a, b: _differing(a, b, sorted(a)): "It lists every field, also what came out "
            "and how long it took.",
            lambda a, b: (
                _differing(a, b, ("config",)) + _differing(a, b, INPUTS[2:])
            ): "Of the data it compares the name only. Other images can have the same name: that "
            "is what the checksums are for.",
            lambda a, b: _differing(a, b, INPUTS[:3]): "It forgets the seed.",
            lambda a, b: _differing(a, b, (*INPUTS[:2], "seed")): "It forgets the model.",
            lambda a, b: [n for n in INPUTS if a[n] is not b[n]]: "It compares identity (is); two "
            "equal dictionaries are two objects. Use == or !=.",
            lambda a, b: bool(_differing(a, b)): "It returns whether something differs; give the "
            "names.",
            lambda a, b: not _differing(a, b): "It returns whether all agree; give the names "
            "that differ.",
            lambda a, b: len(_differing(a, b)): "It counts what differs; give the names.",
        },
    ),
    "rerun": FunctionQuestion(
        signature="rerun(record, train, test)",
        reference=rerun,
        draw=draw_run,
        observe=observe_run,
        rounds=1,
        praise="It repeats the run to the last digit, on this machine.",
        hints=RERUN_MISTAKES,
    ),
    "spread": FunctionQuestion(
        signature="spread(values)",
        reference=_spread,
        draw=lambda generator: _draw_seeds(generator)[:1],
        praise="Mean and standard deviation, with n − 1.",
        hints={
            lambda v: (statistics.mean(v), statistics.pstdev(v)): "It divides by n; with the mean "
            "taken from the same values, divide by n − 1.",
            lambda v: (statistics.mean(v), statistics.variance(v)): "That is the variance; the "
            "standard deviation is its root.",
            lambda v: (statistics.mean(v), statistics.stdev(v) / math.sqrt(len(v))): "That is the "
            "standard error of the mean; give the deviation of a single seed.",
            lambda v: (statistics.median(v), statistics.stdev(v)): "It takes the median; give the "
            "mean.",
            lambda v: _spread(v)[::-1]: "The order is mean, then standard deviation.",
            lambda v: (statistics.mean(v), max(v) - min(v)): "That is the range, from lowest to "
            "highest; it grows with the number of seeds.",
            lambda v: (
                statistics.mean(v),
                statistics.mean(abs(x - statistics.mean(v)) for x in v),
            ): "It takes the mean distance from the mean; square, average, take the root.",
        },
    ),
    "interval": FunctionQuestion(
        signature="difference_interval(first, second, factor)",
        reference=_interval,
        draw=_draw_interval,
        praise="If it holds zero, the seeds do not show a difference between the methods.",
        hints={
            lambda a, b, t: _interval(b, a, t): "The sign is flipped: take the second mean minus "
            "the first.",
            lambda a, b, t: _interval(a, b, t)[::-1]: "The lower end comes first.",
            partial(_interval, variance=statistics.variance): "It uses the spread of single "
            "seeds; that of a mean is smaller: divide each variance by its number of seeds.",
            partial(_interval, variance=lambda v: statistics.pvariance(v) / len(v)): "The "
            "variances divide by n; use n − 1 within each method.",
            partial(_interval, join=lambda a, b: math.sqrt(a) + math.sqrt(b)): "It adds the two "
            "standard errors; add their squares, then take the root.",
            lambda a, b, t: _interval(a, b, 1): "It reaches one standard error to each side; "
            "multiply by the factor.",
            lambda a, b, t: _interval(a, b, Z_95): "It always takes 1.96; take the factor that is "
            "given.",
            lambda a, b, t: (
                sum(_interval(a, b, t)) / 2,
                (_interval(a, b, t)[1] - _interval(a, b, t)[0]) / 2,
            ): "It gives the difference and the half-width; give both ends.",
            lambda a, b, t: _interval(a, b, math.sqrt(t)): "The factor is inside the root; it "
            "belongs before it.",
        },
    ),
    "last_digits": ChoiceQuestion(
        expected=frozenset(_LAST_DIGITS[:3]),
        options=_LAST_DIGITS,
        praise="Each of them may add the same numbers in another order.",
        hints={
            frozenset(_LAST_DIGITS): "Half of them touch no number of the computation.",
            frozenset({"processor", "torch version"}): "One is missing: who shares out the terms "
            "of a sum?",
            frozenset({"threads", "torch version"}): "One is missing: who does the arithmetic?",
            frozenset({"threads", "processor"}): "One is missing: who decides how a convolution "
            "is computed?",
            frozenset({*_LAST_DIGITS[:3], "progress bar"}): "A progress bar only prints.",
            frozenset({*_LAST_DIGITS[:3], "time of day"}): "Nothing reads the clock once the seed "
            "is set.",
        },
    ),
    "missing": FunctionQuestion(
        signature="first_missing(record, required)",
        reference=_first_missing,
        draw=_draw_required,
        rounds=40,
        praise="A record that passes has no gap.",
        hints={
            lambda r, q: next((name for name in q if name not in r), None): "It checks only "
            "whether the field is there; its type matters too.",
            lambda r, q: next(
                (n for n, kind in q.items() if not r.get(n) or not isinstance(r[n], kind)), None
            ): "It takes an empty value for a missing one: the seed 0 is a seed, an empty history "
            "a history.",
            lambda r, q: next(iter(_all_missing(r, q)[::-1]), None): "It names the last one; give "
            "the first.",
            _all_missing: "It lists them all; give the first name alone.",
            lambda r, q: not _all_missing(r, q): "It returns whether the record is complete; "
            "give the name.",
            lambda r, q: bool(_all_missing(r, q)): "It returns whether something is missing; give "
            "the name.",
            lambda r, q: _first_missing(r, q) or "": "For a complete record it returns an empty "
            "text; return None.",
        },
    ),
}

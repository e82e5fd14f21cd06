"""The three problems whose answers are computed."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from coursekit.checks.engine.hints import distinct
from coursekit.checks.layers import mistakes
from coursekit.checks.layers.variants import Layers, drawn_layers, quantities
from coursekit.exam.draws import SeededDraws
from coursekit.exam.parts import Part, Partial, Problem
from coursekit.exam.texts import Texts
from dlvlib import metrics as library
from dlvlib.profile import receptive_field
from dlvlib.profile.cost import LayerCost

ASKED = {  # by layer: what is asked, and its points; nothing that is 0 for everybody
    "dense": {"params": 1, "flops": 2, "bytes": 1},
    "conv": {"shape": 1, "params": 1, "flops": 2, "bytes": 1},
    "pool": {"shape": 1, "comparisons": 1, "bytes": 1},
}
WHY = {
    "dense.params": "A weight for each pair of input value and unit, a bias for each unit.",
    "dense.flops": "{macs} MACs of 2 FLOPs each, and the biases.",
    "dense.bytes": "4 bytes for each unit.",
    "conv.shape": "⌊(size + 2 × padding − window) / stride⌋ + 1 along each axis.",
    "conv.params": "Each kernel reads all channels and has a bias.",
    "conv.flops": "{macs} MACs of 2 FLOPs each, and a bias at each place.",
    "conv.bytes": "4 bytes for each value.",
    "pool.shape": "⌊(size − window) / stride⌋ + 1 along each axis; the channels stay.",
    "pool.comparisons": "The largest of the values of a window, at each place of each channel.",
    "pool.bytes": "4 bytes for each value.",
}
SLIGHT = (  # mistakes that earn half of the points: the method is right
    *(mistakes.NO_BIAS_PARAMS, mistakes.ONE_BIAS, mistakes.MACS, mistakes.STRICT),
    *(mistakes.CHANNELS_LAST, "The padding is forgotten.", "The stride is forgotten."),
    *("Those are values; each takes 4 bytes.", "Those are bits; a byte has 8."),
    *("The largest of n values is found with n - 1 comparisons.",),
    "A window that does not fit is left out: round down.",
)


def layers(seed: int, texts: Texts) -> Problem:
    """What three layers cost; one or two axes have to be rounded down."""
    draws = SeededDraws(seed, "layers")
    drawn = drawn_layers(seed)
    while not 1 <= num_rounded(drawn) <= 2:
        drawn = drawn_layers(draws.below(10**9))
    wrong = mistakes.mistakes_of(drawn)
    parts = [
        _cost_part(layer, what, points, cost, wrong[layer][what], texts)
        for layer, cost in drawn.costs().items()
        for what, points in ASKED[layer].items()
    ]
    channels, height, width = drawn.image
    text = texts("layers_text", channels=channels, height=height, width=width)
    does = ((texts(name), texts(f"{name}_does", **vars(drawn))) for name in ASKED)
    table = ((texts("layer"), texts("what")), *does)
    return Problem("layers", texts("layers"), text, tuple(parts), table)


def num_rounded(drawn: Layers) -> int:
    """On how many axes a window does not fit exactly."""
    sizes = drawn.image[1:]
    rests = [(n + 2 * drawn.padding - drawn.kernel_size) % drawn.stride for n in sizes]
    rests += [(n - drawn.pool_size) % drawn.pool_stride for n in sizes]
    return sum(rest > 0 for rest in rests)


def _cost_part(
    layer: str,
    what: str,
    points: int,
    cost: LayerCost,
    wrong: list[tuple[Any, str]],
    texts: Texts,
) -> Part:
    right = quantities(cost)[what]
    slight = [(answer, hint) for answer, hint in wrong if hint in SLIGHT]

    def shown(answer: Any) -> str:
        return " × ".join(map(str, answer)) if what == "shape" else texts.number(answer)

    return Part(
        question=texts("asks", layer=texts(layer).capitalize(), what=texts(what)),
        answer=shown(right),
        why=WHY[f"{layer}.{what}"].format(macs=texts.number(cost.macs)),
        points=points,
        partial=_partial(right, slight, points / 2, shown),
        value=None if what == "shape" else right,
    )


def _partial(
    right: Any,
    wrong: Sequence[tuple[Any, str]],
    points: float,
    shown: Callable[[Any], str] = "{:g}".format,
) -> tuple[Partial, ...]:
    """What wrong answers are worth; a mistake that leads to the right one drops out."""
    return tuple(
        Partial(shown(answer), points, why, None if isinstance(answer, tuple) else answer)
        for answer, why in distinct(right, wrong).items()
    )


def metrics(seed: int, texts: Texts) -> Problem:
    """Top-1 and top-k accuracy of a table of scores, and a cross-entropy.

    Of the five images, at least one is right at once, one only among k, and one not at all.
    """
    draws = SeededDraws(seed, "metrics")
    classes = texts("classes").split(", ")
    num_images, k = 5, 2 + draws.below(2)
    rows = [draws.shuffled(range(1, len(classes) + 1)) for _ in range(num_images)]
    ranks = [0, 1 + draws.below(k - 1), k + draws.below(2)]
    ranks += [draws.below(k + 2) for _ in range(2)]
    ranks = draws.shuffled(ranks)  # of the true class among the scores, 0 = the largest
    targets = [row.index(len(classes) - rank) for row, rank in zip(rows, ranks, strict=True)]
    logits, truth = torch.tensor(rows, dtype=torch.double), torch.tensor(targets)
    probs = sorted(draws.shuffled(range(1, 10))[:3])  # tenths, of the true class, different ones
    table: list[tuple[str, ...]] = [(texts("image"), *classes, texts("truth"))]
    for number, (row, target) in enumerate(zip(rows, targets, strict=True), start=1):
        table.append((str(number), *map(str, row), classes[target]))
    parts = (
        _accuracy(1, round(100 * library.top_k_accuracy(logits, truth)), ranks, texts),
        _accuracy(k, round(100 * library.top_k_accuracy(logits, truth, k)), ranks, texts),
        _loss([p / 10 for p in probs], texts),
    )
    return Problem("metrics", texts("metrics"), texts("metrics_text"), parts, tuple(table))


def _accuracy(k: int, percent: int, ranks: list[int], texts: Texts) -> Part:
    hits = [str(number) for number, rank in enumerate(ranks, start=1) if rank < k]
    slight = [(100 - percent, "That is the error."), (len(hits), "A count.")]
    why = f"Right: image {', '.join(hits)}."
    partial = _partial(percent, slight, 0.5)
    return Part(texts("top", k=k), f"{percent}", why, partial=partial, value=percent)


def _loss(probs: list[float], texts: Texts) -> Part:
    losses = [-math.log(p) for p in probs]
    mean = sum(losses) / len(losses)
    slight = [
        (sum(losses), "That is the sum, not the mean."),
        (-mean, "The minus is forgotten."),
        (mean / math.log(2), "That is in bits."),
        (mean / math.log(10), "That is a logarithm to base 10."),
        (-math.log(sum(probs) / len(probs)), "The mean comes after the logarithm."),
    ]
    partial = [Partial(texts.number(wrong, 3), 1, why, wrong) for wrong, why in slight]
    shown = [texts.number(p, 1) for p in probs]
    formula = "−(" + " + ".join(f"ln {p}" for p in shown) + ") / 3"
    return Part(
        question=texts("loss", probs=texts("list").join(shown)),
        answer=texts.number(mean, 3),
        why=formula,
        points=2,
        partial=(Partial(formula, 1, "The value is missing or wrong."), *partial),
        value=mean,
        tolerance=0.002,
    )


def fields(seed: int, texts: Texts) -> Problem:
    """The receptive field behind the layers of a chain, and the pixels that one value sees.

    One convolution and the pooling have stride 2, so that all chains shrink alike.
    """
    draws = SeededDraws(seed, "fields")
    step = draws.below(3)  # the convolution with stride 2
    windows = [(draws.one_of((3, 5, 7, 9)), 2 if n == step else 1) for n in range(3)]
    kinds = ["conv"] * 3
    place = 1 + draws.below(2)
    windows.insert(place, (2 + draws.below(2), 2))
    kinds.insert(place, "pool")
    index = 3 + draws.below(7)
    grown = receptive_field.grow(windows)
    plain = [1 + sum(kernel - 1 for kernel, _ in windows[: n + 1]) for n in range(4)]
    parts = []
    for number in (2, 3, 4):
        before, seen, kernel = grown[number - 2], grown[number - 1], windows[number - 1][0]
        wrong = [(plain[number - 1], "The strides are forgotten.")]
        parts.append(
            Part(
                question=texts("field", number=number),
                answer=f"{seen.size}",
                why=f"{before.size} + ({kernel} − 1) × {before.stride}.",
                partial=_partial(seen.size, wrong, 0.5),
                value=seen.size,
            )
        )
    first = index * grown[-1].stride
    why = f"Values lie {grown[-1].stride} pixels apart, and each sees {grown[-1].size}."
    half = Partial(texts("to", first=first, last="…"), 0.5, "The first pixel is right.")
    answer = texts("to", first=first, last=first + grown[-1].size - 1)
    parts.append(Part(texts("range", index=index), answer, why, partial=(half,)))
    rows = [
        (str(number), texts(kind), f"{kernel} × {kernel}", str(stride))
        for number, (kind, (kernel, stride)) in enumerate(zip(kinds, windows, strict=True), 1)
    ]
    table = ((texts("layer"), texts("kind"), texts("window"), texts("stride")), *rows)
    return Problem("fields", texts("fields"), texts("fields_text"), tuple(parts), table)

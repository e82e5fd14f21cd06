"""An exam and its key, drawn from a seed: layers, metrics, receptive fields, quiz questions.

Every answer is computed by the library that the pages use. The same seed gives the same exam on
every machine.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from coursekit import quiz
from coursekit.checks.layers.variants import drawn_layers
from dlvlib import metrics
from dlvlib._common import check_int
from dlvlib.profile import receptive_field

NUM_QUESTIONS = 8  # of the quizzes, each from another chapter
CLASSES = ("apple", "bike", "car", "cat", "dog", "pear", "plane")
LARGEST_SEED = 10**9
Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Part:
    """One question: the answer, the reason for it, and its points."""

    question: str
    answer: str
    why: str = ""
    points: int = 1
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """One problem: a title, a text, perhaps a table, and its parts."""

    title: str
    text: str
    parts: tuple[Part, ...]
    table: tuple[tuple[str, ...], ...] = ()  # the first row names the columns

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)


class SeededDraws:
    """Draws that depend on the seed and on a name alone, on no version of Python or torch."""

    def __init__(self, seed: int, name: str) -> None:
        self.seed, self.name, self.count = seed, name, 0

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to limit - 1."""
        self.count += 1
        text = f"exam {self.seed} {self.name} {self.count}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % limit

    def shuffled(self, things: Sequence[Thing]) -> list[Thing]:
        """Return the items in another order."""
        left = list(things)
        return [left.pop(self.below(len(left))) for _ in things]


def draw(seed: int) -> list[Problem]:
    """Return the problems of one variant.

    Raises:
        ValueError: if the seed is not an integer from 0 to `LARGEST_SEED`.
    """
    seed = check_int("seed", seed, 0, LARGEST_SEED)
    return [
        draw_layers(seed),
        draw_metrics(SeededDraws(seed, "metrics")),
        draw_fields(SeededDraws(seed, "fields")),
        draw_questions(SeededDraws(seed, "questions")),
    ]


def draw_layers(seed: int) -> Problem:
    """What three layers cost: the lecture's exercise with other numbers."""
    layers = drawn_layers(seed)
    texts = {name: text.replace(" x ", " × ") for name, text in layers.texts().items()}
    names = {"dense": "dense", "conv": "convolution", "pool": "pooling"}
    parts = []
    for layer, cost in layers.costs().items():
        shape = " × ".join(map(str, cost.output_shape))
        asked = {
            "parameters": f"{cost.params:,}",
            "FLOPs": f"{cost.flops:,}",
            "output shape, channels first": shape,
            "bytes of the output": f"{cost.output_bytes:,}",
        }
        why = {
            "FLOPs": f"{cost.macs:,} MACs of 2 FLOPs each, and the biases."
            if cost.macs
            else "A maximum compares, and computes nothing.",
            "bytes of the output": "4 bytes for each value.",
            "output shape, channels first": {
                "dense": "One value for each unit.",
                "conv": "⌊(size + 2 × padding − window) / stride⌋ + 1 along each axis.",
                "pool": "⌊(size − window) / stride⌋ + 1 along each axis; the channels stay.",
            }[layer],
            "parameters": {
                "dense": "A weight for each pair of input value and unit, a bias for each unit.",
                "conv": "Each kernel reads all channels and has a bias.",
                "pool": "A maximum has nothing to learn.",
            }[layer],
        }
        parts += [
            Part(f"{names[layer].capitalize()} layer: {what}", answer, why.get(what, ""))
            for what, answer in asked.items()
        ]
    text = (
        f"An image has {texts['image']}; sizes are height × width. Each of the three layers reads "
        "this image, and gives values of 4 bytes too. Biases count; 1 MAC = 2 FLOPs, "
        "a bias = 1 FLOP, a comparison is no FLOP."
    )
    rows = [(names[layer], texts[layer]) for layer in names]
    return Problem("What layers cost", text, tuple(parts), (("layer", "what it does"), *rows))


def draw_metrics(draws: SeededDraws) -> Problem:
    """Top-1 and top-k accuracy of a small table of scores, and a cross-entropy."""
    num_images, k = 5, 2 + draws.below(2)
    rows = [draws.shuffled(range(1, len(CLASSES) + 1)) for _ in range(num_images)]
    ranks = [0, k + draws.below(2), *(draws.below(k + 2) for _ in rows[2:])]  # a hit and a miss
    ranks = draws.shuffled(ranks)  # of the true class among the scores, 0 = the largest
    targets = [row.index(len(CLASSES) - rank) for row, rank in zip(rows, ranks, strict=True)]
    logits, truth = torch.tensor(rows, dtype=torch.double), torch.tensor(targets)
    probs = [(1 + draws.below(9)) / 10 for _ in range(3)]  # of the true class, three other images
    loss = -torch.tensor(probs, dtype=torch.double).log().mean().item()
    listed = ", ".join(f"{p:.1f}" for p in probs)
    parts = (
        Part("Top-1 accuracy", f"{metrics.top_k_accuracy(logits, truth):.0%}", _hits(ranks, 1)),
        Part(
            f"Top-{k} accuracy",
            f"{metrics.top_k_accuracy(logits, truth, k):.0%}",
            _hits(ranks, k),
        ),
        Part(
            f"For three other images, softmax gives the true class {listed}. "
            "Write the mean cross-entropy with natural logarithms, and its value.",
            f"{loss:.3f}",
            "−(" + " + ".join(f"ln {p:.1f}" for p in probs) + ") / 3",
            points=2,
        ),
    )
    table: list[tuple[str, ...]] = [("image", *CLASSES, "true class")]
    for number, (row, target) in enumerate(zip(rows, targets, strict=True), start=1):
        table.append((str(number), *map(str, row), CLASSES[target]))
    text = "The table holds the scores that a network gave to five images, and their true class."
    return Problem("Metrics", text, parts, tuple(table))


def _hits(ranks: list[int], k: int) -> str:
    hits = [str(number) for number, rank in enumerate(ranks, start=1) if rank < k]
    return f"Right: image {', '.join(hits)}." if hits else "No image is right."


def draw_fields(draws: SeededDraws) -> Problem:
    """The receptive field behind each layer of a chain."""
    convs = [(3 + 2 * draws.below(2), 1 + draws.below(2)) for _ in range(3)]
    windows = [convs[0], (2, 2), *convs[1:]]
    kinds = ["convolution", "pooling", "convolution", "convolution"]
    fields = receptive_field.grow(windows)
    parts, before = [], receptive_field.ReceptiveField()
    for number, (window, seen) in enumerate(zip(windows, fields, strict=True), start=1):
        why = (
            f"{before.size} + ({window[0]} − 1) × {before.stride}; the step is now {seen.stride}."
        )
        parts.append(Part(f"Receptive field behind layer {number}", f"{seen.size}", why))
        before = seen
    rows = [
        (str(number), kind, f"{kernel} × {kernel}", str(stride))
        for number, (kind, (kernel, stride)) in enumerate(zip(kinds, windows, strict=True), 1)
    ]
    text = (
        "Four layers follow one another. Take a value behind each of them, far from the borders. "
        "How many pixels of the image, along one axis, can change it?"
    )
    table = (("layer", "kind", "window", "stride"), *rows)
    return Problem("Receptive fields", text, tuple(parts), table)


def draw_questions(draws: SeededDraws) -> Problem:
    """Questions of the quizzes, each from another chapter, their choices in another order."""
    chapters = sorted(draws.shuffled(quiz.names())[:NUM_QUESTIONS])
    parts = []
    for chapter in chapters:
        questions = quiz.read(chapter)
        asked = questions[draws.below(len(questions))]
        choices = draws.shuffled(asked.choices)
        right = {
            letter: choice.why
            for letter, choice in zip("ABCDEFGH", choices, strict=False)
            if choice.right
        }
        several = " (more than one may be right)" if asked.several else ""
        reasons = " ".join(
            f"{letter}: {why}" if asked.several else why for letter, why in right.items()
        )
        texts = tuple(choice.text for choice in choices)
        parts.append(
            Part(asked.question.strip() + several, ", ".join(right), reasons, choices=texts)
        )
    return Problem("Questions", "Write the letter or letters.", tuple(parts))

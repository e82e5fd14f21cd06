"""An exam and its key, drawn from a seed: layers, metrics, receptive fields, quiz questions.

Every answer is computed by the library that the pages use. The same seed gives the same exam on
every machine. Variants are equally difficult: what is drawn again until it fits is written at
each problem.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from coursekit.exam import problems, questions
from coursekit.exam.parts import Problem
from coursekit.exam.texts import LANGUAGES, Texts
from dlvlib._common import check_int

LARGEST_SEED = 10**9
TOPICS = ("layers", "metrics", "fields", "questions")


def draw(
    seed: int,
    *,
    topics: Sequence[str] = TOPICS,
    points: Mapping[str, float] | None = None,
    language: str = "en",
    bank: Path | None = None,
) -> list[Problem]:
    """Return the problems of one variant.

    Args:
        seed: the variant, an integer from 0 to `LARGEST_SEED`.
        topics: which problems, of `TOPICS`, in their order.
        points: topic to the points of its problem.
        language: of the fixed texts, "en" or "fr".
        bank: a folder with questions of your own, which are drawn first.

    Raises:
        ValueError: if an argument is not as said above.
    """
    seed = check_int("seed", seed, 0, LARGEST_SEED)
    points = points or {}
    for name in (*topics, *points):
        if name not in TOPICS:
            raise ValueError(f"topics must be of {', '.join(TOPICS)}, got {name!r}")
    if not topics or len(set(topics)) < len(topics):
        raise ValueError(f"topics must be one or more, each once, got {list(topics)}")
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, got {language!r}")
    make: dict[str, Callable[[int, Texts], Problem]] = {
        "layers": problems.layers,
        "metrics": problems.metrics,
        "fields": problems.fields,
        "questions": partial(questions.draw, bank=bank),
    }
    drawn = [make[topic](seed, LANGUAGES[language]) for topic in topics]
    return [p.worth(points[p.topic]) if p.topic in points else p for p in drawn]

"""Checkers for the exercises: one friendly line for any answer, offline, never an exception.

A question knows the right answer, computed here from the library, and the usual wrong ones, each
with the hint that fits the mistake behind it. The name of a question is ``topic.question``; each
topic has a folder, ``checks/<topic>``, and a notebook.
"""

import textwrap
from difflib import get_close_matches
from importlib import import_module

from coursekit.checks.engine.questions import MAX_WIDTH, Question, StudentQuestion, Verdict
from coursekit.checks.metrics.questions import CLASSES, SCORES, TARGETS

__all__ = ["CLASSES", "QUESTIONS", "SCORES", "TARGETS", "TOPICS"]
__all__ += ["Verdict", "check", "hint", "progress"]

TOPICS = (  # folders, in the order of the notebooks
    "metrics",
    "layers",
    "lenet",
    "loop",
    "receptive_field",
    "blocks",
    "residual",
    "diagnosis",
    "reproduce",
)
QUESTIONS: dict[str, Question | StudentQuestion] = {
    f"{topic}.{name}": question
    for topic in TOPICS
    for name, question in import_module(f"{__name__}.{topic}.questions").QUESTIONS.items()
}
_answered: dict[str, bool] = {}  # in this kernel: question -> whether the last answer was right
_hinted: dict[str, int] = {}  # in this kernel: question -> how many hints it has given


def check(question: str, answer: object, *, student: int | None = None) -> Verdict:
    """Judge an answer; whatever it is, the reply is one line and never an exception.

    Args:
        question: its name, one of `QUESTIONS`, for instance "metrics.top1".
        answer: a number, a shape, a word or a function, as the exercise asks; anything else gets
            a hint.
        student: the student number, where the numbers of the question depend on it.
    """
    if not isinstance(question, str) or question not in QUESTIONS:
        return Verdict(False, _unknown(question))
    try:
        verdict = _judge(QUESTIONS[question], answer, student)
    except Exception as error:  # a checker answers, whatever it was given
        kind = type(error).__name__
        verdict = Verdict(False, f"Your answer could not be checked ({kind}).")
    _answered[question] = verdict.right
    return verdict


def hint(question: str, *, student: int | None = None) -> str:
    """Return the next hint to a question in one line, without an answer to it.

    Half of the hints are given like this. All of them together could give the answer away.

    Args:
        question: its name, as for `check`; likewise `student`.
    """
    if not isinstance(question, str) or question not in QUESTIONS:
        return _unknown(question)
    asked = QUESTIONS[question]
    one = asked.of(student) if isinstance(asked, StudentQuestion) else asked
    if isinstance(one, Verdict):
        return one.message
    hints = list(dict.fromkeys(one.hints.values()))
    hints = hints[: (len(hints) + 1) // 2]
    number = _hinted.get(question, 0)
    if number == len(hints):
        return f"There are no more hints to {question}: answer it, and the check replies to that."
    _hinted[question] = number + 1
    return f"Hint {number + 1} of {len(hints)}, the reply to a usual mistake: {hints[number]}"


def progress(topic: str) -> str:
    """Return how many questions of a topic are right in this kernel, and what is next.

    Args:
        topic: the part of the questions' names before the first dot, for instance "metrics".
    """
    names = [name for name in QUESTIONS if name.split(".")[0] == topic]
    if not names:
        asked = topic[:40] if isinstance(topic, str) else type(topic).__name__
        return f"There is no topic {asked!r}; there are {', '.join(TOPICS)}."
    left = [name for name in names if not _answered.get(name)]
    done = f"{topic}: {len(names) - len(left)} of {len(names)} right."
    if len(left) > 5:  # a long list would hide what is next
        left = [*left[:4], f"and {len(left) - 4} more"]
    line = f"{done} Still to do: {', '.join(left)}." if left else done
    return textwrap.fill(line, MAX_WIDTH, break_on_hyphens=False)


def _judge(asked: Question | StudentQuestion, answer: object, student: int | None) -> Verdict:
    if answer is None or answer is Ellipsis:
        return Verdict(False, "There is no answer.")
    if isinstance(asked, StudentQuestion):
        return asked.judge(answer, student)
    return asked.judge(answer)


def _unknown(question: object) -> str:
    name = question if isinstance(question, str) else ""
    near = get_close_matches(name, QUESTIONS, n=3, cutoff=0.3) or list(QUESTIONS)[:3]
    return f"There is no question {name[:40]!r}; did you mean {' or '.join(near)}?"

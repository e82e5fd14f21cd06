"""Checkers for the exercises: one friendly line for any answer, offline, never an exception.

A question knows the right answer, computed here from the library, and the usual wrong ones, each
with the hint that fits the mistake behind it. The name of a question is ``topic.question``; each
topic has a file, ``on_<topic>.py``, and a notebook.
"""

from coursekit.checks.blocks import questions as on_blocks
from coursekit.checks.diagnosis import questions as on_diagnosis
from coursekit.checks.engine.questions import Question, StudentQuestion, Verdict
from coursekit.checks.layers import questions as on_layers
from coursekit.checks.lenet import questions as on_lenet
from coursekit.checks.loop import questions as on_loop
from coursekit.checks.metrics import questions as on_metrics
from coursekit.checks.metrics.questions import LECTURE_CLASSES, LECTURE_SCORES, LECTURE_TARGETS
from coursekit.checks.receptive_field import questions as on_receptive_field
from coursekit.checks.reproduce import questions as on_reproduce
from coursekit.checks.residual import questions as on_residual

__all__ = ["LECTURE_CLASSES", "LECTURE_SCORES", "LECTURE_TARGETS", "QUESTIONS", "TOPICS"]
__all__ += ["Verdict", "check", "progress"]

TOPICS = {  # in the order of the notebooks
    "metrics": on_metrics,
    "layers": on_layers,
    "lenet": on_lenet,
    "loop": on_loop,
    "receptive_field": on_receptive_field,
    "blocks": on_blocks,
    "residual": on_residual,
    "diagnosis": on_diagnosis,
    "reproduce": on_reproduce,
}
QUESTIONS: dict[str, Question | StudentQuestion] = {
    f"{topic}.{name}": question
    for topic, module in TOPICS.items()
    for name, question in module.QUESTIONS.items()
}
_answered: dict[str, bool] = {}  # in this kernel: question -> whether the last answer was right


def check(question: str, answer: object, *, student: int | None = None) -> Verdict:
    """Judge an answer; whatever it is, the reply is one line and never an exception.

    Args:
        question: its name, one of `QUESTIONS`, for instance "metrics.top1".
        answer: a number, a shape, a word or a function, as the exercise says; anything else gets
            a hint.
        student: the student number, where the question says that its numbers depend on it.
    """
    try:
        verdict = _judge(question, answer, student)
    except Exception as error:  # a checker answers, whatever it was given
        kind = type(error).__name__
        verdict = Verdict(False, f"Your answer could not be checked ({kind}).")
    if isinstance(question, str) and question in QUESTIONS:
        _answered[question] = verdict.right
    return verdict


def progress(topic: str) -> str:
    """Return one line: how many questions of a topic are right in this kernel, and what is next.

    Args:
        topic: the part of the questions' names before the first dot, for instance "metrics".
    """
    names = [name for name in QUESTIONS if name.split(".")[0] == topic]
    if not names:
        return f"There is no topic {topic!r}; there are {', '.join(TOPICS)}."
    left = [name for name in names if not _answered.get(name)]
    done = f"{topic}: {len(names) - len(left)} of {len(names)} right."
    if len(left) > 5:  # a long list would not fit one line
        left = [*left[:4], f"and {len(left) - 4} more"]
    return f"{done} Still to do: {', '.join(left)}." if left else done


def _judge(question: str, answer: object, student: int | None) -> Verdict:
    if question not in QUESTIONS:
        topics = ", ".join(QUESTIONS)
        return Verdict(False, f"There is no question {question!r}; there are {topics}.")
    if answer is None or answer is Ellipsis:
        return Verdict(False, "There is no answer yet: replace the three dots by yours.")
    asked = QUESTIONS[question]
    if not isinstance(asked, StudentQuestion):
        return asked.judge(answer)
    if not isinstance(student, int) or isinstance(student, bool) or student < 0:
        return Verdict(False, "This question needs your student number: student=12345.")
    return asked.judge(answer, student)

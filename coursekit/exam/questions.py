"""The problem that is drawn from the quizzes, and from a bank of questions of one's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import ascii_uppercase

from coursekit import quiz
from coursekit.exam.draws import SeededDraws
from coursekit.exam.parts import Part, Partial, Problem
from coursekit.exam.texts import Texts

NUM_QUESTIONS = 8
NUM_SEVERAL = 2  # of them with more than one right choice, on every sheet
LETTERS = ascii_uppercase
IMAGES = (".png", ".jpg", ".jpeg")
_read_quiz = cache(quiz.read)


@dataclass(frozen=True)
class Source:
    """A question and where it comes from: a chapter, or a file of the bank."""

    name: str
    question: quiz.Question
    image: Path | None = None


def draw(seed: int, texts: Texts, bank: Path | None = None) -> Problem:
    """Draw questions, first those of the bank, then others of different chapters."""
    draws = SeededDraws(seed, "questions")
    missing = {True: NUM_SEVERAL, False: NUM_QUESTIONS - NUM_SEVERAL}  # by several
    chosen: list[Source] = []
    for source in draws.shuffled(list(_read_bank(bank))) if bank else []:
        if missing[source.question.several]:
            missing[source.question.several] -= 1
            chosen.append(source)
    chapters = {name: _read_quiz(name) for name in draws.shuffled(quiz.names())}
    for several in (True, False):  # the rarer ones first
        for name, asked in chapters.items():
            fitting = [question for question in asked if question.several == several]
            if missing[several] and fitting and name not in {source.name for source in chosen}:
                missing[several] -= 1
                chosen.append(Source(name, draws.one_of(fitting)))
    chosen.sort(key=lambda source: source.name)
    parts = tuple(_part(source, draws, texts) for source in chosen)
    return Problem("questions", texts("questions"), texts("questions_text"), parts)


def _read_bank(folder: Path) -> Iterator[Source]:
    paths = sorted(folder.glob("*.y*ml"))
    if not paths:
        raise ValueError(f"bank must be a folder with questions (*.yml), got {str(folder)!r}")
    images = {path.stem: path for path in folder.iterdir() if path.suffix.lower() in IMAGES}
    for path in paths:
        try:
            text = path.read_text(encoding="utf8")
        except UnicodeDecodeError:
            raise ValueError(f"{path} must be a text in UTF-8") from None
        for question in quiz.parse(text, where=path.name):
            yield Source(f"bank/{path.stem}", question, images.get(question.id))


def _part(source: Source, draws: SeededDraws, texts: Texts) -> Part:
    asked = source.question
    choices = draws.shuffled(asked.choices)
    right = {
        letter: choice.why
        for letter, choice in zip(LETTERS, choices, strict=False)
        if choice.right
    }
    reasons = (f"{letter}: {why}" if asked.several else why for letter, why in right.items())
    half = Partial("", 0.5, "One letter is missing or too many.")
    text = asked.question.strip()
    return Part(
        question=texts("several", question=text) if asked.several else text,
        answer=", ".join(right),
        why=" ".join(reasons),
        partial=(half,) if asked.several else (),
        choices=tuple(choice.text for choice in choices),
        several=asked.several,
        image=source.image,
    )

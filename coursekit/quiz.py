"""Quizzes: questions whose every choice is explained, one readable file for each chapter.

A quiz is a list in ``quizzes/<chapter>.yml``; `show` makes it a live figure, which grades in the
browser. Without JavaScript and in print the same text has its answers at the end.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import yaml

from coursekit import live

FOLDER = Path(__file__).parent / "quizzes"
QUESTION_KEYS = {"id": str, "question": str, "several": bool, "choices": list}
CHOICE_KEYS = {"text": str, "right": bool, "why": str}
OPTIONAL = {"several", "right"}
MARKUP = ("$", "**", "](", "{", "}")  # of Markdown; a quiz is plain text
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where PyYAML was built with it
TIED = re.compile(r" (?=[×%])|(?<=×) ")  # 64 × 64 and 97 % stay on one line

ITEM = '<li style="margin-bottom: 0.8rem;">'
LETTERS = '<ol style="list-style-type: upper-alpha;">'


class QuizError(ValueError):
    """A quiz breaks its rules; `problems` holds a line for each, which names file and question."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Choice:
    """A possible answer, and why it is right or which mistake leads to it."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question; more than one choice may be right only if it is `several`."""

    id: str
    question: str
    choices: tuple[Choice, ...]
    several: bool = False


def names() -> list[str]:
    """Return the names of all quizzes, in reading order."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def read(name: str) -> list[Question]:
    """Return the questions of the quiz `name`, for example ``"04_lenet"``."""
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}, got {name!r}")
    return parse((FOLDER / f"{name}.yml").read_text(encoding="utf8"), where=f"{name}.yml")


def parse(text: str, where: str) -> list[Question]:
    """Return the questions that a YAML text lists; `where` names it in errors."""
    try:
        entries = yaml.load(text, LOADER)
    except yaml.YAMLError as error:
        raise QuizError([f"{where}: not valid YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(entries, list) or not entries:
        raise QuizError([f"{where}: a quiz must be a list of questions"])
    problems: list[str] = []
    for number, entry in enumerate(entries, 1):
        problems += _problems(entry, f"{where}, {_id_of(entry) or f'entry {number}'}")
    for identifier, count in Counter(filter(None, map(_id_of, entries))).items():
        if count > 1:
            problems.append(f"{where}, {identifier}: the id must be unique, used {count} times")
    if problems:
        raise QuizError(problems)
    return [
        Question(**_tied(entry) | {"choices": tuple(Choice(**_tied(c)) for c in entry["choices"])})
        for entry in entries
    ]


def show(name: str) -> live.LiveFigure:
    """Return the quiz `name` as a live figure."""
    questions = read(name)
    data = {"quiz": name, "questions": [asdict(q) | {"hash": _hash(q)} for q in questions]}
    return live.show("quiz", data, fallback(questions))


def fallback(questions: list[Question]) -> str:
    """Return the quiz as HTML: all questions, then all answers with every explanation."""
    asked, answered = [], []
    for question in questions:
        choices = "".join(f"<li>{as_html(choice.text)}</li>" for choice in question.choices)
        note = " Choose all that are right." if question.several else ""
        asked.append(f"{ITEM}{as_html(question.question)}{note}{LETTERS}{choices}</ol></li>")
        reasons = "".join(
            f"<li><strong>{'Right' if c.right else 'Wrong'}.</strong> {as_html(c.why)}</li>"
            for c in question.choices
        )
        pairs = zip(ascii_uppercase, question.choices, strict=False)
        letters = ", ".join(letter for letter, choice in pairs if choice.right)
        answered.append(f"{ITEM}<strong>{letters}</strong>{LETTERS}{reasons}</ol></li>")
    return f"<ol>{''.join(asked)}</ol><p><strong>Answers</strong></p><ol>{''.join(answered)}</ol>"


def _id_of(entry: object) -> str | None:
    found = entry.get("id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else None


def _problems(entry: object, where: str) -> Iterator[str]:
    """What is wrong with one question, a line each."""
    yield from _key_problems(entry, QUESTION_KEYS, where)
    choices = entry.get("choices") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(choices, list):
        return
    for number, choice in enumerate(choices):
        yield from _key_problems(choice, CHOICE_KEYS, f"{where}, choice {chr(ord('A') + number)}")
    known = [choice for choice in choices if isinstance(choice, dict)]
    texts = [str(choice.get("text")) for choice in known]
    num_right = sum(choice.get("right") is True for choice in known)
    if not 2 <= len(choices) <= len(ascii_uppercase):
        yield f"{where}: a question must have 2 to 26 choices, got {len(choices)}"
    if len(set(texts)) < len(texts):
        yield f"{where}: the choices must differ, got {texts}"
    if num_right == 0 and len(known) == len(choices):
        yield f"{where}: a choice must be right, got none"
    if num_right > 1 and entry.get("several") is not True:
        yield f"{where}: one choice may be right without `several`, got {num_right}"


def _key_problems(entry: object, keys: dict[str, type], where: str) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"{where}: must have the keys {', '.join(keys)}, got {entry!r}"
        return
    if unknown := [str(key) for key in entry if key not in keys]:
        yield f"{where}: keys must be {', '.join(keys)}, got {', '.join(unknown)}"
    for key, kind in keys.items():
        if key not in entry:
            if key not in OPTIONAL:
                yield f"{where}: {key} is missing"
        elif not isinstance(entry[key], kind):
            hint = "; put it in quotes" if kind is str else ""
            yield f"{where}: {key} must be a {kind.__name__}, got {entry[key]!r}{hint}"
        elif kind is str:
            yield from _text_problems(entry[key], f"{where}: {key}")


def _text_problems(text: str, where: str) -> Iterator[str]:
    plain, *rest = text.split("`")
    if not text.strip():
        yield f"{where} must not be empty"
    if len(rest) % 2:
        yield f"{where} must close each backtick, got {text!r}"
    plain += "".join(rest[1::2])
    if found := [mark for mark in MARKUP if mark in plain]:
        yield f"{where} must be plain text and `code`, got {found[0]!r} in {text!r}"


def _tied(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        key: TIED.sub("\N{NO-BREAK SPACE}", value.strip()) if isinstance(value, str) else value
        for key, value in entry.items()
    }


def as_html(text: str) -> str:
    """Return plain text with `code` as HTML."""
    parts = (escape(part, quote=False) for part in text.split("`"))
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _hash(question: Question) -> str:
    """Return a digest of a text; when it changes, a browser forgets the answer."""
    text = json.dumps(asdict(question), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

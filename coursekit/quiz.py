"""Quizzes: questions whose every choice is explained, one readable file for each chapter.

A quiz is a list in ``coursekit/quizzes/<chapter>.yml``; `show` makes it a live figure, which grades
in the browser. Without JavaScript and in print the same text stands with its answers at the end.
"""

import hashlib
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

import yaml

from coursekit import live

FOLDER = Path(__file__).parent / "quizzes"
QUESTION_KEYS = {"id": str, "question": str, "several": bool, "choices": list}
CHOICE_KEYS = {"text": str, "right": bool, "why": str}
OPTIONAL = {"several", "right"}
MARKUP = ("$", "**", "](", "{", "}")  # of Markdown; a quiz is plain text
TIED = re.compile(r" (?=[×%])|(?<=×) ")  # 64 × 64 and 97 % stay on one line

ITEM = '<li style="margin-bottom: 0.8rem;">'
LETTERS = '<ol style="list-style-type: upper-alpha;">'


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
    """Return the questions of the quiz `name`, for example ``"04_lenet"``.

    Raises:
        ValueError: if there is no such quiz, or it breaks a rule; the message names the file, the
            question and the rule.
    """
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}, got {name!r}")
    return parse((FOLDER / f"{name}.yml").read_text(encoding="utf8"), where=f"{name}.yml")


def parse(text: str, where: str) -> list[Question]:
    """Return the questions that a YAML text lists; `where` names it in errors.

    Raises:
        ValueError: if a rule is broken.
    """
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{where}: a quiz must be a list of questions")
    questions = [
        _question(entry, f"{where}, {_id_of(entry) or f'entry {number}'}")
        for number, entry in enumerate(entries, 1)
    ]
    for identifier, count in Counter(question.id for question in questions).items():
        if count > 1:
            raise ValueError(f"{where}, {identifier}: the id must be unique, used {count} times")
    return questions


def show(name: str) -> live.LiveFigure:
    """Return the quiz `name` as a live figure; errors are those of `read`."""
    questions = read(name)
    data = {"quiz": name, "questions": [asdict(q) | {"hash": _hash(q)} for q in questions]}
    return live.show("quiz", data, fallback(questions))


def fallback(questions: list[Question]) -> str:
    """Return the quiz as HTML: all questions, then all answers with every explanation."""
    asked, answered = [], []
    for question in questions:
        choices = "".join(f"<li>{_html(choice.text)}</li>" for choice in question.choices)
        note = " Choose all that are right." if question.several else ""
        asked.append(f"{ITEM}{_html(question.question)}{note}{LETTERS}{choices}</ol></li>")
        words = ["Right." if choice.right else "Wrong." for choice in question.choices]
        reasons = "".join(
            f"<li><strong>{word}</strong> {_html(choice.why)}</li>"
            for word, choice in zip(words, question.choices, strict=True)
        )
        letters = ", ".join(
            chr(ord("A") + i) for i, choice in enumerate(question.choices) if choice.right
        )
        answered.append(f"{ITEM}<strong>{letters}</strong>{LETTERS}{reasons}</ol></li>")
    return f"<ol>{''.join(asked)}</ol><p><strong>Answers</strong></p><ol>{''.join(answered)}</ol>"


def _id_of(entry: object) -> str | None:
    found = entry.get("id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else None


def _question(entry: object, where: str) -> Question:
    _check_keys(entry, QUESTION_KEYS, where)
    choices = []
    for letter, choice in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", entry["choices"], strict=False):
        _check_keys(choice, CHOICE_KEYS, f"{where}, choice {letter}")
        choices.append(Choice(**_tied(choice)))
    question = Question(**{**_tied(entry), "choices": tuple(choices)})
    texts = [choice.text for choice in choices]
    num_right = sum(choice.right for choice in choices)
    if len(texts) < 2:
        raise ValueError(f"{where}: a question must have two choices or more, got {len(texts)}")
    if len(set(texts)) < len(texts):
        raise ValueError(f"{where}: the choices must differ, got {texts}")
    if num_right == 0:
        raise ValueError(f"{where}: a choice must be right, got none")
    if num_right > 1 and not question.several:
        raise ValueError(f"{where}: one choice may be right without `several`, got {num_right}")
    return question


def _check_keys(entry: object, keys: dict[str, type], where: str) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: must have the keys {', '.join(keys)}, got {entry!r}")
    if unknown := [str(key) for key in entry if key not in keys]:
        raise ValueError(f"{where}: keys must be {', '.join(keys)}, got {', '.join(unknown)}")
    for key, kind in keys.items():
        if key not in entry:
            if key not in OPTIONAL:
                raise ValueError(f"{where}: {key} is missing")
        elif not isinstance(entry[key], kind):
            hint = "; put it in quotes" if kind is str else ""
            raise ValueError(f"{where}: {key} must be a {kind.__name__}, got {entry[key]!r}{hint}")
        elif kind is str:
            _check_text(entry[key], f"{where}: {key}")


def _check_text(text: str, where: str) -> None:
    plain, *rest = text.split("`")
    if not text.strip():
        raise ValueError(f"{where} must not be empty")
    if len(rest) % 2:
        raise ValueError(f"{where} must close each backtick, got {text!r}")
    plain += "".join(rest[1::2])
    if found := [mark for mark in MARKUP if mark in plain]:
        raise ValueError(f"{where} must be plain text and `code`, got {found[0]!r} in {text!r}")


def _tied(entry: dict) -> dict:
    return {
        key: TIED.sub("\N{NO-BREAK SPACE}", value.strip()) if isinstance(value, str) else value
        for key, value in entry.items()
    }


def _html(text: str) -> str:
    """Return plain text with `code` as HTML."""
    parts = (escape(part, quote=False) for part in text.split("`"))
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _hash(question: Question) -> str:
    """Return what changes when the text does; a browser then forgets the answer."""
    text = json.dumps(asdict(question), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

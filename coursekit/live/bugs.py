"""Find the bug: short programs of the bug museum, what they print, and four causes of each.

The rounds are in ``bugs.yml``. Each has the keys of a quiz question, its exhibit, and the code,
which is run when the figure is made: its output is the real one.
"""

import io
from contextlib import redirect_stdout
from html import escape
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn
from torch.nn import functional as F

from coursekit import live, quiz

FILE = Path(__file__).with_suffix(".yml")
QUESTION_KEYS = ("id", "question", "choices")


def figure() -> live.LiveFigure:
    """Return the game; errors in the file are those of `quiz.parse`."""
    entries = yaml.safe_load(FILE.read_text(encoding="utf8"))
    plain = [{key: entry[key] for key in QUESTION_KEYS} for entry in entries]
    questions = quiz.parse(yaml.safe_dump(plain, allow_unicode=True), where=FILE.name)
    rounds: list[dict[str, Any]] = []
    fallback = ""
    for entry, question in zip(entries, questions, strict=True):
        printed, link = output_of(entry["code"]), f"#{entry['anchor']}"
        exhibit = f"Exhibit {entry['exhibit']}: {entry['title']}"
        choices = [vars(choice) for choice in question.choices]
        shown = {"code": entry["code"].strip(), "printed": printed}
        about = {"exhibit": exhibit, "link": link, "question": question.question}
        rounds.append({**shown, **about, "choices": choices})
        blocks = "<p>It prints</p>".join(f"<pre>{escape(text)}</pre>" for text in shown.values())
        answer = f'<p><a href="{link}">{escape(exhibit)}</a></p>'
        fallback += blocks + quiz.fallback([question]) + answer
    return live.show("bugs", {"rounds": rounds}, fallback)


def output_of(code: str) -> str:
    """Run the program of a round, and return what it prints, or its exception as one line.

    The page's own random numbers stay as they were.
    """
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            exec(code, {"torch": torch, "nn": nn, "F": F})
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=printed)
    return printed.getvalue().strip()

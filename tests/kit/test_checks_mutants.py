"""Mutants of the reference solutions: the checkers refuse nearly all of them."""

import re
import warnings
from pathlib import Path

import nbformat
import pytest
import shorter
from answers import in_process
from mutants import mutants
from notebooks import SOLUTION

from coursekit import checks
from coursekit.checks.engine import sandbox
from coursekit.checks.engine.functions import FunctionQuestion

ROOT = Path(__file__).parents[2]
ASKED = re.compile(r'^check\("(?P<question>[\w.-]+)", (?P<name>\w+)\)\s*$', re.MULTILINE)
IMPORT = re.compile(r"^(?:import|from) (?!subprocess)[^(\n]*(?:\([^)]*\))?", re.MULTILINE)
REFUSED = 0.95  # of all mutants together


def solved_functions():
    """(question, name, source of the cell without its check, set-up imports) of each solution."""
    for path in sorted((ROOT / "solutions").glob("*.ipynb")):
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        imports = "\n".join(found for cell in cells for found in IMPORT.findall(cell.source))
        for cell in cells:
            match = ASKED.search(cell.source)
            question = match and checks.QUESTIONS.get(match["question"])
            if isinstance(question, FunctionQuestion) and SOLUTION.search(cell.source):
                yield match["question"], match["name"], ASKED.sub("", cell.source), imports


SOLVED = list(solved_functions())


def judge(question, name, source, imports):
    """The verdict on what the source defines; None if it does not even define it."""
    space = {}
    try:
        exec(imports + "\n" + source, space)
    except Exception:
        return None
    return checks.check(question, space.get(name))


def test_every_function_that_is_asked_for_is_found_in_a_solution():
    asked = {n for n, q in checks.QUESTIONS.items() if isinstance(q, FunctionQuestion)}
    solved = {question for question, *_ in SOLVED}
    assert solved <= asked if shorter.REMOVED else solved == asked


@in_process()
def test_the_solution_itself_is_right():
    assert [solved[0] for solved in SOLVED if not judge(*solved)] == []


@pytest.mark.slow
@in_process()
def test_mutants_of_the_solutions_are_refused(monkeypatch):
    monkeypatch.setattr(sandbox, "TIME_LIMIT_SECONDS", 1.0)  # many mutants loop forever
    counted, alive = 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mutant may do what torch warns of
        for question, name, source, imports in SOLVED:
            for change, text in mutants(source):
                counted += 1
                if judge(question, name, text, imports):
                    alive.append(f"{question}, {change}")
    print(f"{counted - len(alive)} of {counted} mutants refused; alive: {alive}")
    assert counted >= 4 * len(SOLVED)
    assert len(alive) <= (1 - REFUSED) * counted, "\n".join(alive)

"""A question whose answer is a function or a class, compared with a right one on random inputs."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from coursekit.checks.engine import sandbox
from coursekit.checks.engine.questions import Verdict
from coursekit.checks.engine.values import Raised, agrees, difference, name_of, to_plain


def draw_int(generator: torch.Generator, low: int, high: int) -> int:
    """Draw a whole number from `low` to `high`, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


class Excluded(BaseException):
    """Raised where the answer calls an excluded function, or changes its input."""


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns; it must leave its arguments as they are."""
    before = to_plain(arguments)
    result = function(*arguments)
    if not agrees(to_plain(arguments), before):
        raise Excluded("It changes its input, which the caller may still need; work on a copy.")
    return result


class _Excluding(TorchFunctionMode):
    """Raises `Excluded` when torch is asked for one of the named functions."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in self.names:
            text = f"It calls torch's own {func.__name__}; the question is how to do without."
            raise Excluded(text)
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class FunctionQuestion:
    """A question whose answer is a function (or a class), compared with a right one.

    An answer that agrees with a wrong function on every input gets its hint.
    """

    signature: str  # how the function is called, for messages
    reference: Callable[..., Any]
    draw: Callable[[torch.Generator], tuple[Any, ...]]  # makes random arguments
    praise: str
    hints: Mapping[Callable[..., Any], str]
    rounds: int = 20  # random inputs
    observe: Callable[..., Any] = call  # observe(function, *arguments) is what is compared
    also_right: tuple[Callable[..., Any], ...] = ()  # where one observes something else
    excluded: tuple[str, ...] = ()  # functions of torch that the answer must not call

    def judge(self, answer: object) -> Verdict:
        if not callable(answer):
            kind = name_of(sandbox.plain(answer))
            return Verdict(False, f"The answer should be a function {self.signature}, got {kind}.")
        try:
            return self.compare(self.collect(answer))
        except sandbox.Stopped as stopped:
            return Verdict(False, str(stopped))

    @sandbox.undisturbed()
    def collect(self, answer: Callable[..., Any]) -> list[Any]:
        """Return what the answer does with each input, as plain data; errors of `sandbox.run`."""
        return sandbox.run([partial(self._observe, answer, n) for n in range(self.rounds)])

    @sandbox.undisturbed()
    def compare(self, found: Sequence[Any]) -> Verdict:
        """Judge what `collect` returned, perhaps in another process."""
        numbers = range(self.rounds)
        expected = [self._known(self.reference, number) for number in numbers]
        if all(isinstance(value, Raised) for value in expected):
            return Verdict(False, "The checker itself ran out of time or memory; run it again.")

        def behaves_as(function: Callable[..., Any]) -> bool:
            return all(agrees(found[number], self._known(function, number)) for number in numbers)

        if any(map(behaves_as, (self.reference, *self.also_right))):
            return Verdict(True, self.praise)
        for mistake, hint in self.hints.items():
            if behaves_as(mistake):
                return Verdict(False, hint)
        number = next(number for number in numbers if not agrees(found[number], expected[number]))
        wrong = found[number]
        if wrong is None:
            return Verdict(False, "Your function returned nothing (None).")
        if isinstance(wrong, Raised):
            is_excluded = wrong.kind == Excluded.__name__
            return Verdict(False, wrong.text if is_excluded else f"Your function raised {wrong}")
        described = difference(wrong, expected[number])
        return Verdict(False, f"On random input number {number + 1}, {described}.")

    @cached_property
    def _inputs(self) -> list[tuple[Any, ...]]:
        generator = torch.Generator().manual_seed(0)
        return [self.draw(generator) for _ in range(self.rounds)]

    @cached_property
    def _cache(self) -> dict[tuple[Callable[..., Any], int], Any]:
        return {}

    def _known(self, function: Callable[..., Any], number: int) -> Any:
        """Return what one of the question's own functions does with an input; computed once."""
        key = function, number
        if key not in self._cache:
            arguments = copy.deepcopy(self._inputs[number])
            seen = sandbox.observe(lambda: self.observe(function, *arguments))
            if isinstance(seen, Raised):
                return seen  # perhaps for lack of memory, so not cached
            self._cache[key] = seen
        return self._cache[key]

    def _observe(self, answer: Callable[..., Any], number: int) -> Any:
        with _Excluding(self.excluded) if self.excluded else nullcontext():
            return self.observe(answer, *copy.deepcopy(self._inputs[number]))

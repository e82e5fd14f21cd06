"""Exercise 7: the residual block broken, fixed, with option A, and as the identity."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from coursekit.checks.engine.functions import FunctionQuestion, draw_int
from coursekit.checks.engine.hints import true_statements
from coursekit.checks.engine.modules import observe_module
from coursekit.checks.engine.questions import ChoiceQuestion, NumberQuestion, Question
from coursekit.checks.residual.mistakes import BLOCK_MISTAKES, OPTION_A_MISTAKES
from dlvlib.models.blocks import Residual, make_shortcut
from dlvlib.profile import cost

SIGNED_VALUES = (-2.0, -0.5, 0.0, 1.0, 3.0)  # what enters the block of question `negative`


def _draw_block(generator: torch.Generator) -> tuple[int, Tensor]:
    channels = draw_int(generator, 3, 7)
    return channels, torch.randn(2, channels, 5, 6, generator=generator)


def _draw_option_a(generator: torch.Generator) -> tuple[int, int, int, Tensor]:
    """Channels equal or not, stride 1 to 3, maps."""
    in_channels, others, stride = torch.randint(1, 4, (3,), generator=generator).tolist()
    in_channels += 1
    out_channels = in_channels if others == 1 else in_channels + others
    maps = torch.randn(2, in_channels, 7, 8, generator=generator)
    return in_channels, out_channels, stride, maps


def _projection_params(
    in_channels: int, out_channels: int, *, window: int = 1, norm: bool = True, bias: bool = False
) -> int:
    maps = (in_channels, window, window)
    conv = cost.conv2d(maps, out_channels, window, bias=bias)
    return conv.params + norm * cost.batch_norm(conv.output_shape).params


def _shortcut_params(in_channels: int, out_channels: int, stride: int, option: str) -> int:
    if option == "C":
        return _projection_params(in_channels, out_channels)
    kind = {"A": "pad", "B": "projection"}[option]
    shortcut = make_shortcut(kind, in_channels, out_channels, stride)
    return sum(parameter.numel() for parameter in shortcut.parameters()) if shortcut else 0


def _recount(**options: Any) -> Callable[[int, int, int, str], int]:
    """The count with another projection."""
    return lambda i, o, s, option: (
        _projection_params(i, o, **options) if _shortcut_params(i, o, s, option) else 0
    )


def _draw_option(generator: torch.Generator) -> tuple[int, int, int, str]:
    in_channels, times, stride, option = torch.randint(1, 7, (4,), generator=generator).tolist()
    out_channels = in_channels * (1 + times % 2)
    return in_channels, out_channels, 1 + stride % 2, "ABC"[option % 3]


_VALUES = torch.tensor(SIGNED_VALUES)

QUESTIONS: dict[str, Question] = {
    "silent": ChoiceQuestion(
        expected=frozenset("cde"),
        options=tuple("abcdef"),
        praise="Nothing warns you of these three. Only a test finds them.",
        hints={
            frozenset("abf"): "Those stop with an error. The question asks for the others.",
            frozenset("abcdef"): "All six are wrong, but three of them stop with an error.",
            frozenset("ce"): "One is missing: which draft computes something and throws it away?",
            frozenset("cd"): "One is missing: which draft never uses its input again?",
            frozenset("de"): "One is missing: in which draft can the branch only add?",
            frozenset("bcde"): "Without padding the branch shrinks: does the sum still fit?",
            frozenset("cdef"): "Can 32 channels be added to 16?",
            frozenset("acde"): "Does nn.Conv2d have a default kernel size?",
        },
    ),
    "block": FunctionQuestion(
        signature="Block(channels)",
        reference=lambda channels: Residual(channels, channels),
        draw=_draw_block,
        observe=observe_module,
        rounds=5,
        praise="Shapes, parameters and outputs agree with dlvlib's block.",
        hints=BLOCK_MISTAKES,
    ),
    "option_a": FunctionQuestion(
        signature="PadBlock(in_channels, out_channels, stride)",
        reference=lambda i, o, s: Residual(i, o, stride=s, shortcut="pad"),
        draw=_draw_option_a,
        observe=observe_module,
        rounds=5,
        praise="The shortcut has no parameters, whatever the shape does.",
        hints=OPTION_A_MISTAKES,
    ),
    "start": true_statements(
        {"conv2", "norm2"},
        "The first half still passes something on, so the gradient finds a way in.",
        {
            "conv1": "Look at conv1 again: what reaches the second half, and what comes back "
            "through the ReLU?",
            "norm1": "Look at norm1 again: the ReLU then gets 0 everywhere. Which gradient does "
            "it pass back?",
            "conv2": "Look at conv2 again: its gradient depends on what it reads, not on its own "
            "weights.",
            "norm2": "Look at norm2 again: which of the parameters has a gradient at the first "
            "step already?",
        },
    ),
    "negative": NumberQuestion(
        expected=_VALUES.relu().sum().item(),
        praise="The last ReLU removes what was negative: the block returns ReLU(x).",
        unit="the sum of the five values that come out",
        hints={
            _VALUES.sum().item(): "That is the sum of what enters. A ReLU follows the addition.",
            0.0: "That is the branch alone. The shortcut adds the input.",
            _VALUES.abs().sum().item(): "ReLU sets negative values to 0; it does not flip their "
            "sign.",
            (-_VALUES).relu().sum().item(): "ReLU keeps the positive values, not the negative.",
            _VALUES.relu().mean().item(): "That is the mean; give the sum.",
        },
    ),
    "shortcut_params": FunctionQuestion(
        signature="shortcut_params(in_channels, out_channels, stride, option)",
        reference=_shortcut_params,
        draw=_draw_option,
        rounds=40,
        praise="A is free, B pays where the shape changes, C pays at every block.",
        hints={
            _recount(norm=False): "The normalisation after the projection has a gamma and a beta "
            "for each channel.",
            _recount(bias=True): "A convolution before a normalisation has no bias.",
            _recount(bias=True, norm=False): "It has a bias where gamma and beta belong.",
            _recount(window=3): "The projection is 1×1, not 3×3.",
            lambda i, o, s, option: _shortcut_params(
                i, o, s, option.replace("B", "C")
            ): "Option B keeps the identity where the shape stays the same.",
            lambda i, o, s, option: _shortcut_params(
                i, o, s, option.replace("C", "B")
            ): "Option C projects at every block, needed or not.",
            lambda i, o, s, option: _shortcut_params(
                i, o, s, option.replace("A", "B")
            ): "Option A has no parameters: it takes every second pixel and adds channels of "
            "zeros.",
            lambda i, o, s, option: _shortcut_params(
                i, o, 1 if option == "B" else s, option
            ): "Option B projects for a stride too, even if the channels stay.",
            lambda i, o, s, option: (
                _shortcut_params(i, o, s, option) + 2 * o * (_shortcut_params(i, o, s, option) > 0)
            ): "Running mean and variance are buffers, not parameters.",
        },
    ),
}

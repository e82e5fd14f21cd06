"""Exercise 5: how far a layer sees, by hand, by a recurrence, and in practice."""

from functools import partial

import torch

from coursekit.checks.engine.functions import FunctionQuestion, draw_int
from coursekit.checks.engine.hints import distinct, subsets
from coursekit.checks.engine.questions import ChoiceQuestion, NumberQuestion
from coursekit.checks.receptive_field import mistakes as field_mistakes
from coursekit.checks.receptive_field.networks import ALEXNET, LENET, VGG19, Network
from dlvlib.profile import cost, receptive_field

IMAGE_SIZE = 224  # of VGG


def _size(network: Network, layer: str, praise: str) -> NumberQuestion:
    """The question: how many pixels wide is the field of this layer?"""
    windows = list(network.values())[: list(network).index(layer) + 1]
    expected = receptive_field.grow(windows)[-1].size
    below = receptive_field.grow(windows)[-2].size
    mistakes = [(sizes(windows)[-1], hint) for hint, sizes in field_mistakes.SIZES.items()]
    mistakes += [
        (field_mistakes.padded(windows)[-1], "Padding moves a field; it does not enlarge it."),
        (below, "That is the field of the layer below."),
        (expected**2, "That is the area; give the side."),
    ]
    unit = "the side of the field, in pixels"
    return NumberQuestion(expected, praise, distinct(expected, mistakes), unit)


def _stack_depth() -> NumberQuestion:
    fields = [field.size for field in receptive_field.grow([(3,)] * 9)]
    return NumberQuestion(
        expected=fields.index(7) + 1,
        praise="Each further layer adds one pixel on both sides.",
        unit="the number of 3x3 layers",
        hints={
            2: f"Two layers see {fields[1]} pixels in a row.",
            4: f"Four layers see {fields[3]} pixels in a row.",
            6: "Each layer adds one pixel on both sides, so two in all.",
            7 / 3: "Windows overlap: their sizes do not add up.",
            7: f"Seven layers see {fields[6]} pixels in a row.",
        },
    )


def _stack_weights() -> NumberQuestion:
    maps = (256, 56, 56)
    small = cost.conv2d(maps, 256, 3, padding=1, bias=False)
    biased = cost.conv2d(maps, 256, 3, padding=1)
    mistakes = [
        (small.params, "That is one layer; how many are stacked?"),
        (3 * biased.params, "No biases here."),
        (3 * small.params // 256, "Each kernel reaches through all 256 input channels."),
        (3 * small.params // 256**2, "That is for one input and one output channel."),
        (small.params // 3, "A 3x3 window has nine weights for each pair of channels, not three."),
        (cost.conv2d(maps, 256, 7, padding=3, bias=False).params, "That is the 7x7 layer."),
        (3 * small.macs, "Those are MACs; count each weight once."),
    ]
    expected = 3 * small.params
    return NumberQuestion(
        expected=expected,
        praise="The size of the maps plays no part.",
        unit="the number of weights of the whole stack",
        hints=distinct(expected, mistakes),
    )


def _first_to_see() -> ChoiceQuestion:
    names, fields = list(VGG19), receptive_field.grow(VGG19.values())
    first = next(n for n, f in zip(names, fields, strict=True) if f.size >= IMAGE_SIZE)
    index = names.index(first)
    hints = dict.fromkeys(names[:index], "Its field is narrower than the image.")
    hints[names[index - 1]] = "Close, but its field is still narrower than the image."
    hints |= dict.fromkeys(names[index + 1 :], "It sees that much, but a layer below it does too.")
    hints["dense1"] = "It sees the whole image, as in any of these networks; was it the first?"
    return ChoiceQuestion(
        expected=frozenset({first}),
        options=tuple(names),
        praise="VGG-19 sees the whole image before its dense layers; VGG-16 does not.",
        hints={frozenset({name}): hint for name, hint in hints.items()},
    )


STATEMENTS = {  # letter in the notebook: whether it holds, the hint for who got it wrong
    "a": (True, "Look at (a) again: is there a path from outside the field to the value?"),
    "b": (
        False,
        "Look at (b) again: what do an inactive ReLU and a max pooling's losers pass on?",
    ),
    "c": (
        True,
        "Look at (c) again: count the paths from a pixel in the middle, and from a corner.",
    ),
    "d": (False, "Look at (d) again: which of size, jump and start does the padding change?"),
    "e": (True, "Look at (e) again: for which layers does a stride multiply the jump?"),
    "f": (False, "Look at (f) again: is what can matter the same as what does matter?"),
}


def _statements() -> ChoiceQuestion:
    """Every wrong choice gets the hint of the first statement that it judges wrongly."""
    letters = tuple(STATEMENTS)
    expected = frozenset(letter for letter, (holds, _) in STATEMENTS.items() if holds)
    wrong = [chosen for chosen in subsets(letters) if chosen != expected]
    return ChoiceQuestion(
        expected=expected,
        options=letters,
        praise="The theoretical field can matter, the effective field does.",
        hints={chosen: STATEMENTS[min(chosen ^ expected)][1] for chosen in wrong},
    )


def _draw_windows(generator: torch.Generator) -> tuple[list[tuple[int, int]]]:
    """A random stack of 2 to 6 layers."""
    return ([window[:2] for window in _draw_padded(generator)[0]],)


def _draw_padded(generator: torch.Generator) -> tuple[list[tuple[int, int, int]], int]:
    """A random stack of 2 to 6 layers, with padding, and the index of an output."""
    draw = partial(draw_int, generator)
    windows = [(draw(1, 7), draw(1, 3), draw(0, 3)) for _ in range(draw(2, 6))]
    return windows, draw(0, 9)


QUESTIONS: dict[str, NumberQuestion | ChoiceQuestion | FunctionQuestion] = {
    "lenet_conv2": _size(LENET, "conv2", "Its neighbours lie two pixels apart, so it adds eight."),
    "lenet_dense1": _size(LENET, "dense1", "That is the whole image of LeNet."),
    "alexnet_conv2": _size(ALEXNET, "conv2", "Two strides, of 4 and 2, make its steps so wide."),
    "stack_depth": _stack_depth(),
    "stack_weights": _stack_weights(),
    "field_sizes": FunctionQuestion(
        signature="field_sizes(windows)",
        reference=lambda windows: [field.size for field in receptive_field.grow(windows)],
        draw=_draw_windows,
        praise="It agrees with the reference on 20 random stacks.",
        mistakes={
            **field_mistakes.SIZES,
            "It returns the last field only; give one for each layer.": lambda windows: (
                receptive_field.grow(windows)[-1].size
            ),
            "Give the fields of the layers only: that of the image, 1, is not asked for.": (
                lambda windows: [1, *(field.size for field in receptive_field.grow(windows))]
            ),
        },
    ),
    "first_to_see": _first_to_see(),
    "pixels_seen": FunctionQuestion(
        signature="pixels_seen(windows, index)",
        reference=field_mistakes.seen,
        draw=_draw_padded,
        praise="It agrees with the reference on 20 random stacks.",
        mistakes=field_mistakes.SEEN,
    ),
    "statements": _statements(),
    "effective_growth": ChoiceQuestion(
        expected=frozenset({"root"}),
        options=("constant", "root", "linear", "square"),
        praise="Four times as many layers spread the influence twice as far.",
        hints={
            frozenset({"linear"}): "That is the theoretical field; influence spreads more slowly.",
            frozenset({"constant"}): "It does grow: each layer adds a small step.",
            frozenset({"square"}): "Not even the theoretical field grows like this.",
        },
    ),
}

"""Exercise 5: how far a layer sees, by hand, by a recurrence, and in practice."""

from functools import partial

import torch

from coursekit.checks.engine.functions import FunctionQuestion, draw_int
from coursekit.checks.engine.hints import distinct, true_statements
from coursekit.checks.engine.questions import ChoiceQuestion, NumberQuestion
from coursekit.checks.receptive_field import mistakes as field_mistakes
from coursekit.checks.receptive_field.networks import CAREFUL, OVERLAPPING, VGG19, Network
from dlvlib.profile import cost, receptive_field

IMAGE_SIZE = 224  # of VGG
STACK, LARGE, CHANNELS = 5, 13, 128  # question 3: windows of 5x5 against one of 13x13
NUM_LAYERS = 8  # question 8: of 5x5


def _size(network: Network, layer: str, known: tuple[int, str], praise: str) -> NumberQuestion:
    """The question: how many pixels wide is the field of this layer?

    `known` is the field of the original network, which the chapters print, with the hint.
    """
    windows = list(network.values())[: list(network).index(layer) + 1]
    expected = receptive_field.grow(windows)[-1].size
    below = receptive_field.grow(windows)[-2].size
    mistakes = [known]
    mistakes += [(sizes(windows)[-1], hint) for sizes, hint in field_mistakes.SIZES.items()]
    mistakes += [
        (field_mistakes.padded(windows)[-1], "Padding moves a field; it does not enlarge it."),
        (below, "That is the field of the layer below."),
        (expected**2, "That is the area; give the side."),
    ]
    unit = "the side of the field, in pixels"
    return NumberQuestion(expected, praise, distinct(expected, mistakes), unit)


def _stack_depth() -> NumberQuestion:
    fields = [field.size for field in receptive_field.grow([(STACK,)] * LARGE)]
    return NumberQuestion(
        expected=fields.index(LARGE) + 1,
        praise="Each further layer adds two pixels on both sides.",
        unit="the number of 5x5 layers",
        hints={
            2: f"Two layers see {fields[1]} pixels in a row.",
            4: f"Four layers see {fields[3]} pixels in a row.",
            6: "So many layers of 3x3 are needed; a 5x5 adds two pixels on both sides.",
            LARGE / STACK: "Windows overlap: their sizes do not add up.",
            LARGE: f"That many layers see {fields[LARGE - 1]} pixels in a row.",
        },
    )


def _stack_weights() -> NumberQuestion:
    maps = (CHANNELS, 56, 56)
    small = cost.conv2d(maps, CHANNELS, STACK, padding=2, bias=False)
    biased = cost.conv2d(maps, CHANNELS, STACK, padding=2)
    large = cost.conv2d(maps, CHANNELS, LARGE, padding=6, bias=False)
    mistakes = [
        (small.params, "That is one layer; how many are stacked?"),
        (3 * biased.params, "No biases here."),
        (3 * small.params // CHANNELS, "Each kernel reaches through all 128 input channels."),
        (3 * small.params // CHANNELS**2, "That is for one input and one output channel."),
        (
            3 * small.params // STACK,
            "A 5x5 window has 25 weights for each pair of channels, not five.",
        ),
        (large.params, "That is the 13x13 layer."),
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
        praise="The last convolution of VGG-19 gets there; in VGG-16 none does.",
        hints={frozenset({name}): hint for name, hint in hints.items()},
    )


def _whole_width() -> NumberQuestion:
    """How many of the 14 values in a row of conv5_4 see all pixels from the first to the last?"""
    windows = list(VGG19.values())[: list(VGG19).index("conv5_4") + 1]
    seen = [field_mistakes.seen(windows, index) for index in range(14)]
    reach = [(first <= 0, last >= IMAGE_SIZE - 1) for first, last in seen]
    expected = sum(left and right for left, right in reach)
    mistakes = [
        (14, "All fields are wide enough, but which of them begin at pixel 0 or before?"),
        (sum(left for left, _ in reach), "Look at both ends: the last pixel, 223, counts too."),
        (expected**2, "That is in the whole map; count those in one row."),
        (0, "Look at the values in the middle of the row."),
        (1, "There is no single value in the middle of 14."),
    ]
    return NumberQuestion(
        expected=expected,
        praise="Only the two in the middle; every other field misses one end of the image.",
        unit="the number of values, of 14 in a row",
        hints=distinct(expected, mistakes),
    )


def _effective_spread() -> NumberQuestion:
    """The spread of the paths: the root of the variance of one step, times the layers."""
    reach = STACK // 2
    variance = sum(step**2 for step in range(-reach, reach + 1)) / STACK
    expected = (NUM_LAYERS * variance) ** 0.5
    mistakes = [
        ((NUM_LAYERS * 2 / 3) ** 0.5, "That is for windows of 3: here a step goes from -2 to 2."),
        (NUM_LAYERS * variance, "That is the variance; the standard deviation is its root."),
        (
            NUM_LAYERS * variance**0.5,
            "The variances of independent steps add up, not their roots.",
        ),
        (variance**0.5, "That is the spread of one layer; there are eight."),
        (1 + NUM_LAYERS * (STACK - 1), "That is the theoretical field, in which few paths end."),
        (
            (NUM_LAYERS * variance * STACK / (STACK - 1)) ** 0.5,
            "The five steps are all there are, not a sample: divide by 5, not by 4.",
        ),
    ]
    return NumberQuestion(
        expected=expected,
        praise="The field is 33 pixels wide, and most paths end within four of its middle.",
        unit="the standard deviation, in pixels",
        hints=distinct(expected, mistakes),
    )


def _draw_dilated(generator: torch.Generator) -> tuple[list[tuple[int, int, int]]]:
    """A random stack of 2 to 6 layers, with dilations."""
    draw = partial(draw_int, generator)
    return ([(draw(1, 7), draw(1, 3), draw(1, 4)) for _ in range(draw(2, 6))],)


def _of_dilated(sizes: field_mistakes.Sizes) -> field_mistakes.Sizes:
    """The same sizes, for windows of (kernel, stride, dilation)."""
    return lambda windows: sizes([(kernel, stride, 0, more) for kernel, stride, more in windows])


def _sizes(windows: field_mistakes.Windows) -> list[int]:
    return [field.size for field in receptive_field.grow(windows)]


def _draw_padded(generator: torch.Generator) -> tuple[list[tuple[int, int, int]], int]:
    """A random stack of 2 to 6 layers, with padding, and the index of an output."""
    draw = partial(draw_int, generator)
    windows = [(draw(1, 7), draw(1, 3), draw(0, 3)) for _ in range(draw(2, 6))]
    return windows, draw(0, 9)


QUESTIONS: dict[str, NumberQuestion | ChoiceQuestion | FunctionQuestion] = {
    "lenet_conv2": _size(
        OVERLAPPING,
        "conv2",
        (14, "That is LeNet itself; here its poolings are 3x3."),
        "Only the pooling sees a pixel more; the step of two is as before.",
    ),
    "lenet_dense1": _size(
        OVERLAPPING,
        "dense1",
        (32, "That is LeNet itself; here its poolings are 3x3."),
        "The image has 32: no value of this layer sees its last row and column.",
    ),
    "alexnet_conv2": _size(
        CAREFUL,
        "conv2",
        (51, "That is AlexNet itself; here its first stride is 2."),
        "Half the first stride, and the field loses 20 of its 51 pixels.",
    ),
    "stack_depth": _stack_depth(),
    "stack_weights": _stack_weights(),
    "field_sizes": FunctionQuestion(
        signature="field_sizes(windows)",
        reference=_of_dilated(_sizes),
        draw=_draw_dilated,
        praise="It agrees with the reference on 20 random stacks.",
        hints={
            _of_dilated(sizes): hint
            for sizes, hint in (field_mistakes.DILATED | field_mistakes.SIZES).items()
        }
        | {
            lambda windows: _of_dilated(_sizes)(windows)[-1]: "It returns the last field only; "
            "give one for each layer.",
            lambda windows: [1, *_of_dilated(_sizes)(windows)]: "Give the fields of the layers "
            "only: that of the image, 1, is not asked for.",
        },
    ),
    "first_to_see": _first_to_see(),
    "pixels_seen": FunctionQuestion(
        signature="pixels_seen(windows, index)",
        reference=field_mistakes.seen,
        draw=_draw_padded,
        praise="It agrees with the reference on 20 random stacks.",
        hints=field_mistakes.SEEN,
    ),
    "whole_width": _whole_width(),
    "statements": true_statements(
        "ace",
        "What is in the theoretical field can matter; what lies near its middle usually does.",
        {
            "a": "Look at (a) again: is there a path from outside the field to the value?",
            "b": "Look at (b) again: what do an inactive ReLU and a max pooling's losers pass on?",
            "c": "Look at (c) again: count the paths from a pixel in the middle, and from a "
            "corner.",
            "d": "Look at (d) again: which of size, jump and start does the padding change?",
            "e": "Look at (e) again: for which layers does a stride multiply the jump?",
            "f": "Look at (f) again: is what can matter the same as what does matter?",
        },
    ),
    "effective_spread": _effective_spread(),
}

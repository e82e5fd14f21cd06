"""Exercise 3: sizes and parameters of LeNet-5, the network itself, and a training run."""

import math
from functools import partial

import torch
from torch import Tensor, nn

from coursekit.checks.engine.functions import FunctionQuestion, draw_int
from coursekit.checks.engine.measured import MeasuredQuestion, accuracy_mistakes
from coursekit.checks.engine.modules import observe_module
from coursekit.checks.engine.questions import NumberQuestion, Question, ShapeQuestion
from dlvlib.models.lenet import LeNet5
from dlvlib.profile import cost

LEAST_ACCURACY = 0.92  # what the page asks of a run of some seconds
UNFLATTENED = "The maps reach the dense layers unflattened."
NUM_TRAIN, NUM_VAL, NUM_TEST = 1221, 216, 360  # the embedded digits, 15 % of train split off


def _output_size(size: int, kernel_size: int, padding: int, stride: int) -> int:
    layer = cost.conv2d((1, size, size), 1, kernel_size, padding=padding, stride=stride)
    return layer.output_shape[1]


def _draw_layer(generator: torch.Generator) -> tuple[int, int, int, int]:
    """Random (size, kernel_size, padding, stride) of a window that fits."""
    draw = partial(draw_int, generator)
    return draw(8, 47), draw(1, 8), draw(0, 3), draw(1, 4)


def _features(size: int, padding: int = 0) -> list[tuple[int, ...]]:
    """Shapes after C1, S2, C3 and S4 for an image of size x size."""
    c1 = cost.conv2d((1, size, size), 6, 5, padding=padding).output_shape
    s2 = cost.max_pool2d(c1, 2).output_shape
    c3 = cost.conv2d(s2, 16, 5, padding=padding).output_shape
    return [c1, s2, c3, cost.max_pool2d(c3, 2).output_shape]


def _lenet(
    num_classes: int,
    *,
    bend: type[nn.Module] = nn.Tanh,
    bend_in_head: bool = True,
    bend_in_convs: bool = True,
    pool: type[nn.Module] = nn.MaxPool2d,
    padding: tuple[int, int] = (0, 0),
    inputs: int = 400,
    flatten: nn.Module | None = None,
    last: nn.Module | None = None,
) -> nn.Module:
    """LeNet-5 with something changed."""
    head_bend = bend if bend_in_head else nn.Identity
    bend = bend if bend_in_convs else nn.Identity
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=padding[0]), bend(), pool(2)),
        *(nn.Conv2d(6, 16, 5, padding=padding[1]), bend(), pool(2)),
        nn.Flatten() if flatten is None else flatten,
        *(nn.Linear(inputs, 120), head_bend(), nn.Linear(120, 84), head_bend()),
        *(nn.Linear(84, num_classes), nn.Identity() if last is None else last),
    )


def _draw_images(generator: torch.Generator) -> tuple[int, Tensor]:
    """Random (num_classes, images of shape (3, 1, 32, 32))."""
    return draw_int(generator, 2, 9), torch.randn(3, 1, 32, 32, generator=generator)


_C1, _S2, _C3, _S4 = _features(32)
_C3_COST = cost.conv2d(_S2, 16, 5)

QUESTIONS: dict[str, Question] = {
    "output_size": FunctionQuestion(
        signature="output_size(size, kernel_size, padding, stride)",
        reference=_output_size,
        draw=_draw_layer,
        praise="It agrees with the reference on 20 random layers.",
        mistakes={
            "One place is missing: a window as large as the image fits once, not zero times.": (
                lambda n, k, p, s: (n + 2 * p - k) // s
            ),
            "It pads one side only; an axis has two ends.": lambda n, k, p, s: (
                (n + p - k) // s + 1
            ),
            "It ignores the padding.": lambda n, k, p, s: (n - k) // s + 1,
            "It ignores the stride.": lambda n, k, p, s: n + 2 * p - k + 1,
            "It rounds up; a last step that does not fit is not made, so round down.": (
                lambda n, k, p, s: math.ceil((n + 2 * p - k) / s) + 1
            ),
            "It divides without rounding; a size is a whole number.": (
                lambda n, k, p, s: (n + 2 * p - k) / s + 1
            ),
            "It adds 1 before it divides; only the steps are divided by the stride.": (
                lambda n, k, p, s: (n + 2 * p - k + 1) // s
            ),
        },
    ),
    "s4_shape": ShapeQuestion(
        expected=_S4,
        praise="These values, flattened, are what the first dense layer reads.",
        hints={
            _S4[::-1]: "The numbers are right; the order is channels first.",
            _C3: "That is C3, before the pooling.",
            _S2: "That is S2, after the first pooling.",
            (6, *_S4[1:]): "Look at the channels: C3 has more kernels than C1.",
            _features(32, padding=2)[3]: "That needs padding. LeNet-5 has none here, so each "
            "convolution loses four pixels.",
            _features(28)[3]: "That starts from 28 pixels; these images have 32.",
            (math.prod(_S4),): "That is the number of values. Give the three axes.",
        },
    ),
    "c3_params": NumberQuestion(
        expected=_C3_COST.params,
        praise="The size of the image is not in it.",
        unit="a whole number of parameters",
        hints={
            cost.conv2d(_S2, 16, 5, bias=False).params: "The biases are missing, one per kernel.",
            cost.conv2d((1, 14, 14), 16, 5).params: "A kernel of C3 reads all the maps of S2, "
            "not one.",
            96 * cost.conv2d((1, 14, 14), 1, 5).params: "A kernel has one bias, however many maps "
            "it reads.",
            cost.conv2d((16, 14, 14), 6, 5).params: "Input and output channels are swapped: the "
            "biases belong to the outputs.",
            _C3_COST.params // 16: "Those are the parameters of one kernel.",
            cost.conv2d((1, 32, 32), 6, 5).params: "That is C1.",
            _C3_COST.macs: "Those are the multiplications. A kernel keeps its weights wherever it "
            "slides.",
            cost.conv2d(_S2, 16, 3).params: "That is for kernels of 3 x 3; these are 5 x 5.",
            60 * 25 + 16: "That is the paper's C3, where most kernels read some of the maps. Here "
            "each reads all.",  # LeCun et al. (1998), table I: 60 connections
        },
    ),
    "network": FunctionQuestion(
        signature="LeNet(num_classes)",
        reference=LeNet5,
        draw=_draw_images,
        observe=observe_module,
        rounds=2,
        praise="With the same weights it gives the same logits as the reference.",
        mistakes={
            "No activations: without them the dense layers collapse into one.": partial(
                _lenet, bend=nn.Identity
            ),
            "The dense layers have no activation between them.": partial(
                _lenet, bend_in_head=False
            ),
            "The convolutions have no activation after them.": partial(
                _lenet, bend_in_convs=False
            ),
            "This is ReLU; LeNet-5 uses tanh.": partial(_lenet, bend=nn.ReLU),
            "This is a sigmoid; LeNet-5 uses tanh.": partial(_lenet, bend=nn.Sigmoid),
            "It pools with the mean; here the largest value is kept.": partial(
                _lenet, pool=nn.AvgPool2d
            ),
            "It ends with a softmax. Return logits: the loss applies the softmax itself.": partial(
                _lenet, last=nn.Softmax(dim=1)
            ),
            "It ends with a log-softmax. Return logits: the loss applies it itself.": partial(
                _lenet, last=nn.LogSoftmax(dim=1)
            ),
            "There is an activation after the last layer; logits may take any value.": partial(
                _lenet, last=nn.Tanh()
            ),
            "C1 is padded, which is for images of 28 pixels; these have 32.": partial(
                _lenet, padding=(2, 0), inputs=576
            ),
            "The convolutions are padded; those of LeNet-5 are not.": partial(
                _lenet, padding=(2, 2), inputs=1024
            ),
            UNFLATTENED: partial(_lenet, flatten=nn.Identity()),
            "It flattens the batch as well; keep the first axis, the images.": partial(
                _lenet, flatten=nn.Flatten(0)
            ),
            "It ignores num_classes and always gives ten logits.": lambda num_classes: _lenet(10),
        },
    ),
    "start_loss": NumberQuestion(
        expected=math.log(10),
        praise="Remember it: a first loss far from it suggests a bug.",
        unit="in nats",
        tolerance=5e-3,
        hints={
            -math.log(10): "That is the logarithm of the probability; the loss has a minus.",
            1 / 10: "That is the probability of the true class; the loss is minus its logarithm.",
            9 / 10: "That is the error of guessing; the loss is minus the logarithm of a "
            "probability.",
            1.0: "That is a logarithm to base 10; use the natural one.",
            math.log2(10): "That is in bits; use the natural logarithm.",
            0.0: "A loss of zero needs a network that is sure and right.",
            10 * math.log(10): "The loss looks at the true class only, not at all ten.",
        },
    ),
    "test_accuracy": MeasuredQuestion(
        mistakes=accuracy_mistakes(
            least=LEAST_ACCURACY, num_test=NUM_TEST, num_train=NUM_TRAIN, num_val=NUM_VAL
        ),
        praise="Your network reads digits that it has never seen.",
        unit="a fraction between 0 and 1",
    ),
}

"""Exercise 3: a relative of LeNet-5: sizes, parameters, the network itself, a training run."""

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

LEAST_ACCURACY = 0.5  # below it, nothing was trained to the end
UNFLATTENED = "The maps reach the dense layers unflattened."
NUM_TRAIN, NUM_VAL, NUM_TEST = 1221, 216, 360  # the embedded digits, 15 % of train split off


def _output_size(size: int, kernel_size: int, padding: int, stride: int) -> int:
    layer = cost.conv2d((1, size, size), 1, kernel_size, padding=padding, stride=stride)
    return layer.output_shape[1]


def _draw_layer(generator: torch.Generator) -> tuple[int, int, int, int]:
    """Random (size, kernel_size, padding, stride) of a window that fits."""
    draw = partial(draw_int, generator)
    return draw(8, 47), draw(1, 8), draw(0, 3), draw(1, 4)


def _features(size: int = 28, padding: int = 0, kernel_size: int = 7) -> list[tuple[int, ...]]:
    """Shapes after C1, S2, C3 and S4 for an image of size x size; the padding is that of both."""
    c1 = cost.conv2d((1, size, size), 8, kernel_size, padding=padding).output_shape
    s2 = cost.max_pool2d(c1, 2).output_shape
    c3 = cost.conv2d(s2, 24, 5, padding=padding).output_shape
    return [c1, s2, c3, cost.max_pool2d(c3, 2).output_shape]


def _lenet(
    num_classes: int,
    *,
    bend: type[nn.Module] = nn.Tanh,
    bend_in_head: bool = True,
    bend_in_convs: bool = True,
    pool: type[nn.Module] = nn.MaxPool2d,
    padding: tuple[int, int] = (0, 0),
    inputs: int = 216,
    flatten: nn.Module | None = None,
    last: nn.Module | None = None,
) -> nn.Module:
    """The network that is asked for, or with something changed."""
    head_bend = bend if bend_in_head else nn.Identity
    bend = bend if bend_in_convs else nn.Identity
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 7, padding=padding[0]), bend(), pool(2)),
        *(nn.Conv2d(8, 24, 5, padding=padding[1]), bend(), pool(2)),
        nn.Flatten() if flatten is None else flatten,
        *(nn.Linear(inputs, 100), head_bend(), nn.Linear(100, 60), head_bend()),
        *(nn.Linear(60, num_classes), nn.Identity() if last is None else last),
    )


def _draw_images(generator: torch.Generator) -> tuple[int, Tensor]:
    """Random (num_classes, images of shape (3, 1, 28, 28))."""
    return draw_int(generator, 2, 9), torch.randn(3, 1, 28, 28, generator=generator)


_C1, _S2, _C3, _S4 = _features()
_C3_COST = cost.conv2d(_S2, 24, 5)
NUM_CLASSES = 36  # ten digits and 26 letters
_FIRST_LOSS = math.log(NUM_CLASSES)

QUESTIONS: dict[str, Question] = {
    "output_size": FunctionQuestion(
        signature="output_size(size, kernel_size, padding, stride)",
        reference=_output_size,
        draw=_draw_layer,
        praise="It agrees with the reference on 20 random layers.",
        hints={
            lambda n, k, p, s: (n + 2 * p - k) // s: "One place is missing: a window as large as "
            "the image fits once, not zero times.",
            lambda n, k, p, s: (n + p - k) // s + 1: "It pads one side only; an axis has two "
            "ends.",
            lambda n, k, p, s: (n - k) // s + 1: "It ignores the padding.",
            lambda n, k, p, s: n + 2 * p - k + 1: "It ignores the stride.",
            lambda n, k, p, s: math.ceil((n + 2 * p - k) / s) + 1: "It rounds up; a last step "
            "that does not fit is not made, so round down.",
            lambda n, k, p, s: (n + 2 * p - k) / s + 1: "It divides without rounding; a size is a "
            "whole number.",
            lambda n, k, p, s: (n + 2 * p - k + 1) // s: "It adds 1 before it divides; only the "
            "steps are divided by the stride.",
        },
    ),
    "s4_shape": ShapeQuestion(
        expected=_S4,
        praise="These values, flattened, are what the first dense layer reads.",
        hints={
            _S4[::-1]: "The numbers are right; the order is channels first.",
            _C3: "That is C3, before the pooling. Or you padded; here nothing is padded.",
            _S2: "That is S2, after the first pooling.",
            (8, *_S4[1:]): "Look at the channels: C3 has more kernels than C1.",
            (16, *_S4[1:]): "LeNet-5 has 16 kernels in C3; this network has another number.",
            _features(padding=2)[3]: "That needs padding. Here is none, so each convolution "
            "loses pixels.",
            _features(kernel_size=5)[3]: "That comes from images of 32 pixels, or from windows of "
            "5 x 5 in C1, or from rounding up; these images have 28.",
            (math.prod(_S4),): "That is the number of values. Give the three axes.",
        },
    ),
    "c3_params": NumberQuestion(
        expected=_C3_COST.params,
        praise="The size of the image is not in it.",
        unit="a whole number of parameters",
        hints={
            cost.conv2d(_S2, 24, 5, bias=False).params: "The biases are missing, one per kernel.",
            cost.conv2d((1, *_S2[1:]), 24, 5).params: "A kernel of C3 reads all the maps of S2, "
            "not one.",
            8 * 24 * cost.conv2d((1, *_S2[1:]), 1, 5).params: "A kernel has one bias, however "
            "many maps it reads.",
            cost.conv2d((24, *_S2[1:]), 8, 5).params: "Input and output channels are swapped: the "
            "biases belong to the outputs.",
            _C3_COST.params // 24: "Those are the parameters of one kernel.",
            cost.conv2d((1, 28, 28), 8, 7).params: "That is C1.",
            _C3_COST.macs: "Those are the multiplications. A kernel keeps its weights wherever it "
            "slides.",
            cost.conv2d(_S2, 24, 3).params: "That is for kernels of 3 x 3; these are 5 x 5.",
            cost.conv2d(_S2, 24, 7).params: "That is for kernels of 7 x 7, the size of C1.",
            cost.conv2d((6, 14, 14), 16, 5).params: "That is the C3 of LeNet-5. This one reads 8 "
            "maps with 24 kernels.",
            60 * 25 + 16: "That is the paper's C3, where most kernels read some of the maps. Here "
            "each reads all.",  # LeCun et al. (1998), table I: 60 connections
        },
    ),
    "network": FunctionQuestion(
        signature="LeNet(num_classes)",
        reference=_lenet,
        draw=_draw_images,
        observe=observe_module,
        rounds=2,
        praise="With the same weights it gives the same logits as the reference.",
        hints={
            partial(_lenet, bend=nn.Identity): "No activations: without them the dense layers "
            "collapse into one.",
            partial(_lenet, bend_in_head=False): "The dense layers have no activation between "
            "them.",
            partial(_lenet, bend_in_convs=False): "The convolutions have no activation after "
            "them.",
            partial(_lenet, bend=nn.ReLU): "This is ReLU; tanh is asked for.",
            partial(_lenet, bend=nn.Sigmoid): "This is a sigmoid; tanh is asked for.",
            partial(_lenet, pool=nn.AvgPool2d): "It pools with the mean; here the largest value "
            "is kept.",
            partial(_lenet, last=nn.Softmax(dim=1)): "It ends with a softmax. Return logits: the "
            "loss applies the softmax itself.",
            partial(_lenet, last=nn.LogSoftmax(dim=1)): "It ends with a log-softmax. Return "
            "logits: the loss applies it itself.",
            partial(_lenet, last=nn.Tanh()): "There is an activation after the last layer; logits "
            "may take any value.",
            partial(_lenet, padding=(2, 0), inputs=384): "C1 is padded by 2, as LeNet-5 on 28 "
            "pixels is; here nothing is padded.",
            partial(_lenet, padding=(3, 2), inputs=1176): "The convolutions are padded; here "
            "nothing is.",
            LeNet5: "This is LeNet-5 itself: here C1 has 8 kernels of 7 x 7, and more differs.",
            partial(_lenet, flatten=nn.Identity()): UNFLATTENED,
            partial(_lenet, flatten=nn.Flatten(0)): "It flattens the batch as well; keep the "
            "first axis, the images.",
            lambda num_classes: _lenet(10): "It ignores num_classes and always gives ten logits.",
        },
    ),
    "start_loss": NumberQuestion(
        expected=_FIRST_LOSS,
        praise="A first loss far from it suggests a bug; a first loss near it proves little.",
        unit="in nats",
        tolerance=5e-3,
        hints={
            -_FIRST_LOSS: "That is the logarithm of the probability; the loss has a minus.",
            1 / NUM_CLASSES: "That is the probability of the true class; the loss is minus its "
            "logarithm.",
            1 - 1 / NUM_CLASSES: "That is the error of guessing; the loss is minus the logarithm "
            "of a probability.",
            _FIRST_LOSS / math.log(10): "That is a logarithm to base 10; use the natural one.",
            _FIRST_LOSS / math.log(2): "That is in bits; use the natural logarithm.",
            0.0: "A loss of zero needs a network that is sure and right.",
            NUM_CLASSES * _FIRST_LOSS: "The loss looks at the true class only, not at all 36.",
            math.log(10): "That is for ten classes; here are ten digits and 26 letters.",
            math.log(26): "That is for the letters alone; the digits are classes too.",
        },
    ),
    "test_accuracy": MeasuredQuestion(
        mistakes=accuracy_mistakes(
            least=LEAST_ACCURACY, num_test=NUM_TEST, num_train=NUM_TRAIN, num_val=NUM_VAL
        ),
        praise="Report it, whatever it is: your network reads digits that it has never seen.",
    ),
}

"""Where an answer can be computed, dlvlib decides which choices of a quiz are right."""

import math

import pytest
import shorter
import torch
from scipy import stats
from torch import nn

from coursekit import quiz
from dlvlib import metrics
from dlvlib.models.alexnet import AlexNet
from dlvlib.models.blocks import Bottleneck, Residual
from dlvlib.models.lenet import LeNet5
from dlvlib.profile import cost, receptive_field, summary

QUESTIONS = {q.id: q for name in quiz.names() for q in quiz.read(name)}
SPACE = "\N{NO-BREAK SPACE}"


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def percent(value):
    return f"{value:.0f}{SPACE}%"


def fails(layer, images):
    try:
        layer(images)
    except RuntimeError:
        return True
    return False


def layers_block():
    layers = [nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(), nn.MaxPool2d(2))


def first_gradient(*, softmax=False):
    """Length of the gradient of ten equal logits; `softmax`: with one before the loss."""
    logits = torch.zeros(1, 10, requires_grad=True)
    scores = logits.softmax(dim=1) if softmax else logits
    nn.functional.cross_entropy(scores, torch.tensor([0])).backward()
    return logits.grad.norm().item()


WRAPPED = {"padding": 1, "padding_mode": "circular", "dtype": torch.double}


def rolls_along(shift):
    """Whether two strided convolutions move their output when the image rolls by `shift`."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, 3, stride=2, **WRAPPED) for _ in range(2)))
    images = torch.rand(1, 1, 16, 16, dtype=torch.double)
    before, after = net(images), net(images.roll(shift, dims=3))
    return any(torch.allclose(before.roll(step, dims=3), after) for step in range(4))


def mean_and_dense(text):
    """Whether a choice holds for a convolution, a global mean and a dense layer."""
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10, dtype=torch.double)]
    net = nn.Sequential(nn.Conv2d(1, 4, 3, **WRAPPED), nn.ReLU(), *head)
    images = torch.rand(1, 1, 8, 8, dtype=torch.double, requires_grad=True)
    logits, rolled = net(images), net(images.roll(3, dims=3))
    (gradient,) = torch.autograd.grad(logits[0, 0], images)
    return {
        "Its answer stays the same when the image is rolled.": torch.allclose(logits, rolled),
        "It takes images of any size.": not fails(net, images.repeat(1, 1, 2, 3)),
        "It can tell an object on the left from the same one on the right.": not torch.allclose(
            logits, rolled
        ),
        "Each logit depends on a part of the image only.": not gradient.all(),
    }[text]


def growth_of_alexnet(image_size):
    """By which factors parameters and MACs of the convolutions grow from images of 224."""
    with torch.device("meta"):
        features = AlexNet().features
    totals = [summary.summarize(features, (3, size, size)) for size in (224, image_size)]
    return totals[1].params / totals[0].params, totals[1].macs / totals[0].macs


def alexnet_params(conv1=96, conv5=256, units=4096):
    """The parameters of AlexNet with one group; conv5=None leaves that layer out."""
    convs = [cost.conv2d((3, 224, 224), conv1, 11), cost.conv2d((conv1, 27, 27), 256, 5)]
    convs += [cost.conv2d((c, 13, 13), 384, 3) for c in (256, 384)]
    convs += [cost.conv2d((384, 13, 13), conv5, 3)] if conv5 else []
    dense = [((conv5 or 384) * 36, units), (units, units), (units, 1000)]
    return sum(x.params for x in convs) + sum(cost.linear((a,), b).params for a, b in dense)


def halved(**change):
    return 0.4 < alexnet_params(**change) / alexnet_params() < 0.6


def field(*windows):
    return receptive_field.grow(windows)[-1].size


def best_of(num_seeds):
    """The expected largest of normal numbers, in standard deviations."""
    x = torch.linspace(-8, 8, 100_001, dtype=torch.double)
    below = torch.special.ndtr(x) ** num_seeds  # the largest is below x
    return (torch.trapezoid((x > 0).double() - below, x)).item()


def power(num_seeds):
    """How often a t-test sees a difference of two standard deviations."""
    freedom = 2 * num_seeds - 2
    bar = stats.t.ppf(0.975, freedom)
    return stats.nct.sf(bar, freedom, 2 * math.sqrt(num_seeds / 2))


# choice: how far the best of its networks lies above 80 % on average, on its images
TRIES = {
    f"with {networks} networks and {images:,} test images": (
        best_of(networks) * math.sqrt(0.8 * 0.2 / images)
    )
    for networks, images in ((100, 10_000), (2, 100), (100, 100))
}


def growth(layer):
    """By which factor the weights of a layer grow from 3 × 3 to 5 × 5."""
    small, large = (layer((64, 8, 8), 512, k, bias=False).params for k in (3, 5))
    return large / small


def saving(channels):
    shape = (channels, 8, 8)
    ordinary = cost.conv2d(shape, 256, 3, bias=False).params
    return ordinary / cost.depthwise_separable(shape, 256, 3, bias=False).params


def trend(before, after):
    return "It stays." if before == after else "It grows." if after > before else "It shrinks."


CONVS = [w for w in Bottleneck(256, 256).parameters() if w.dim() == 4]
DEPTHWISE = percent(100 * (growth(cost.depthwise_separable) - 1))

# question: the text of its only right choice
RIGHT = {
    "softmax.ratio": f"About {math.exp(4):.0f} times.",
    "lenet.kernel-weights": str(LeNet5().features[3].weight[0].numel()),
    "training.last-batch": f"{64 / (1000 % 64):g} times as much.",
    "layers.block-parameters": str(num_params(layers_block())),
    "separable.double-channels": trend(saving(256), saving(512)),
    "separable.larger-window": f"Ordinary nearly threefold, separable by about {DEPTHWISE}.",
    "separable.groups": f"{nn.Conv2d(64, 128, 3, groups=64).weight.numel():,}",
    "family.bottleneck": f"{sum(w.numel() for w in CONVS):,}",
    "family.gain": f"about {0.9**56:.3f}",
    "residual.option-a": str(num_params(Residual(64, 128, stride=2, shortcut="pad").shortcut)),
    "overfitting.many-tries": max(TRIES, key=TRIES.get),
    "transfer.parameters": f"{num_params(nn.Linear(1280, 12)):,}",
}
# question: whether a choice with this text is right
RULES = {
    "metrics.initial-loss": lambda text: text.isdigit() and f"{math.log(int(text)):.1f}" == "4.6",
    "lenet.larger-image": lambda text: (
        ("error in the first dense" in text) == fails(LeNet5(), torch.rand(1, 1, 64, 64))
    ),
    "alexnet.double-size": lambda text: (
        text == "The parameters stay, the MACs grow about fourfold."
        and growth_of_alexnet(448) == (1, pytest.approx(4, rel=0.1))
    ),
    "alexnet.halve-file": lambda text: {
        "half as many maps in conv 1": halved(conv1=48),
        "no conv 5": halved(conv5=None),
        "2,048 instead of 4,096 units in dense layers 1 and 2": halved(units=2048),
    }.get(text, False),
    "layers.two-strides": lambda text: rolls_along(int(text.removeprefix("by "))),
    "layers.mean-and-dense": mean_and_dense,
    "vgg.early-pooling": lambda text: text.startswith(
        trend(
            field(*[(3,)] * 3, *[(2, 2)] * 3),
            field(*[(2, 2)] * 3, *[(3,)] * 3),
        )[:-1]
    ),
    "vgg.padding": lambda text: (
        text == "It leaves it as it is." and field((3, 1, 0)) == field((3, 1, 1))
    ),
    "vgg.stack": lambda text: {
        "a larger receptive field": field((3,), (3,), (3,)) > field((7,)),
        "fewer weights": 3 * num_params(nn.Conv2d(8, 8, 3)) < num_params(nn.Conv2d(8, 8, 7)),
        "three ReLUs instead of one": True,
        "fewer stored values in training": False,
    }[text],
    "fair.best-of-ten": lambda text: (
        "about one and a half standard" in text and round(2 * best_of(10)) == 3
    ),
    "fair.seeds": lambda text: text == "six" and power(5) < 0.8 <= power(6),
}


def asked(identifiers):
    """The questions of the book with these ids: a shorter book may be without their page."""
    missing = set(identifiers) - QUESTIONS.keys()
    assert shorter.REMOVED or not missing
    return [QUESTIONS[name] for name in identifiers if name not in missing]


def test_the_choices_marked_right_are_those_computed():
    torch.manual_seed(0)
    for question in asked(RIGHT):
        assert [c.text for c in question.choices if c.right] == [RIGHT[question.id]]
    assert 2.5 < growth(cost.conv2d) < 3  # nearly threefold
    for question in asked(RULES):
        for choice in question.choices:
            assert bool(RULES[question.id](choice.text)) == choice.right, choice.text


LAST_MAPS = tuple(LeNet5().features(torch.rand(1, 1, 64, 64)).shape[1:])
PERFECT = torch.softmax(1000 * torch.eye(100)[:1], dim=1)  # all probability on the true class

# question: numbers that its explanations name
NAMED = {
    "lenet.larger-image": [
        " × ".join(map(str, LAST_MAPS)),
        f"{math.prod(LAST_MAPS):,}",
        f"{LeNet5().head[1].in_features} values",
    ],
    "lenet.kernel-weights": [f"{LeNet5().features[3].weight.numel():,}"],
    "lenet.initial-loss": ["one part in eight thousand"] * (round(math.exp(9), -3) == 8000),
    "metrics.double-softmax": [f"{metrics.cross_entropy(PERFECT, torch.tensor([0])):.2f}"],
    "training.stuck-loss": ["ten times smaller"]
    * (round(first_gradient() / first_gradient(softmax=True), 3) == 10),
    "training.last-batch": [
        f"{1000 // 64} batches take {1000 - 1000 % 64} scans",
        f"the last holds {1000 % 64}",
    ],
    "layers.block-parameters": [f"{num_params(layers_block()[0])}"],
    "layers.no-activation": [" × ".join([str(field(*[(3,)] * 5))] * 2)],
    "separable.groups": [
        f"{nn.Conv2d(64, 128, 3).weight.numel():,}",
        f"{nn.Conv2d(64, 64, 3, groups=64).weight.numel()}",
    ],
    "residual.option-a": [
        f"{nn.Conv2d(64, 128, 1).weight.numel():,}",
        f"{nn.Conv2d(64, 128, 3).weight.numel():,}",
    ],
    "vgg.stack": [
        f"{3 * nn.Conv2d(1, 1, 3).weight.numel()} C²",
        f"{nn.Conv2d(1, 1, 7).weight.numel()} C²",
    ],
    "fair.same-images": [f"{round(10_000 * 0.004)} images", f"±{math.hypot(0.6, 0.6):.2f}"],
}


def test_the_numbers_of_an_explanation_are_those_computed():
    for question in asked(NAMED):
        parts = [question.question, *(f"{c.text} {c.why}" for c in question.choices)]
        text = " ".join(parts).replace(SPACE, " ")
        assert NAMED[question.id]
        for number in NAMED[question.id]:
            assert number in text, question.id


def test_what_blocks_of_zeros_return():
    maps = torch.rand(2, 4, 6, 6)  # as from a ReLU
    for shortcut, expected in (("projection", maps), ("none", torch.zeros_like(maps))):
        block = Residual(4, 4, shortcut=shortcut).eval()
        for parameter in block.parameters():
            nn.init.zeros_(parameter)
        assert torch.equal(block(maps), expected)
    for question in asked(["residual.zero-weights"]):
        right = [choice.text for choice in question.choices if choice.right]
        assert right == ["the residual block its input, the plain block zeros"]

"""The network that learns in the page: gradients, steps and whole trainings against torch."""

import copy
import math

import pytest
import torch
from live_helpers import call, tensor
from scipy import stats
from torch import nn
from torch.nn import functional as F

from coursekit.live import laboratory
from dlvlib.data import ImageSet
from dlvlib.training import TrainConfig, epoch_seeds, evaluate, fit
from dlvlib.training.augment import draw

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ACTIVATIONS = {"ReLU": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
TRAIN, TEST = laboratory.scans()


def network(width: int, activation: str, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    act = ACTIVATIONS[activation]
    first, second = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, 2 * width, 3, padding=1)
    layers = [first, act(), nn.MaxPool2d(2), second, act(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * width, 10)).double()


def as_lists(tensors) -> list[list[float]]:
    return [tensor.detach().flatten().tolist() for tensor in tensors]


def given(scans: ImageSet) -> dict[str, list[int]]:
    return {"pixels": scans.images.flatten().tolist(), "targets": scans.targets.tolist()}


def test_gradients_of_every_layer_agree_with_torch(page):
    images, targets = TRAIN.images[:6], TRAIN.targets[:6]
    cases, expected = [], []
    for width in (2, 8):
        for activation in ACTIVATIONS:
            net = network(width, activation)
            loss = F.cross_entropy(net(images.double() / 255), targets, reduction="sum")
            expected.append((loss.item(), torch.autograd.grad(loss, list(net.parameters()))))
            cases.append([width, activation, as_lists(net.parameters())])
    body = """const [cases, { pixels, targets }] = argument;
        return cases.map(([width, activation, weights]) => {
            const network = figure.buildNetwork(width, activation);
            weights.forEach((values, i) => network.weights[i].set(values));
            const losses = targets.map((target, at) =>
                figure.addGradient(network, pixels, at, target, 1));
            const gradients = network.gradients.map((values) => [...values]);
            return [losses.reduce((a, b) => a + b), gradients];
        });"""
    scans = given(TRAIN.subset(slice(0, 6)))
    found = call(page, "laboratory", body, [cases, scans])
    for (loss, gradients), (expected_loss, slopes) in zip(found, expected, strict=True):
        assert loss == pytest.approx(expected_loss, rel=1e-9)
        assert len(gradients) == len(slopes) == 6
        for values, slope in zip(gradients, slopes, strict=True):
            torch.testing.assert_close(tensor(values), slope.flatten(), atol=1e-5, rtol=0)
            assert slope.abs().max() > 1e-3


@pytest.mark.parametrize("augmented", [False, True])
def test_a_whole_training_is_that_of_dlvlib(page, augmented):
    """The same weights, order of batches, shifts and mirror images; the last batch is smaller."""
    options = {"crop_padding": 1, "flip": True} if augmented else {}
    options |= {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3, "device": "cpu"}
    config = TrainConfig(num_epochs=3, batch_size=32, seed=4, **options)
    scans, test = TRAIN.subset(slice(0, 150)), TEST.subset(slice(0, 100))
    net = network(4, "tanh")
    before = as_lists(copy.deepcopy(net).parameters())
    plans = []
    for epoch in range(1, config.num_epochs + 1):
        order_seed, _, augment_seed = epoch_seeds(config.seed, epoch)
        order = torch.randperm(150, generator=torch.Generator().manual_seed(order_seed))
        tops, lefts, flips, *_ = draw(150, (8, 8), config, augment_seed).tolist()
        looks = [
            {"top": t, "left": x, "flip": f} if augmented else {"top": 1, "left": 1, "flip": 0}
            for t, x, f in zip(tops, lefts, flips, strict=True)
        ]
        plans.append({"order": order.tolist(), "looks": looks})
    history = fit(net, scans, None, config)
    body = """const [weights, train, test, plans] = argument;
        const network = figure.buildNetwork(4, "tanh");
        weights.forEach((values, i) => network.weights[i].set(values));
        const drain = (work) => {
            let step = work.next();
            while (!step.done) step = work.next();
            return step.value;
        };
        const recipe = { lr: 0.05, momentum: 0.9, decay: 0.001, batch: 32 };
        const losses = plans.map((plan) => drain(figure.trainEpoch(network, recipe, train, plan)));
        const accuracy = drain(figure.measure(network, test));
        return [losses, accuracy, network.weights.map((values) => [...values])];"""
    losses, accuracy, after = call(
        page, "laboratory", body, [before, given(scans), given(test), plans]
    )
    assert losses == pytest.approx(history.column("train_loss"), abs=1e-5)
    assert accuracy == pytest.approx(evaluate(net, test, device="cpu").top1)
    for values, parameter in zip(after, net.parameters(), strict=True):
        expected = parameter.detach().flatten()
        # dlvlib scales the pixels in single precision
        torch.testing.assert_close(tensor(values), expected, atol=1e-5, rtol=0)
    assert (net[0].weight.flatten() - tensor(before[0])).abs().max() > 1e-2


def test_a_recipe_and_a_seed_give_the_same_network_in_small_units_of_work(page):
    body = """const [train, test] = argument;
        const recipe = { lr: 0.05, momentum: 0.9, decay: 0, batch: 1437, width: "16",
            activation: "ReLU", initialisation: "He", augmentation: "shifts", images: 100 };
        const run = (seed, width) => {
            let units = 0;
            const found = [];
            for (const value of figure.runTrial({ ...recipe, width }, seed, 2, { train, test })) {
                units += 1;
                if (value) found.push(value);
            }
            return [found, units, figure.workOf(Number(width))];
        };
        return [run(1, "16"), run(1, "16"), run(2, "16"), run(1, "2")];"""
    scans = given(TRAIN.subset(slice(0, 100))), given(TEST.subset(slice(0, 50)))
    first, again, other, narrow = call(page, "laboratory", body, scans)
    assert first == again and first[0] != other[0]
    assert len(first[0]) == 2 and first[0][1]["loss"] < first[0][0]["loss"]
    for _, units, work in (first, narrow):  # 150 images an epoch, however large the batch
        assert 2 * 150 * work / (units - 2) < 400_000


def test_initial_weights_and_random_numbers_have_the_spread_that_they_should(page):
    body = """const spread = (values) => figure.deviationOf([...values]);
        const random = figure.seededRandom(argument);
        const uniform = Array.from({ length: 40000 }, random.uniform);
        const normal = Array.from({ length: 40000 }, random.normal);
        const spreads = Object.keys(figure.INITIALISATIONS).map((name) => {
            const network = figure.buildNetwork(16, "ReLU");
            figure.initialise(network, name, random);
            return [name, [2, 4, 3].map((i) => spread(network.weights[i]))];
        });
        const raw = Array.from({ length: 3 }, figure.seededRandom(argument).bits32);
        return [uniform, normal, Object.fromEntries(spreads), raw];"""
    uniform, normal, spreads, raw = call(page, "laboratory", body, 7)
    assert stats.kstest(uniform, "uniform").pvalue > 0.001
    assert stats.kstest(normal, "norm").pvalue > 0.001
    assert abs(stats.pearsonr(uniform[:-1], uniform[1:]).statistic) < 0.02
    assert raw == [1004282400, 2200021487, 1928073449]  # of xoshiro128**
    he, xavier, default = (spreads[name] for name in ("He", "Xavier", "PyTorch"))
    assert he[:2] == pytest.approx([math.sqrt(2 / 144), math.sqrt(2 / 128)], rel=0.06)
    expected = [math.sqrt(2 / (144 + 288)), math.sqrt(2 / 138)]
    assert xavier[:2] == pytest.approx(expected, rel=0.06)
    expected = [1 / math.sqrt(3 * 144), 1 / math.sqrt(3 * 128), 1 / math.sqrt(3 * 144)]
    assert default == pytest.approx(expected, rel=0.3)  # few biases
    assert default[:2] == pytest.approx(expected[:2], rel=0.06)
    assert he[2] == xavier[2] == 0 and spreads["zeros"] == [0, 0, 0]
    assert spreads["σ = 0.01"][0] == pytest.approx(0.01, rel=0.06)

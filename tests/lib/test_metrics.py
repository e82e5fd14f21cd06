import math

import hypothesis.strategies as st
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional

from coursekit.checks import LECTURE_SCORES, LECTURE_TARGETS
from dlvlib import metrics


@st.composite
def predictions(draw):
    """Random (logits, targets) with 2 to 8 classes; seeds keep the draw small and repeatable."""
    num_classes = draw(st.integers(2, 8))
    num_images = draw(st.integers(1, 30))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = draw(st.sampled_from([0.1, 1.0, 30.0]))
    logits = scale * torch.randn(num_images, num_classes, generator=generator)
    return logits, torch.randint(0, num_classes, (num_images,), generator=generator)


@pytest.mark.parametrize(("k", "expected"), [(1, 0.2), (2, 0.8), (5, 0.8), (6, 0.8), (7, 1.0)])
def test_top_k_of_the_lecture_table(k, expected):
    assert metrics.top_k_accuracy(LECTURE_SCORES, LECTURE_TARGETS, k) == pytest.approx(expected)


def test_cross_entropy_of_the_lecture_table():
    loss = metrics.cross_entropy(LECTURE_SCORES, LECTURE_TARGETS)
    assert loss == pytest.approx(4.0237, abs=5e-5)


def test_softmax_of_the_lecture_logits():
    probs = torch.softmax(torch.tensor([11.5, 12.8, -2.4]), dim=0)
    assert [round(100 * p, 2) for p in probs.tolist()] == [21.42, 78.58, 0.0]


@given(predictions(), st.data())
@settings(deadline=None)
def test_top_k_agrees_with_scikit_learn(case, data):
    logits, targets = case
    num_classes = logits.shape[1]
    k = data.draw(st.integers(1, num_classes - 1))
    if num_classes == 2:
        expected = sklearn.metrics.accuracy_score(targets, logits.argmax(1))
    else:
        expected = sklearn.metrics.top_k_accuracy_score(
            targets, logits.numpy(), k=k, labels=range(num_classes)
        )
    assert metrics.top_k_accuracy(logits, targets, k) == pytest.approx(expected)


@given(predictions())
@settings(deadline=None)
def test_cross_entropy_agrees_with_torch(case):
    logits, targets = case
    expected = functional.cross_entropy(logits.double(), targets).item()
    assert metrics.cross_entropy(logits, targets) == pytest.approx(expected, abs=1e-9)


@given(predictions())
@settings(deadline=None)
def test_confusion_matrix_agrees_with_scikit_learn(case):
    logits, targets = case
    guesses, num_classes = logits.argmax(1), logits.shape[1]
    expected = sklearn.metrics.confusion_matrix(targets, guesses, labels=range(num_classes))
    assert metrics.confusion_matrix(guesses, targets, num_classes).tolist() == expected.tolist()


def test_cross_entropy_does_not_overflow():
    assert metrics.cross_entropy(torch.tensor([[1000.0, 0.0]]), torch.tensor([1])) == 1000


@given(predictions(), st.integers(1, 20))
@settings(deadline=None)
def test_calibration_error_agrees_with_its_definition(case, num_bins):
    logits, targets = case
    probs = logits.double().softmax(1)
    confidence, guesses = probs.max(1)
    expected = 0.0
    for index in range(num_bins):
        lower, upper = index / num_bins, (index + 1) / num_bins
        inside = (confidence >= lower) & ((confidence < upper) | (index == num_bins - 1))
        if inside.any():
            accuracy = (guesses == targets)[inside].double().mean()
            gap = (accuracy - confidence[inside].mean()).abs()
            expected += (inside.double().mean() * gap).item()
    assert metrics.expected_calibration_error(probs, targets, num_bins) == pytest.approx(
        expected, abs=1e-9
    )


def test_a_perfectly_calibrated_guess_has_no_calibration_error():
    probs = torch.tensor([[0.75, 0.25]]).repeat(4, 1)
    targets = torch.tensor([0, 0, 0, 1])
    assert metrics.expected_calibration_error(probs, targets) == pytest.approx(0)


@given(st.integers(0, 1000), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_neighbor_accuracy_agrees_with_scikit_learn_leaving_one_out(seed, k):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(25, 3, generator=generator).double()
    targets = torch.randint(0, 4, (25,), generator=generator)
    hits = 0
    for index in range(25):
        others = torch.arange(25) != index
        model = KNeighborsClassifier(k).fit(points[others].numpy(), targets[others].numpy())
        hits += model.predict(points[[index]].numpy())[0] == targets[index].item()
    assert metrics.neighbor_accuracy(points, targets, k) == pytest.approx(hits / 25)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40), st.integers(1, 17))
def test_weighted_mean_of_batches_is_the_mean_over_items(values, batch_size):
    batches = [values[i : i + batch_size] for i in range(0, len(values), batch_size)]
    means = [sum(batch) / len(batch) for batch in batches]
    counts = [len(batch) for batch in batches]
    assert metrics.weighted_mean(means, counts) == pytest.approx(sum(values) / len(values))


def test_the_plain_mean_of_batch_means_would_be_wrong():
    assert metrics.weighted_mean([1.0, 0.0], [8, 1]) == pytest.approx(8 / 9)


LOGITS, TARGETS = torch.zeros(2, 3), torch.tensor([0, 2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.top_k_accuracy(LOGITS, TARGETS, 4), r"k must be in \[1, 3\], got 4"),
        (lambda: metrics.top_k_accuracy(LOGITS, TARGETS, 0), r"k must be in \[1, 3\], got 0"),
        (lambda: metrics.cross_entropy(LOGITS[0], TARGETS), r"\(B, K\).*got \(3,\) and \(2,\)"),
        (lambda: metrics.cross_entropy(LOGITS[:0], TARGETS[:0]), "at least one image, got 0"),
        (lambda: metrics.cross_entropy(LOGITS / 0, TARGETS), "got NaN in 6 places"),
        (lambda: metrics.cross_entropy(LOGITS, TARGETS + 1), "in \\[0, 3\\), got values from 1"),
        (lambda: metrics.cross_entropy(LOGITS, TARGETS - 1), "got values from -1 to 1"),
        (lambda: metrics.cross_entropy(LOGITS, TARGETS.float()), "integer type, got torch.float"),
        (lambda: metrics.confusion_matrix(TARGETS, TARGETS[:1], 3), r"got \(2,\) and \(1,\)"),
        (
            lambda: metrics.confusion_matrix(TARGETS, TARGETS, 2),
            r"predictions must be in \[0, 2\)",
        ),
        (lambda: metrics.expected_calibration_error(LOGITS, TARGETS), "sum to 1 in each row"),
        (
            lambda: metrics.expected_calibration_error(LOGITS.softmax(1), TARGETS, 0),
            "num_bins must be at least 1, got 0",
        ),
        (lambda: metrics.neighbor_accuracy(LOGITS, TARGETS, 2), r"k must be in \[1, 1\], got 2"),
        (lambda: metrics.neighbor_accuracy(LOGITS, TARGETS[:1]), r"got \(2, 3\) and \(1,\)"),
        (lambda: metrics.weighted_mean([1.0], [1, 2]), "must match, got 1 and 2"),
        (lambda: metrics.weighted_mean([1.0, 2.0], [3, -1]), "must be >= 0"),
        (lambda: metrics.weighted_mean([], []), "sum to at least 1"),
    ],
)
def test_bad_input_names_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_uniform_logits_cost_the_logarithm_of_the_number_of_classes():
    assert metrics.cross_entropy(torch.zeros(5, 7), torch.arange(5)) == pytest.approx(math.log(7))

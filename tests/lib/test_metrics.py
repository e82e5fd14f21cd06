import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch
from hypothesis import given, settings
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional

from dlvlib import metrics


def calibration_error(probs, targets, num_bins):
    """The definition of Guo et al. (2017), bin by bin."""
    confidence, guesses = probs.max(1)
    error = 0.0
    for index in range(num_bins):
        inside = (confidence > index / num_bins) & (confidence <= (index + 1) / num_bins)
        if inside.any():
            accuracy = (guesses == targets)[inside].double().mean()
            gap = (accuracy - confidence[inside].mean()).abs()
            error += (inside.double().mean() * gap).item()
    return error


@given(st.data())
def test_metrics_agree_with_scikit_learn_torch_and_their_definitions(data):
    num_classes, num_images = data.draw(st.integers(3, 8)), data.draw(st.integers(1, 30))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    logits = torch.randn(num_images, num_classes, generator=generator)
    logits *= data.draw(st.sampled_from([0.1, 1.0, 1000.0]))
    targets = torch.randint(0, num_classes, (num_images,), generator=generator)
    guesses, classes = logits.argmax(1), range(num_classes)
    k = data.draw(st.integers(1, num_classes - 1))
    expected = sklearn.metrics.top_k_accuracy_score(targets, logits.numpy(), k=k, labels=classes)
    assert metrics.top_k_accuracy(logits, targets, k) == pytest.approx(expected)
    expected = functional.cross_entropy(logits.double(), targets).item()
    assert metrics.cross_entropy(logits, targets) == pytest.approx(expected, abs=1e-9)
    expected = sklearn.metrics.confusion_matrix(targets, guesses, labels=classes).tolist()
    assert metrics.confusion_matrix(guesses, targets, num_classes).tolist() == expected
    probs, num_bins = logits.double().softmax(1), data.draw(st.integers(1, 20))
    expected = calibration_error(probs, targets, num_bins)
    found = metrics.expected_calibration_error(probs, targets, num_bins)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("both", "only_first", "only_second"),
    [(3, 5, 1), (0, 1, 9), (2, 4, 4), (5, 0, 0), (1, 900, 700)],
)
def test_mcnemar_is_the_binomial_test_of_the_images_that_differ(both, only_first, only_second):
    counts = {(0, 0): both, (0, 1): only_first, (1, 0): only_second, (2, 1): 4}  # all are class 0
    pairs = torch.tensor([pair for pair, count in counts.items() for _ in range(count)])
    targets = torch.zeros(len(pairs), dtype=torch.int64)
    found = metrics.mcnemar_test(pairs[:, 0], pairs[:, 1].to(torch.uint8), targets.numpy())
    tosses = only_first + only_second
    expected = scipy.stats.binomtest(only_first, tosses).pvalue if tosses else 1.0
    assert found == (only_first, only_second, pytest.approx(expected))
    swapped = metrics.mcnemar_test(pairs[:, 1], pairs[:, 0], targets)
    assert swapped == (only_second, only_first, found[2])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_calibration_at_any_precision_and_on_the_edges_of_bins(dtype):
    logits, targets = torch.randn(200, 100), torch.arange(200) % 100
    expected = metrics.expected_calibration_error(logits.double().softmax(1), targets)
    found = metrics.expected_calibration_error(logits.softmax(1).to(dtype), targets)
    assert found == pytest.approx(expected, abs=2e-3)
    one_hot = torch.eye(4, dtype=torch.int64)  # integers are exact
    assert metrics.expected_calibration_error(one_hot, torch.tensor([0, 1, 2, 0])) == 1 / 4
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.4, 0.3, 0.3]], dtype=dtype)
    error = metrics.expected_calibration_error(probs, torch.tensor([0, 1]), 2)
    assert error == pytest.approx(0.05, abs=1e-3)  # one bin: accuracy 0.5, confidence 0.45
    for edge in (0.7, 0.6):  # 0.7 * 10 is above 7; 0.6 as float32 exceeds 0.6 as float64
        probs = torch.tensor([[edge, 1 - edge], [edge - 0.05, 1.05 - edge]], dtype=dtype)
        error = metrics.expected_calibration_error(probs, torch.tensor([0, 1]), 10)
        assert error == pytest.approx(edge - 0.525, abs=3e-3)


@given(st.integers(0, 1000), st.integers(1, 9))
@settings(max_examples=20)
def test_neighbor_accuracy_agrees_with_scikit_learn_leaving_one_out(seed, k):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(25, 3, generator=generator).half()  # which torch cannot compare
    targets = torch.randint(0, 4, (25,), generator=generator)
    guesses = cross_val_predict(KNeighborsClassifier(k), points, targets, cv=LeaveOneOut())
    expected = sklearn.metrics.accuracy_score(targets, guesses)
    assert metrics.neighbor_accuracy(points, targets, k) == pytest.approx(expected)


def test_neighbours_are_the_same_far_from_zero():
    points, targets = torch.arange(60.0, dtype=torch.double)[:, None] ** 2, torch.arange(60) // 30
    for scale, shift in ((1, 0), (1, 1e8), (1e-3, 1e8)):  # only number 30 follows the other class
        assert metrics.neighbor_accuracy(scale * points + shift, targets, 1) == 59 / 60


def test_by_default_10_neighbours_vote_and_15_bins_cut_the_confidences():
    logits, targets = torch.randn(99, 3), torch.arange(99) % 3
    for metric, values, default in (
        (metrics.neighbor_accuracy, logits, 10),
        (metrics.expected_calibration_error, logits.softmax(1), 15),
    ):
        fewer, same, more = (metric(values, targets, default + i) for i in (-1, 0, 1))
        assert metric(values, targets) == same not in (fewer, more)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40), st.integers(1, 17))
def test_weighted_mean_of_batches_is_the_mean_over_items(values, batch_size):
    batches = [values[i : i + batch_size] for i in range(0, len(values), batch_size)]
    means, counts = [sum(batch) / len(batch) for batch in batches], [*map(len, batches)]
    assert metrics.weighted_mean(means, counts) == pytest.approx(sum(values) / len(values))
    assert metrics.weighted_mean([*means, 7.0], [*counts, 0]) == metrics.weighted_mean(
        means, counts
    )


def test_of_equals_the_first_counts():
    logits, targets = torch.tensor([[2.0, 2.0, 1.0, 2.0]]), torch.arange(4)
    assert metrics.predicted_classes(logits).tolist() == [0]
    for k in (1, 2, 3):
        alone = [metrics.top_k_accuracy(logits, targets[[c]], k) for c in range(4)]
        assert alone == [float(c in [0, 1, 3, 2][:k]) for c in range(4)]
    points, targets = torch.zeros(5, 1), torch.tensor([3, 3, 1, 1, 1])
    assert metrics.neighbor_accuracy(points, targets, k=1) == 2 / 5


def all_metrics(probs, targets):
    names = ("top_k_accuracy", "cross_entropy", "neighbor_accuracy", "expected_calibration_error")
    matrix = metrics.confusion_matrix(targets, targets, np.int64(20))
    assert matrix.sum() == 60
    return [*(getattr(metrics, name)(probs, targets) for name in names), matrix.tolist()]


def test_any_integer_type_numpy_and_a_default_device_change_nothing():
    probs, targets = torch.randn(60, 20).softmax(1), torch.arange(60) % 20
    expected = all_metrics(probs, targets)
    for dtype in (torch.uint8, torch.int8, torch.int32):  # 19 * 20 + 19 overflows 8 bits
        assert all_metrics(probs, targets.to(dtype)) == expected
    with torch.device("meta"):  # stands for a GPU: what is created there has no values
        for dtype in (np.uint16, np.int64):
            turned = probs.numpy()[::-1].copy()[::-1]  # a view with a negative stride
            assert all_metrics(turned, targets.numpy().astype(dtype)) == expected


LOGITS, TARGETS = torch.zeros(2, 3), torch.tensor([0, 2])
COMPLEX = LOGITS.to(torch.complex64)
INFINITE = torch.tensor([[0.0, torch.inf, torch.nan], [0.0, -torch.inf, 0.0]])


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("top_k_accuracy", (LOGITS, TARGETS, 4), r"k must .* in \[1, 3\], got 4"),
        ("top_k_accuracy", (LOGITS, TARGETS, 0), r"k must .* in \[1, 3\], got 0"),
        ("top_k_accuracy", (LOGITS[:, :0], TARGETS), r"at least one image, got \(2, 0\)"),
        ("top_k_accuracy", (INFINITE, TARGETS), "logits must be finite, got 1 NaN and 2 infin"),
        ("cross_entropy", (COMPLEX, TARGETS), "logits must be real numbers, got torch.complex64"),
        ("cross_entropy", (LOGITS[:, :, None], TARGETS), r"\(B, K\).*got \(2, 3, 1\) and \(2,\)"),
        ("cross_entropy", (LOGITS[:0], TARGETS[:0]), r"at least one image, got \(0, 3\)"),
        ("cross_entropy", (LOGITS, TARGETS + 1), r"targets must be in \[0, 3\), got .* 1 to 3"),
        ("cross_entropy", (LOGITS, TARGETS - 1), r"in \[0, 3\), got values from -1 to 1"),
        ("cross_entropy", (LOGITS, TARGETS.float()), "an integer type, got torch.float32"),
        ("confusion_matrix", (TARGETS, TARGETS[:1], 3), r"got \(2,\) and \(1,\)"),
        ("confusion_matrix", (TARGETS, TARGETS, 2), r"predictions must be in \[0, 2\)"),
        ("confusion_matrix", (TARGETS, TARGETS > 0, 3), "an integer type, got torch.bool"),
        ("confusion_matrix", (TARGETS, TARGETS * 1j, 3), "an integer type, got torch.complex64"),
        ("confusion_matrix", (TARGETS[:0], TARGETS[:0], 0), "an integer >= 1, got 0"),
        ("mcnemar_test", (TARGETS, TARGETS[:1], TARGETS), r"got \[\(2,\), \(1,\), \(2,\)\]"),
        ("mcnemar_test", (TARGETS, TARGETS.double(), TARGETS), "second must be class indices of"),
        ("expected_calibration_error", (LOGITS, TARGETS), "each row, off by 1"),
        ("expected_calibration_error", (LOGITS - 1, TARGETS), "be >= 0, got -1"),
        ("expected_calibration_error", (LOGITS + 0.332, TARGETS), "off by 0.004"),
        ("expected_calibration_error", (LOGITS + 1 / 3, TARGETS, 0), "integer >= 1, got 0"),
        ("expected_calibration_error", (INFINITE, TARGETS), "probs must be finite"),
        ("neighbor_accuracy", (LOGITS, TARGETS, 2), r"in \[1, 1\], got 2"),
        ("neighbor_accuracy", (LOGITS, TARGETS - 1), "must be >= 0, got values from -1 to 1"),
        ("neighbor_accuracy", (LOGITS, TARGETS[:1]), r"got \(2, 3\) and \(1,\)"),
        ("neighbor_accuracy", (INFINITE, TARGETS), "points must be finite"),
        ("weighted_mean", ([1.0], [1, 2]), "must match, got 1 and 2"),
        ("weighted_mean", ([1.0, 2.0], [3, -1]), "must be >= 0"),
        ("weighted_mean", ([], []), "sum to at least 1"),
    ],
)
def test_bad_input_names_the_rule_and_the_value(name, args, message):
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)(*args)

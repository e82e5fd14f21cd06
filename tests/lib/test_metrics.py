import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch
from hypothesis import given, settings
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional

from dlvlib import metrics


@st.composite
def predictions(draw):
    """Random (logits, targets) with 2 to 8 classes; seeds keep the draw small and repeatable."""
    num_classes = draw(st.integers(2, 8))
    num_images = draw(st.integers(1, 30))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = draw(st.sampled_from([0.1, 1.0, 1000.0]))
    logits = scale * torch.randn(num_images, num_classes, generator=generator)
    return logits, torch.randint(0, num_classes, (num_images,), generator=generator)


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


def test_mcnemar_refuses_what_are_not_predictions_for_the_same_images():
    classes = torch.tensor([0, 1, 2])
    with pytest.raises(
        ValueError, match=r"must have shape \(B,\), got \[\(3,\), \(2,\), \(3,\)\]"
    ):
        metrics.mcnemar_test(classes, classes[:2], classes)
    with pytest.raises(ValueError, match="second must be class indices of an integer type"):
        metrics.mcnemar_test(classes, classes.double(), classes)


@given(predictions())
@settings(deadline=None)
def test_confusion_matrix_agrees_with_scikit_learn(case):
    logits, targets = case
    guesses, num_classes = logits.argmax(1), logits.shape[1]
    expected = sklearn.metrics.confusion_matrix(targets, guesses, labels=range(num_classes))
    assert metrics.confusion_matrix(guesses, targets, num_classes).tolist() == expected.tolist()


@given(predictions(), st.integers(1, 20))
@settings(deadline=None)
def test_calibration_error_agrees_with_its_definition(case, num_bins):
    logits, targets = case
    probs = logits.double().softmax(1)
    confidence, guesses = probs.max(1)
    expected = 0.0
    for index in range(num_bins):
        lower, upper = index / num_bins, (index + 1) / num_bins
        inside = (confidence > lower) & (confidence <= upper)
        if inside.any():
            accuracy = (guesses == targets)[inside].double().mean()
            gap = (accuracy - confidence[inside].mean()).abs()
            expected += (inside.double().mean() * gap).item()
    assert metrics.expected_calibration_error(probs, targets, num_bins) == pytest.approx(
        expected, abs=1e-9
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_confidence_on_an_edge_is_in_the_bin_below(dtype):
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.4, 0.3, 0.3]], dtype=dtype)
    error = metrics.expected_calibration_error(probs, torch.tensor([0, 1]), 2)
    assert error == pytest.approx(0.05, abs=1e-3)  # one bin: accuracy 0.5, confidence 0.45
    probs = torch.tensor([[0.7, 0.3], [0.65, 0.35]], dtype=dtype)  # 0.7 * 10 is above 7
    error = metrics.expected_calibration_error(probs, torch.tensor([0, 1]), 10)
    assert error == pytest.approx(0.175, abs=3e-3)


def test_a_confidence_on_an_edge_is_compared_in_its_own_type():
    probs = torch.tensor([[0.6, 0.4], [0.55, 0.45]])  # 0.6 as float32 exceeds 0.6 as float64
    error = metrics.expected_calibration_error(probs, torch.tensor([0, 1]), 10)
    assert error == pytest.approx(0.575 - 0.5)  # both are in (0.5, 0.6]
    one_hot = torch.eye(4, dtype=torch.int64)  # integers are exact
    assert metrics.expected_calibration_error(one_hot, torch.tensor([0, 1, 2, 0])) == 1 / 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_softmax_of_any_precision_is_a_row_of_probabilities(dtype):
    logits = torch.randn(200, 100, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(200) % 100
    expected = metrics.expected_calibration_error(logits.double().softmax(1), targets)
    found = metrics.expected_calibration_error(logits.softmax(1).to(dtype), targets)
    assert found == pytest.approx(expected, abs=2e-3)


@given(st.integers(0, 1000), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_neighbor_accuracy_agrees_with_scikit_learn_leaving_one_out(seed, k):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(25, 3, generator=generator).half()  # which torch cannot compare
    targets = torch.randint(0, 4, (25,), generator=generator)
    hits = 0
    for index in range(25):
        others = torch.arange(25) != index
        model = KNeighborsClassifier(k).fit(points[others].numpy(), targets[others].numpy())
        hits += model.predict(points[[index]].numpy())[0] == targets[index].item()
    assert metrics.neighbor_accuracy(points, targets, k) == pytest.approx(hits / 25)


def test_by_default_10_neighbours_vote_and_15_bins_cut_the_confidences():
    logits = torch.randn(99, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(99) % 3
    for metric, values, default in (
        (metrics.neighbor_accuracy, logits, 10),
        (metrics.expected_calibration_error, logits.softmax(1), 15),
    ):
        fewer, same, more = (metric(values, targets, default + i) for i in (-1, 0, 1))
        assert metric(values, targets) == same not in (fewer, more)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40), st.integers(1, 17))
def test_weighted_mean_of_batches_is_the_mean_over_items(values, batch_size):
    batches = [values[i : i + batch_size] for i in range(0, len(values), batch_size)]
    means = [sum(batch) / len(batch) for batch in batches]
    counts = [len(batch) for batch in batches]
    assert metrics.weighted_mean(means, counts) == pytest.approx(sum(values) / len(values))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_of_equal_logits_the_smaller_class_ranks_higher(k):
    logits, targets = torch.tensor([[2.0, 2.0, 1.0, 2.0]]).repeat(4, 1), torch.arange(4)
    assert metrics.predicted_classes(logits).tolist() == [0] * 4
    assert metrics.top_k_accuracy(logits, targets, k) == k / 4  # classes 0, 1, 3, then 2
    alone = [metrics.top_k_accuracy(logits[:1], targets[[c]], k) for c in range(4)]
    assert alone == [float(c in [0, 1, 3, 2][:k]) for c in range(4)]


@pytest.mark.parametrize(
    "convert",
    [
        *(lambda t, dtype=dtype: t.to(dtype) for dtype in (torch.uint8, torch.int8, torch.int32)),
        *(lambda t, dtype=dtype: t.numpy().astype(dtype) for dtype in (np.uint16, np.int64)),
    ],
)
def test_any_integer_type_counts_like_int64(convert):
    logits = torch.randn(60, 20, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(60) % 20  # 19 * 20 + 19 overflows 8 bits
    other = convert(targets)
    for metric in (metrics.top_k_accuracy, metrics.cross_entropy, metrics.neighbor_accuracy):
        assert metric(logits, other) == metric(logits, targets)
        assert metric(logits.numpy(), other) == metric(logits, targets)
    probs = logits.softmax(1)
    expected = metrics.expected_calibration_error(probs, targets)
    assert metrics.expected_calibration_error(probs, other) == expected
    guesses = metrics.predicted_classes(logits)
    expected = metrics.confusion_matrix(guesses, targets, 20)
    assert torch.equal(metrics.confusion_matrix(convert(guesses), other, np.int64(20)), expected)
    assert expected.sum() == 60


def test_a_default_device_changes_nothing():
    logits, targets = torch.randn(30, 4).softmax(1), torch.arange(30) % 4
    calls = (
        *(metrics.top_k_accuracy, metrics.cross_entropy, metrics.neighbor_accuracy),
        metrics.expected_calibration_error,
        lambda logits, targets: metrics.confusion_matrix(targets, targets, 4).tolist(),
    )
    expected = [call(logits, targets) for call in calls]
    with torch.device("meta"):  # stands for a GPU: what is created there has no values
        assert [call(logits.numpy(), targets.numpy()) for call in calls] == expected


def test_neighbours_at_one_distance_are_taken_in_order():
    points, targets = torch.zeros(5, 1), torch.tensor([3, 3, 1, 1, 1])
    assert metrics.neighbor_accuracy(points, targets, k=1) == 2 / 5


LOGITS, TARGETS = torch.zeros(2, 3), torch.tensor([0, 2])
INFINITE = torch.tensor([[0.0, torch.inf, torch.nan], [0.0, -torch.inf, 0.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.top_k_accuracy(LOGITS, TARGETS, 4), r"k must .* in \[1, 3\], got 4"),
        (lambda: metrics.top_k_accuracy(LOGITS, TARGETS, 0), r"k must .* in \[1, 3\], got 0"),
        (lambda: metrics.top_k_accuracy(LOGITS[:, :0], TARGETS), r"one image, got \(2, 0\)"),
        (lambda: metrics.cross_entropy(LOGITS[0], TARGETS), r"\(B, K\).*got \(3,\) and \(2,\)"),
        (lambda: metrics.cross_entropy(LOGITS[:0], TARGETS[:0]), "at least one image, got .0, 3"),
        *(
            (lambda m=m: m(INFINITE, TARGETS), f"{name} must be finite, got 1 NaN and 2 infinite")
            for m, name in (
                (metrics.top_k_accuracy, "logits"),
                (metrics.cross_entropy, "logits"),
                (metrics.expected_calibration_error, "probs"),
                (metrics.neighbor_accuracy, "points"),
            )
        ),
        (lambda: metrics.cross_entropy(LOGITS, TARGETS + 1), "in \\[0, 3\\), got values from 1"),
        (lambda: metrics.cross_entropy(LOGITS, TARGETS - 1), "got values from -1 to 1"),
        (lambda: metrics.cross_entropy(LOGITS, TARGETS.float()), "integer type, got torch.float"),
        (lambda: metrics.confusion_matrix(TARGETS, TARGETS[:1], 3), r"got \(2,\) and \(1,\)"),
        (
            lambda: metrics.confusion_matrix(TARGETS, TARGETS, 2),
            r"predictions must be in \[0, 2\)",
        ),
        (lambda: metrics.confusion_matrix(TARGETS, TARGETS > 0, 3), "type, got torch.bool"),
        (lambda: metrics.confusion_matrix(TARGETS, TARGETS * 1j, 3), "type, got torch.complex"),
        (lambda: metrics.confusion_matrix(TARGETS[:0], TARGETS[:0], 0), "integer >= 1, got 0"),
        (lambda: metrics.expected_calibration_error(LOGITS, TARGETS), "each row, off by 1"),
        (lambda: metrics.expected_calibration_error(LOGITS - 1, TARGETS), "be >= 0, got -1"),
        (lambda: metrics.expected_calibration_error(LOGITS + 0.332, TARGETS), "off by 0.004"),
        (
            lambda: metrics.expected_calibration_error(LOGITS.softmax(1), TARGETS, 0),
            "num_bins must be an integer >= 1, got 0",
        ),
        (lambda: metrics.neighbor_accuracy(LOGITS, TARGETS, 2), r"in \[1, 1\], got 2"),
        (lambda: metrics.neighbor_accuracy(LOGITS, TARGETS - 1), "must be >= 0, got .* -1 to 1"),
        (lambda: metrics.neighbor_accuracy(LOGITS, TARGETS[:1]), r"got \(2, 3\) and \(1,\)"),
        (lambda: metrics.weighted_mean([1.0], [1, 2]), "must match, got 1 and 2"),
        (lambda: metrics.weighted_mean([1.0, 2.0], [3, -1]), "must be >= 0"),
        (lambda: metrics.weighted_mean([], []), "sum to at least 1"),
    ],
)
def test_bad_input_names_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()

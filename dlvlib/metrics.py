"""Classification metrics, each a few lines that can be read next to its formula.

Targets may be of any integer type, tensors or NumPy arrays, on any device; the arithmetic is done
in float64 on the CPU. Ties are broken by one rule: of two equal logits, the one of the smaller
class index ranks higher.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlvlib._common import check_int

Array = Tensor | NDArray[np.generic]


def predicted_classes(logits: Tensor) -> Tensor:
    """Index of the largest logit of each image; of equal ones, the smallest index.

    (B, K) -> (B,) int64. Nothing is checked, so that a training loop can call it at each step.

    >>> predicted_classes(torch.tensor([[0.1, 0.9, 0.9], [0.0, 0.0, 0.0]])).tolist()
    [1, 0]
    """
    return logits.argmax(dim=1)


def top_k_accuracy(logits: Array, targets: Array, k: int = 1) -> float:
    """Fraction, in [0, 1], of images whose true class is among the k largest logits.

    Args:
        logits: (B, K) float; probabilities rank the same, so they work too.
        targets: (B,) class indices in [0, K).

    Raises:
        ValueError: if k is not in [1, K], there is no image, shapes disagree, a logit is NaN or
            infinite, or a target is not a class.

    >>> top_k_accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    0.5
    """
    logits, targets = _check_logits_and_targets("logits", logits, targets)
    k = check_int("k", k, 1, logits.shape[1])
    classes = torch.arange(logits.shape[1], device="cpu")
    true_logits, true_classes = logits.gather(1, targets[:, None]), targets[:, None]  # (B, 1)
    ahead = (logits > true_logits) | ((logits == true_logits) & (classes < true_classes))
    return (ahead.sum(dim=1) < k).double().mean().item()


def cross_entropy(logits: Array, targets: Array) -> float:
    """Mean of -ln p(true class) over the images, in nats, where p = softmax(logits).

    Computed as log-sum-exp minus the true class's logit, so large logits do not overflow.

    Args:
        logits: (B, K) float, unnormalised. Probabilities would be a double softmax.
        targets: (B,) class indices in [0, K).

    Raises:
        ValueError: as in `top_k_accuracy`.

    >>> round(cross_entropy(torch.zeros(3, 10), torch.tensor([1, 5, 9])), 4)  # ln 10
    2.3026
    """
    logits, targets = _check_logits_and_targets("logits", logits, targets)
    logits = logits.double()
    true_logits = logits.gather(1, targets[:, None]).squeeze(1)  # (B,)
    return (logits.logsumexp(dim=1) - true_logits).mean().item()


def confusion_matrix(predictions: Array, targets: Array, num_classes: int) -> Tensor:
    """Count how often class i (row, the truth) was called class j (column).

    Args:
        predictions: (B,) class indices in [0, K), for instance `predicted_classes(logits)`.
        targets: (B,) class indices in [0, K).

    Returns:
        (K, K) int64 counts; the diagonal holds the correct predictions.

    Raises:
        ValueError: if shapes disagree, or an index is not in [0, K).

    >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    num_classes = check_int("num_classes", num_classes, 1)
    predictions, targets = _to_tensor(predictions), _to_tensor(targets)
    if predictions.shape != targets.shape or predictions.ndim != 1:
        raise ValueError(
            "predictions and targets must both have shape (B,), "
            f"got {tuple(predictions.shape)} and {tuple(targets.shape)}"
        )
    predictions = _check_class_indices("predictions", predictions, num_classes)
    targets = _check_class_indices("targets", targets, num_classes)
    cells = targets * num_classes + predictions  # one number per (truth, prediction) pair
    return cells.bincount(minlength=num_classes**2).reshape(num_classes, num_classes)


def mcnemar_test(first: Array, second: Array, targets: Array) -> tuple[int, int, float]:
    """Compare two classifiers, image by image: McNemar's test, in its exact form.

    Only the images that one of them gets right and the other wrong tell the two apart. If they
    were equally good, each of these would go to either one like the toss of a fair coin.

    Args:
        first: (B,) classes that one classifier predicts.
        second: (B,) classes that the other predicts for the same images.
        targets: (B,) class indices.

    Returns:
        How many images only the first gets right, how many only the second, and the two-sided
        p-value: how likely tosses are at least as uneven as these.

    Raises:
        ValueError: if the shapes disagree, or a value is not a class index.

    Source: McNemar (1947), "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12.

    >>> mcnemar_test(torch.zeros(6).long(), torch.ones(6).long(), torch.zeros(6).long())
    (6, 0, 0.03125)
    """
    given = {"first": first, "second": second, "targets": targets}
    classes = {name: _check_class_indices(name, _to_tensor(x)) for name, x in given.items()}
    shapes = [tuple(indices.shape) for indices in classes.values()]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(f"first, second and targets must have shape (B,), got {shapes}")
    right, other = (classes[name] == classes["targets"] for name in ("first", "second"))
    only_first, only_second = int((right & ~other).sum()), int((other & ~right).sum())
    tosses = only_first + only_second
    tail, ways = 0, 1  # ways in which exactly k tosses of all go to one side
    for k in range(min(only_first, only_second) + 1):
        tail += ways
        ways = ways * (tosses - k) // (k + 1)
    return only_first, only_second, min(1.0, 2 * tail / 2**tosses)


def expected_calibration_error(probs: Array, targets: Array, num_bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, over bins of equal width in confidence.

    Bin m of M holds the confidences in ((m - 1) / M, m / M]: an edge belongs to the bin below it.

    Args:
        probs: (B, K) float, rows summing to 1 within the precision of their type.
        targets: (B,) class indices in [0, K).
        num_bins: number M of bins that cut [0, 1].

    Returns:
        A float in [0, 1]; 0 means that in each bin the accuracy equals the mean confidence.

    Raises:
        ValueError: as in `top_k_accuracy`, if a probability is negative, if a row does not sum
            to 1, or if num_bins < 1.

    Source: Guo et al. (2017), "On calibration of modern neural networks", equation 3.
    """
    probs, targets = _check_logits_and_targets("probs", probs, targets)
    probs = probs if probs.is_floating_point() else probs.double()
    num_bins = check_int("num_bins", num_bins, 1)
    if probs.min() < 0:
        raise ValueError(f"probs must be >= 0, got {probs.min().item():.3g}")
    largest_gap = (probs.double().sum(dim=1) - 1).abs().max().item()
    if largest_gap > max(1e-3, torch.finfo(probs.dtype).eps):
        raise ValueError(f"probs must sum to 1 in each row, off by {largest_gap:.3g}")
    edges = torch.arange(1, num_bins, dtype=torch.double, device="cpu") / num_bins
    edges = edges.to(probs.dtype).double()  # so that 0.1 as a float32 is on the edge at 0.1
    correct = (predicted_classes(probs) == targets).double()
    confidence = probs.amax(dim=1).double()  # (B,)
    bins = torch.bucketize(confidence, edges)  # (B,)
    gaps = torch.zeros(num_bins, dtype=torch.double, device="cpu")
    gaps.index_add_(0, bins, correct - confidence)  # n_bin * (accuracy - confidence) of each bin
    return gaps.abs().sum().item() / len(targets)


def neighbor_accuracy(points: Array, targets: Array, k: int = 10) -> float:
    """Fraction of points whose class is the most common one among their k nearest neighbours.

    If K classes are equally frequent, a fraction near 1/K means that they are mixed; near 1,
    they lie apart.

    Each point is left out of its own neighbourhood; distances are Euclidean. Of equally distant
    points the first is nearer, and of equally common classes the one of smaller index wins.

    Args:
        points: (B, D) float: pixels, features, or coordinates on a map.
        targets: (B,) class indices >= 0.

    Raises:
        ValueError: if k is not in [1, B - 1], the shapes disagree, a coordinate is NaN or
            infinite, or a target is not a class index.

    >>> points = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    >>> neighbor_accuracy(points, torch.tensor([0, 0, 1, 1]), k=1)
    1.0
    """
    points, targets = _check_rows("points", "(B, D)", points, targets)
    _check_finite("points", points)
    targets = _check_class_indices("targets", targets)
    k = check_int("k", k, 1, len(points) - 1)
    points = points.double()
    points = points - points.median(dim=0).values  # far from zero, `cdist` is inexact
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)  # (B, B)
    neighbors = distances.argsort(dim=1, stable=True)[:, :k]  # (B, k)
    votes = torch.nn.functional.one_hot(targets[neighbors]).sum(dim=1)  # (B, K)
    return (predicted_classes(votes) == targets).double().mean().item()


def weighted_mean(means: Sequence[float], counts: Sequence[int]) -> float:
    """Mean over all items, from the mean and the item count of each batch.

    The plain mean of batch means is right only when every batch has the same size.

    Raises:
        ValueError: if the lengths differ, a count is negative, or the counts sum to 0.

    >>> weighted_mean([1.0, 0.0], [8, 1])  # the plain mean is 0.5
    0.8888888888888888
    """
    if len(means) != len(counts):
        raise ValueError(f"means and counts must match, got {len(means)} and {len(counts)}")
    if min(counts, default=0) < 0 or sum(counts) == 0:
        raise ValueError(f"counts must be >= 0 and sum to at least 1, got {list(counts)}")
    return sum(mean * n for mean, n in zip(means, counts, strict=True)) / sum(counts)


def _check_logits_and_targets(name: str, logits: Array, targets: Array) -> tuple[Tensor, Tensor]:
    """Return (B, K) finite logits with B > 0 and (B,) int64 targets in [0, K), on the CPU."""
    logits, targets = _check_rows(name, "(B, K)", logits, targets)
    if logits.numel() == 0:
        raise ValueError(f"{name} must hold at least one image, got {tuple(logits.shape)}")
    _check_finite(name, logits)
    return logits, _check_class_indices("targets", targets, logits.shape[1])


def _check_rows(name: str, shape: str, rows: Array, targets: Array) -> tuple[Tensor, Tensor]:
    rows, targets = _to_tensor(rows), _to_tensor(targets)
    if rows.ndim != 2 or targets.shape != rows.shape[:1]:
        got = f"{tuple(rows.shape)} and {tuple(targets.shape)}"
        raise ValueError(f"{name} must have shape {shape} and targets (B,), got {got}")
    return rows, targets


def _check_finite(name: str, values: Tensor) -> None:
    if values.is_complex():
        raise ValueError(f"{name} must be real numbers, got {values.dtype}")
    if not values.isfinite().all():
        num_nan, num_infinite = int(values.isnan().sum()), int(values.isinf().sum())
        raise ValueError(f"{name} must be finite, got {num_nan} NaN and {num_infinite} infinite")


def _check_class_indices(name: str, indices: Tensor, num_classes: int | None = None) -> Tensor:
    """Return the indices as int64."""
    if indices.is_floating_point() or indices.is_complex() or indices.dtype == torch.bool:
        raise ValueError(f"{name} must be class indices of an integer type, got {indices.dtype}")
    indices = indices.long()  # small types would overflow, unsigned ones know no minimum
    if indices.numel():
        low, high = indices.min().item(), indices.max().item()
        if low < 0 or (num_classes is not None and high >= num_classes):
            rule = ">= 0" if num_classes is None else f"in [0, {num_classes})"
            raise ValueError(f"{name} must be {rule}, got values from {low} to {high}")
    return indices


def _to_tensor(values: Array) -> Tensor:
    """The values on the CPU: Apple's GPUs have no float64."""
    if isinstance(values, Tensor):
        return values.cpu()
    return torch.tensor(np.array(values), device="cpu")

"""Classification metrics, each a few lines that can be read next to its formula."""

from collections.abc import Sequence

import torch
from torch import Tensor


def top_k_accuracy(logits: Tensor, targets: Tensor, k: int = 1) -> float:
    """Fraction of images whose true class is among the k largest logits.

    Equal logits count in the order torch.topk gives them.

    Args:
        logits: (B, K) float; probabilities rank the same, so they work too.
        targets: (B,) int64 class indices in [0, K).
        k: between 1 and K.

    Returns:
        A float in [0, 1]; turn it into a percentage only when printing.

    Raises:
        ValueError: if k is not in [1, K], there is no image, shapes disagree, a logit is NaN,
            or a target is not a class.

    >>> top_k_accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    0.5
    """
    num_classes = _check_logits_and_targets(logits, targets)
    if not 1 <= k <= num_classes:
        raise ValueError(f"k must be in [1, {num_classes}], got {k}")
    guesses = logits.topk(k, dim=1).indices  # (B, k)
    return (guesses == targets[:, None]).any(dim=1).double().mean().item()


def cross_entropy(logits: Tensor, targets: Tensor) -> float:
    """Mean of -ln p(true class) over the images, in nats, where p = softmax(logits).

    Computed as log-sum-exp minus the true class's logit, so large logits do not overflow.

    Args:
        logits: (B, K) float, unnormalised. Probabilities would be a double softmax.
        targets: (B,) int64 class indices in [0, K).

    Raises:
        ValueError: as in `top_k_accuracy`.

    >>> round(cross_entropy(torch.zeros(3, 10), torch.tensor([1, 5, 9])), 4)  # ln 10
    2.3026
    """
    _check_logits_and_targets(logits, targets)
    logits = logits.double()
    true_logits = logits.gather(1, targets[:, None]).squeeze(1)  # (B,)
    return (logits.logsumexp(dim=1) - true_logits).mean().item()


def confusion_matrix(predictions: Tensor, targets: Tensor, num_classes: int) -> Tensor:
    """Count how often class i (row, the truth) was called class j (column).

    Args:
        predictions: (B,) int64 class indices in [0, K), for instance ``logits.argmax(1)``.
        targets: (B,) int64 class indices in [0, K).
        num_classes: K.

    Returns:
        (K, K) int64 counts; the diagonal holds the correct predictions.

    Raises:
        ValueError: if shapes disagree, or an index is not in [0, K).

    >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    if predictions.shape != targets.shape or predictions.ndim != 1:
        raise ValueError(
            "predictions and targets must both have shape (B,), "
            f"got {tuple(predictions.shape)} and {tuple(targets.shape)}"
        )
    _check_class_indices("predictions", predictions, num_classes)
    _check_class_indices("targets", targets, num_classes)
    cells = targets * num_classes + predictions  # one number per (truth, guess) pair
    return cells.bincount(minlength=num_classes**2).reshape(num_classes, num_classes)


def expected_calibration_error(probs: Tensor, targets: Tensor, num_bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, over bins of equal width in confidence.

    Args:
        probs: (B, K) float, rows summing to 1.
        targets: (B,) int64 class indices in [0, K).
        num_bins: number of bins that cut [0, 1].

    Returns:
        A float in [0, 1]; 0 means that of the images given 80 % confidence, 80 % are right.

    Raises:
        ValueError: as in `top_k_accuracy`, if rows do not sum to 1, or if num_bins < 1.

    Source: Guo et al. (2017), "On calibration of modern neural networks", equation 3.
    """
    _check_logits_and_targets(probs, targets)
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, got {num_bins}")
    largest_gap = (probs.sum(dim=1) - 1).abs().max().item()
    if largest_gap > 1e-3 or probs.min() < 0:
        raise ValueError(f"probs must be >= 0 and sum to 1 in each row, off by {largest_gap:.3g}")
    confidence, guesses = probs.double().max(dim=1)  # (B,), (B,)
    correct = (guesses == targets).double()
    bins = (confidence * num_bins).long().clamp(max=num_bins - 1)  # (B,)
    gaps = torch.zeros(num_bins, dtype=torch.double, device=probs.device)
    gaps.index_add_(0, bins, correct - confidence)  # n_bin * (accuracy - confidence) of each bin
    return gaps.abs().sum().item() / len(targets)


def neighbor_accuracy(points: Tensor, targets: Tensor, k: int = 10) -> float:
    """Fraction of points whose class is the most common one among their k nearest neighbours.

    Each point is left out of its own neighbourhood; distances are Euclidean, and a tie goes to
    the smallest class index.

    Args:
        points: (B, D) float: pixels, features, or coordinates on a map.
        targets: (B,) int64 class indices.
        k: number of neighbours, in [1, B - 1].

    Returns:
        A float in [0, 1]; near 1/K, the classes are mixed, near 1, they lie apart.

    Raises:
        ValueError: if k is not in [1, B - 1], or the shapes disagree.

    >>> points = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    >>> neighbor_accuracy(points, torch.tensor([0, 0, 1, 1]), k=1)
    1.0
    """
    if points.ndim != 2 or targets.shape != points.shape[:1]:
        raise ValueError(
            "points must have shape (B, D) and targets (B,), "
            f"got {tuple(points.shape)} and {tuple(targets.shape)}"
        )
    if not 1 <= k < len(points):
        raise ValueError(f"k must be in [1, {len(points) - 1}], got {k}")
    distances = torch.cdist(points.double(), points.double())  # (B, B)
    distances.fill_diagonal_(float("inf"))
    votes = targets[distances.topk(k, largest=False).indices]  # (B, k)
    winners = torch.nn.functional.one_hot(votes).sum(dim=1).argmax(dim=1)  # (B,)
    return (winners == targets).double().mean().item()


def weighted_mean(means: Sequence[float], counts: Sequence[int]) -> float:
    """Mean over all items, from the mean and the item count of each batch.

    The plain mean of batch means is right only when every batch has the same size.

    Raises:
        ValueError: if the lengths differ, a count is negative, or the counts sum to 0.

    >>> weighted_mean([1.0, 0.0], [8, 1])  # the plain mean would say 0.5
    0.8888888888888888
    """
    if len(means) != len(counts):
        raise ValueError(f"means and counts must match, got {len(means)} and {len(counts)}")
    if min(counts, default=0) < 0 or sum(counts) == 0:
        raise ValueError(f"counts must be >= 0 and sum to at least 1, got {list(counts)}")
    return sum(mean * n for mean, n in zip(means, counts, strict=True)) / sum(counts)


def _check_logits_and_targets(logits: Tensor, targets: Tensor) -> int:
    """Return K after checking that logits are (B, K) with B > 0 and targets are B classes."""
    if logits.ndim != 2 or targets.shape != logits.shape[:1]:
        raise ValueError(
            "logits must have shape (B, K) and targets (B,), "
            f"got {tuple(logits.shape)} and {tuple(targets.shape)}"
        )
    if len(targets) == 0:
        raise ValueError("there must be at least one image, got 0")
    if logits.isnan().any():
        raise ValueError(f"logits must be numbers, got NaN in {int(logits.isnan().sum())} places")
    _check_class_indices("targets", targets, logits.shape[1])
    return logits.shape[1]


def _check_class_indices(name: str, indices: Tensor, num_classes: int) -> None:
    if indices.is_floating_point() or indices.dtype == torch.bool:
        raise ValueError(f"{name} must be class indices of an integer type, got {indices.dtype}")
    if len(indices) and not (indices.min() >= 0 and indices.max() < num_classes):
        raise ValueError(
            f"{name} must be in [0, {num_classes}), "
            f"got values from {indices.min().item()} to {indices.max().item()}"
        )

"""The pad of the landing page: the ten mean images of chapter 1 and LeNet-5 read what you draw."""

import torch

from coursekit import live
from coursekit.live.microscope import encode_parameters
from dlvlib import data, metrics, results

DECIMALS = 3  # of the mean images in the page


def figure() -> live.LiveFigure:
    """Return the figure: the means of the training scans, a recorded LeNet-5, their test results.

    The scans are those that come with scikit-learn, 8 x 8 pixels; nothing is downloaded. The
    network is the one of experiment 10 that was trained on varied scans of MNIST.
    """
    train, test = data.load("digits")
    scans = train.images.flatten(1).double() / 255  # (N, 64)
    means = torch.stack([scans[train.targets == digit].mean(dim=0) for digit in range(10)])
    means = means.round(decimals=DECIMALS)  # (10, 64)

    pixels = test.images.flatten(1).double() / 255
    predicted = -((pixels[:, None] - means) ** 2).sum(dim=2)  # (M, 10)
    confusion = metrics.confusion_matrix(predicted.argmax(dim=1), test.targets, 10)
    correct = int(confusion.diagonal().sum())

    average = scans.mean(dim=0).view(8, 8)
    middles = (torch.arange(8) + 0.5) / 8
    centre = [average.sum(dim=axis) @ middles.double() / average.sum() for axis in (0, 1)]
    records = results.load("drawn_digits")
    record = records.of("varied")[0]
    total = record["dataset"]["num_test"]
    right = total - record["conditions"]["as they are"]["wrong"]
    values = {
        "means": means.tolist(),
        "ink": round(float(average.mean()), DECIMALS),
        "centre": [round(float(value), DECIMALS) for value in centre],  # x, y
        "parameters": encode_parameters(records.weights(record)),
        "counts": [[correct, len(test)], [right, total]],
    }
    return live.show("pad", values, _fallback(confusion))


def _fallback(confusion: torch.Tensor) -> str:
    """Return the classes as a table: `confusion` (10, 10) counts true classes in its rows."""
    rows = []
    for digit, counts in enumerate(confusion.tolist()):
        others = [count if k != digit else 0 for k, count in enumerate(counts)]
        most = [str(k) for k, count in enumerate(others) if count == max(others)]
        each = " each" * (len(most) > 1)
        mistakes = f"{' or '.join(most)}, {max(others)} of {sum(others)}{each}"
        right = f"{counts[digit]} of {sum(counts)}"
        rows.append([str(digit), right, mistakes if any(others) else "none"])
    total, correct = int(confusion.sum()), int(confusion.diagonal().sum())
    caption = (
        "This table shows how a simple reader does. It knows ten average pictures, one for each "
        f"digit, and takes the nearest. It reads {correct} of {total} test scans right."
    )
    return live.table(caption, ["digit", "read right", "commonest mistake"], rows)

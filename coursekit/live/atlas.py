"""The figure of chapter 6: two t-SNE maps of the same scans, to walk over and to make again."""

from collections.abc import Mapping

import torch
from torch import Tensor

from coursekit import live
from dlvlib import metrics

NUM_SCANS = 300
START_SPREAD = 1e-4  # of the first coordinate, as scikit-learn scales its PCA
NEIGHBOURS = 5
LABELS = {"untrained": "untrained features", "trained": "trained features"}


def figure(
    images: Tensor,
    targets: Tensor,
    spaces: Mapping[str, Tensor],
    shadows: Mapping[str, Tensor],
    maps: Mapping[str, Tensor],
    perplexity: int = 30,
) -> live.LiveFigure:
    """Return the figure for the first `NUM_SCANS` scans.

    Args:
        images: (N, 1, H, H) uint8 scans, and their `targets` (N,).
        spaces: the (N, D) points by space; the last one is always shown.
        shadows: (N, 2) points by space, where the descent starts.
        maps: (N, 2) finished maps of that `perplexity` by space, shown first.
    """
    targets = targets[:NUM_SCANS]
    pixels = images[:NUM_SCANS].flatten(1) // 16
    entries: list[dict[str, object]] = []
    rows = []
    for name, points in spaces.items():
        kept, flat = points[:NUM_SCANS], torch.as_tensor(maps[name])[:NUM_SCANS]
        whole = (127 * kept / kept.abs().max()).round()  # t-SNE knows no scale
        start = shadows[name][:NUM_SCANS]
        start = START_SPREAD * start / start[:, 0].std()
        entries.append(
            {
                "name": LABELS.get(name, name),
                "columns": kept.shape[1],
                "points": live.encode(whole.numpy(), "i1"),
                "start": [[float(f"{x:.3g}") for x in pair] for pair in start.tolist()],
                "map": [[round(x, 1) for x in pair] for pair in flat.tolist()],
            }
        )
        scores = [metrics.neighbor_accuracy(p, targets) for p in (kept, flat)]
        shared = _shared(kept, list(spaces.values())[-1][:NUM_SCANS])
        shown = [*(f"{score:.2f}" for score in scores), f"{shared:.1f}"]
        rows.append([LABELS.get(name, name), *shown])
    header = ["space", "neighbour accuracy", "on its map", f"of {NEIGHBOURS} nearest, shared"]
    last = entries[-1]["name"]
    caption = f"{len(targets)} scans; shared: with the nearest by {last}, on average"
    scans = ["".join(f"{value:x}" for value in row) for row in pixels.tolist()]
    values = {"side": images.shape[-1], "scans": scans, "targets": targets.tolist()}
    values |= {"perplexity": perplexity, "spaces": entries}
    return live.show("atlas", values, live.table(caption, header, rows))


def _shared(one: Tensor, other: Tensor) -> float:
    """Return how many of a point's nearest neighbours are the same in two spaces, on average."""
    nearest = [
        torch.cdist(p.double(), p.double())
        .fill_diagonal_(torch.inf)
        .topk(NEIGHBOURS, largest=False)
        .indices
        for p in (one, other)
    ]
    same = nearest[0][:, :, None] == nearest[1][:, None, :]
    return same.any(dim=2).sum(dim=1).double().mean().item()

"""The plan of an experiment: which runs it consists of, which are missing, and their records."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from dlvlib import results, runtime


class UnfinishedError(Exception):
    """Runs were trained, and others are still missing, so nothing can be drawn yet."""


@dataclass(frozen=True)
class Run:
    """One training: a variant of the experiment with one seed."""

    variant: str
    seed: int
    name: str


class Experiment:
    """The runs of an experiment at one budget, and the folder of their records.

    Args:
        name: of the experiment, such as "degradation".
        plan: budget, one of `results.BUDGETS` -> (variant, seed) of its runs, in order of value.
        budget: one of `plan`, or "best" for the one of `results.choose_budget`.
        compared: the variants that the best budget must have a run of; by default all.
        folder: where ``<name>/<run>.json`` are; by default the course's own records.

    Raises:
        ValueError: if `budget` is not in `plan`, or the plan names what no record can hold.
    """

    def __init__(
        self,
        name: str,
        plan: Mapping[str, Sequence[tuple[str, int]]],
        *,
        budget: str = "best",
        compared: Iterable[str] = (),
        folder: str | Path | None = None,
    ):
        if unknown := [name for name in plan if name not in results.BUDGETS]:
            raise ValueError(f"a plan must be for budgets of {results.BUDGETS}, got {unknown}")
        self.name = name
        self.root = Path(folder or results.records_folder())
        self.folder = self.root / name
        if budget == "best":
            budget = results.choose_budget(results.read_records(self.folder), compared)
        if budget not in plan:
            raise ValueError(f"budget must be one of {list(plan)} or 'best', got {budget!r}")
        self.budget = budget
        self.runs = [Run(v, s, results.run_name(v, budget, s)) for v, s in plan[budget]]
        self._trains = False

    def path(self, run: Run) -> Path:
        """Return where the record of a run is, or would be."""
        return self.folder / f"{run.name}.json"

    def pending(self, minutes: float | None = None) -> Iterator[Run]:
        """Yield the runs without a record, and none later than `minutes` from now.

        Several processes or machines can divide an experiment: if the environment variable
        DLV_SHARE is "2/3", this process takes every third run, from the second on.

        Raises:
            ValueError: if DLV_SHARE is not k/n with 1 <= k <= n.
        """
        self._trains = True
        end = None if minutes is None else time.monotonic() + 60 * minutes
        first, shares = _read_share(os.environ.get("DLV_SHARE") or "1/1")
        for run in self.runs[first::shares]:
            if self.path(run).exists():
                continue
            if end is not None and time.monotonic() >= end:
                return
            yield run

    def record(
        self,
        run: Run,
        *,
        model: str,
        config: Any,
        history: Any = (),
        seconds: float | None = None,
        weights: Mapping[str, Any] | None = None,
        predictions: Any = None,
        **fields: Any,
    ) -> None:
        """Write the record of a run.

        Args:
            run: one that `pending` yielded.
            config: a `TrainConfig`, or a mapping.
            history: what `fit` returned; without one, `seconds` must be given.
            weights: kept in a file of their own beside the record.
            predictions: the class of every test image, `evaluate(...).predictions`.
            **fields: `dataset` and `metrics`, and whatever else the experiment found.

        Raises:
            ValueError: if there is neither a history nor `seconds`.
            RecordError: see `results.write_record` and `results.write_weights`.
        """
        if not history and seconds is None:
            raise ValueError("seconds must be given without a history, got None")
        if weights is not None:
            file = self.path(run).with_suffix(".safetensors")
            fields["weights"] = results.write_weights(file, weights)
        if predictions is not None:
            fields["predictions"] = results.encode_classes(predictions)
        results.write_record(
            self.path(run),
            experiment=self.name,
            run=run.name,
            budget=self.budget,
            seed=run.seed,
            model=model,
            config=asdict(config) if is_dataclass(config) else config,  # type: ignore[arg-type]
            history=history.to_list() if history else [],
            wall_seconds=float(history.seconds if seconds is None else seconds),
            machine=runtime.describe_machine(),
            **fields,
        )

    def load(self) -> results.Records:
        """Read the records of this budget; planned runs without a record are in `missing`.

        Raises:
            UnfinishedError: if `pending` ran, and its time or share ended before all runs.
            RecordError: if a record is broken, or none exists.
        """
        missing = [run.name for run in self.runs if not self.path(run).exists()]
        if missing and self._trains:
            done = f"{len(self.runs) - len(missing)} of {len(self.runs)} runs of {self.name}"
            raise UnfinishedError(f"{done} are recorded; the page is drawn when all are")
        records = results.load(self.name, self.budget, folder=self.root)
        records.missing = missing
        return records


def _read_share(text: str) -> tuple[int, int]:
    """Read "k/n" as (k - 1, n)."""
    try:
        part, shares = (int(number) for number in text.split("/"))
    except ValueError:
        part, shares = 0, 0
    if not 1 <= part <= shares:
        raise ValueError(f"DLV_SHARE must be k/n with 1 <= k <= n, got {text!r}")
    return part - 1, shares

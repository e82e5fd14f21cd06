import numpy as np
import pytest
import torch
from test_results import FIELDS, WEIGHTS, write

from dlvlib import experiments, results


def plan(folder, budget="best"):
    runs = {"laptop": [("a", 0), ("b", 0)], "full": [("a", 0), ("b", 0), ("a", 1)]}
    return experiments.Experiment("demo", runs, budget=budget, folder=folder)


def test_an_experiment_yields_what_is_not_recorded_and_stops_in_time(tmp_path):
    write(tmp_path, "b-full-seed0")
    experiment = plan(tmp_path)
    assert experiment.budget == "full"
    assert [run.name for run in experiment.pending()] == ["a-full-seed0", "a-full-seed1"]
    assert list(experiment.pending(minutes=0)) == []
    with pytest.raises(experiments.UnfinishedError, match="^1 of 3 runs of demo are recorded"):
        experiment.load()
    assert plan(tmp_path).load().missing == ["a-full-seed0", "a-full-seed1"]  # to read
    with pytest.raises(results.RecordError):
        plan(tmp_path / "empty").load()
    assert plan(tmp_path / "empty").budget == "laptop"
    with pytest.raises(ValueError, match="budget must be one of .*'laptop', 'full'.* got 'huge'"):
        plan(tmp_path, "huge")
    for runs, message in (
        ({"quick": [("a", 0)]}, r"for budgets of .*, got \['quick'\]"),  # no record could say so
        ({"full": [("a/b", 0)]}, "without /, got 'a/b'"),
    ):
        with pytest.raises(ValueError, match=message):
            experiments.Experiment("demo", runs, budget=next(iter(runs)), folder=tmp_path)


def test_an_experiment_records_runs_with_weights_and_predictions(tmp_path):
    experiment = plan(tmp_path, "full")
    first, second, third = experiment.pending()
    parts = {name: FIELDS[name] for name in ("model", "config", "dataset", "metrics")}
    classes = torch.randint(0, 10, (10_000,), generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="seconds must be given without a history"):
        experiment.record(first, **parts)
    experiment.record(first, **parts, seconds=2, predictions=classes)
    experiment.record(third, **parts, seconds=2.0, weights=WEIGHTS, aux="on")
    records = plan(tmp_path, "full").load()
    predicted, record = records
    assert (record["run"], record["seed"], record["aux"]) == ("a-full-seed1", 1, "on")
    assert (record["wall_seconds"], record["history"]) == (2.0, [])
    assert "torch" in record["machine"]
    assert set(records.weights(record)) == set(WEIGHTS)
    assert records.missing == ["b-full-seed0"]
    found = records.predictions(predicted)
    assert found.dtype == np.uint8 and torch.from_numpy(found).tolist() == classes.tolist()
    assert experiment.path(first).stat().st_size < 8_000
    with pytest.raises(results.RecordError, match="a-full-seed1: the record holds no predictions"):
        records.predictions(record)
    nan = torch.tensor([torch.nan])
    for wrong in (classes + 250, classes - 1, classes.float(), classes[:, None], nan, ["cat"]):
        with pytest.raises(results.RecordError, match=r"must be \(N,\) integers in \[0, 256\)"):
            experiment.record(second, **parts, seconds=2.0, predictions=wrong)


def test_several_processes_divide_the_runs(tmp_path, monkeypatch):
    runs = {"full": [("net", seed) for seed in range(7)]}
    experiment = experiments.Experiment("demo", runs, budget="full", folder=tmp_path)
    write(tmp_path, "net-full-seed3")  # a finished run does not shift the others
    for share, seeds in (("1/3", [0, 6]), ("2/3", [1, 4]), ("3/3", [2, 5])):
        monkeypatch.setenv("DLV_SHARE", share)
        assert [run.seed for run in experiment.pending()] == seeds
    for share in ("0/2", "3/2", "2", "a/b", "1/2/3"):
        monkeypatch.setenv("DLV_SHARE", share)
        with pytest.raises(ValueError, match=f"k/n with 1 <= k <= n, got '{share}'"):
            list(experiment.pending())

import json
from pathlib import Path

import pytest

from dlvlib import results

ROOT = Path(__file__).parent.parent
RECORDS = sorted((ROOT / "chapters" / "results").rglob("*.json"))
FIELDS = {
    "experiment": "demo",
    "run": "net-full-seed0",
    "budget": "full",
    "seed": 0,
    "model": "lenet5",
    "dataset": {"name": "digits", "checksum": "abc"},
    "config": {"lr": 0.01},
    "history": [{"epoch": 1, "train_loss": 2.3}],
    "metrics": {"test_top1": 0.5},
    "wall_seconds": 61.0,
    "machine": {"accelerator": "none", "cpu": "A CPU", "torch_threads": 2, "torch": "2.9"},
}


def test_a_record_comes_back_as_it_was_written(tmp_path):
    path = results.write_record(tmp_path / "a" / "run.json", **FIELDS, confusion=[[1, 0], [0, 1]])
    record = results.read_record(path)
    assert {k: record[k] for k in FIELDS} == FIELDS
    assert record["confusion"] == [[1, 0], [0, 1]]
    assert set(record) == {*FIELDS, "confusion", "git_commit", "recorded_at"}
    assert list(path.parent.iterdir()) == [path]  # no temporary file is left


@pytest.mark.parametrize("name", sorted(results.REQUIRED))
def test_a_record_without_a_required_field_is_refused(tmp_path, name):
    path = results.write_record(tmp_path / "run.json", **FIELDS)
    content = json.loads(path.read_text())
    del content[name]
    path.write_text(json.dumps(content))
    with pytest.raises(results.RecordError, match=f"run.json: the field '{name}' is missing"):
        results.read_record(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "0"}, "'seed' must be int, got str"),
        ({"seed": True}, "'seed' must be int, got bool"),
        ({"wall_seconds": 3}, "'wall_seconds' must be float, got int"),
        ({"budget": "huge"}, "budget must be one of .* got 'huge'"),
        ({"metrics": {"loss": float("nan")}}, "not storable as JSON"),
        ({"metrics": {"loss": object()}}, "not storable as JSON"),
    ],
)
def test_a_wrong_record_is_not_written(tmp_path, change, message):
    with pytest.raises(results.RecordError, match=message):
        results.write_record(tmp_path / "run.json", **{**FIELDS, **change})
    assert not list(tmp_path.iterdir())


def test_a_record_edited_by_hand_is_refused(tmp_path):
    path = results.write_record(tmp_path / "run.json", **FIELDS)
    edited = path.read_text().replace('"test_top1":0.5', '"test_top1":0.6')
    assert edited != path.read_text()
    path.write_text(edited)
    with pytest.raises(results.RecordError, match="does not match its digest"):
        results.read_record(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not readable as JSON"),
        (b"\xff\xfe", "not readable"),
        (b"[1]", "JSON object, got list"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(results.RecordError, match=f"run.json: .*{message}"):
        results.read_record(path)


def test_a_missing_record_says_how_to_make_it(tmp_path):
    with pytest.raises(results.RecordError, match="no record at .*make train"):
        results.read_record(tmp_path / "run.json")
    with pytest.raises(results.RecordError, match="no full records in .*make train"):
        results.read_experiment(tmp_path, budget="full")


def test_an_experiment_is_read_in_order_and_by_budget(tmp_path):
    for seed, budget in [(1, "full"), (0, "full"), (0, "smoke")]:
        run = f"net-{budget}-seed{seed}"
        fields = {**FIELDS, "seed": seed, "budget": budget, "run": run}
        results.write_record(tmp_path / f"{run}.json", **fields)
    assert [r["seed"] for r in results.read_experiment(tmp_path, budget="full")] == [0, 1]
    assert len(results.read_experiment(tmp_path)) == 3


def test_pending_skips_what_is_recorded_and_stops_in_time(tmp_path):
    results.write_record(tmp_path / "b.json", **FIELDS)
    assert list(results.pending(tmp_path, ["a", "b", "c"])) == ["a", "c"]
    assert list(results.pending(tmp_path, ["a", "b", "c"], minutes=0)) == []


def test_provenance_is_one_line_and_refuses_a_mixture(tmp_path):
    record = results.read_record(results.write_record(tmp_path / "r.json", **FIELDS))
    line = results.provenance([record, record])
    assert line.startswith("Recorded: 2 runs on digits, budget “full”, CPU, 2 threads")
    assert "median 1.0 min each" in line
    with pytest.raises(results.RecordError, match="must share one budget"):
        results.provenance([record, {**record, "budget": "laptop"}])
    with pytest.raises(results.RecordError, match="no record"):
        results.provenance([])


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_a_published_record_is_whole_and_no_smoke_run(path):
    record = results.read_record(path)
    assert record["budget"] != "smoke"
    assert path.stem == record["run"]
    assert path.parent == ROOT / "chapters" / "results" / record["experiment"]
    assert record["git_commit"] != "unknown"


def test_there_are_published_records():
    assert RECORDS

import json
from pathlib import Path

import pytest
import torch

from dlvlib import results

ROOT = Path(__file__).parents[2]
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


def test_several_processes_divide_the_runs(tmp_path, monkeypatch):
    runs = [f"run{number}" for number in range(7)]
    parts = []
    for share in ("1/3", "2/3", "3/3"):
        monkeypatch.setenv("DLV_SHARE", share)
        parts.append(list(results.pending(tmp_path, runs)))
    assert [part[0] for part in parts] == runs[:3]
    assert sorted(run for part in parts for run in part) == runs
    results.write_record(tmp_path / "run3.json", **FIELDS)
    monkeypatch.setenv("DLV_SHARE", "1/3")  # a finished run does not shift the others
    assert list(results.pending(tmp_path, runs)) == ["run0", "run6"]


@pytest.mark.parametrize("share", ["0/2", "3/2", "2", "a/b", "1/2/3"])
def test_an_impossible_share_is_named(tmp_path, monkeypatch, share):
    monkeypatch.setenv("DLV_SHARE", share)
    with pytest.raises(ValueError, match=f"k/n with 1 <= k <= n, got '{share}'"):
        list(results.pending(tmp_path, ["a"]))


def record_runs(folder, *runs):
    for run in runs:
        results.write_record(folder / f"{run}.json", **{**FIELDS, "run": run})


def test_a_page_shows_the_budget_of_which_most_is_recorded(tmp_path):
    runs = {"laptop": ["l0", "l1"], "full": ["f0", "f1"]}
    assert results.choose_budget(tmp_path, runs) == "laptop"  # nothing recorded
    record_runs(tmp_path, "f0")
    assert results.choose_budget(tmp_path, runs) == "full"
    record_runs(tmp_path, "l0")
    assert results.choose_budget(tmp_path, runs) == "full"  # the larger of equals
    record_runs(tmp_path, "l1")
    assert results.choose_budget(tmp_path, runs) == "laptop"
    record_runs(tmp_path, "f1")
    assert results.choose_budget(tmp_path, runs) == "full"


def test_status_says_what_is_recorded_and_what_is_missing(tmp_path):
    assert results.read_recorded(tmp_path, ["a", "b"]) == []
    said = results.status(tmp_path, ["a", "b"])
    assert said.startswith("0 of 2 runs are recorded.\nMissing: a, b.\n`make train`")
    record_runs(tmp_path, "b")
    assert [record["run"] for record in results.read_recorded(tmp_path, ["a", "b"])] == ["b"]
    assert "1 of 2" in results.status(tmp_path, ["a", "b"])
    assert "Missing: a.\n" in results.status(tmp_path, ["a", "b"])
    record_runs(tmp_path, "a")
    assert "Missing" not in results.status(tmp_path, ["a", "b"])
    assert "Recorded: 2 runs on the digits" in results.status(tmp_path, ["a", "b"])


def test_the_copy_of_a_data_set_is_called_a_copy():
    assert results.dataset_title("cifar10_jpeg") == "CIFAR-10, JPEG copy"
    assert results.dataset_title("my_birds") == "my_birds"


def test_known_images_keep_their_name_in_a_renamed_folder():
    ((checksum, name),) = results.KNOWN.items()
    renamed = {"dataset": {"name": "downloads", "checksum": checksum}}
    assert results.dataset_name(renamed) == name
    assert results.dataset_name({"dataset": {"name": "downloads", "checksum": "0"}}) == "downloads"
    assert results.dataset_name({"dataset": {"name": "downloads"}}) == "downloads"


def test_provenance_is_one_line_and_refuses_a_mixture(tmp_path):
    record = results.read_record(results.write_record(tmp_path / "r.json", **FIELDS))
    line = results.provenance([record, record])
    assert line.startswith(
        "Recorded: 2 runs on the digits of scikit-learn, budget “full”, CPU, 2 threads"
    )
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


WEIGHTS = {
    "conv.weight": torch.linspace(-1, 1, 24).view(2, 3, 2, 2),
    "norm.num_batches_tracked": torch.tensor(7),
}


def write_run(folder, weights=WEIGHTS):
    about = results.write_weights(folder / "run.safetensors", weights)
    return results.write_record(folder / "run.json", **FIELDS, weights=about)


def test_weights_come_back_as_float32_to_half_precision(tmp_path):
    found = results.read_weights(write_run(tmp_path))
    assert set(found) == set(WEIGHTS)
    torch.testing.assert_close(found["conv.weight"], WEIGHTS["conv.weight"], atol=0, rtol=2**-11)
    assert found["conv.weight"].dtype == torch.float32
    assert found["norm.num_batches_tracked"] == WEIGHTS["norm.num_batches_tracked"]
    sizes = {p.name: p.stat().st_size for p in tmp_path.iterdir()}
    assert (
        sizes["run.safetensors"] == results.read_record(tmp_path / "run.json")["weights"]["bytes"]
    )
    assert set(sizes) == {"run.json", "run.safetensors"}


def test_altered_weights_are_refused(tmp_path):
    path = write_run(tmp_path)
    file = tmp_path / "run.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(results.RecordError, match="run.safetensors: does not match run.json"):
        results.read_weights(path)
    file.unlink()
    with pytest.raises(results.RecordError, match="run.safetensors is missing; delete run.json"):
        results.read_weights(path)


def test_weights_of_a_record_without_any_are_refused(tmp_path):
    path = results.write_record(tmp_path / "run.json", **FIELDS)
    with pytest.raises(results.RecordError, match="names no weights"):
        results.read_weights(path)


@pytest.mark.parametrize("number", [70_000.0, float("inf"), float("nan")])
def test_weights_that_half_precision_cannot_hold_are_not_written(tmp_path, number):
    with pytest.raises(results.RecordError, match="'scale' must be finite as float16"):
        results.write_weights(tmp_path / "run.safetensors", {"scale": torch.tensor([number])})
    assert not list(tmp_path.iterdir())


def test_a_weights_file_never_leaves_the_folder_of_its_record(tmp_path):
    about = results.write_weights(tmp_path / "other.safetensors", WEIGHTS)
    (tmp_path / "a").mkdir()
    fields = {**FIELDS, "weights": {**about, "file": "../other.safetensors"}}
    path = results.write_record(tmp_path / "a" / "run.json", **fields)
    with pytest.raises(results.RecordError, match="is missing"):
        results.read_weights(path)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "chapters" / "results").rglob("*.safetensors")), ids=lambda p: p.stem
)
def test_published_weights_are_small_and_belong_to_a_record(path):
    assert path.stat().st_size <= 2_000_000
    assert all(
        w.isfinite().all() for w in results.read_weights(path.with_suffix(".json")).values()
    )


def test_the_days_of_several_records_are_a_range():
    days = [{"recorded_at": f"2026-01-0{day}T00:00:00Z"} for day in (3, 1, 2)]
    assert results.date_range(days) == "2026-01-01 to 2026-01-03"
    assert results.date_range(days[:1]) == "2026-01-03"

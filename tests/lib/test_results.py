import json
import subprocess
import sys

import pytest
import torch

from dlvlib import _records, results

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
(KNOWN,) = results.KNOWN
WEIGHTS = {
    "conv.weight": torch.linspace(-1, 1, 24).view(2, 3, 2, 2),
    "norm.num_batches_tracked": torch.tensor(7),
    **dict.fromkeys(("one", "two"), torch.ones(2).half()),  # share their memory
}


def write(folder, *runs, **fields):
    for run in runs:
        _, budget, seed = run.rsplit("-", 2)
        named = {"run": run, "budget": budget, "seed": int(seed.removeprefix("seed"))}
        results.write_record(folder / "demo" / f"{run}.json", **{**FIELDS, **named, **fields})


def test_a_record_comes_back_as_json_gives_it(tmp_path):
    metrics = {True: 0} | {i: i for i in range(2, 13)}  # as numbers, 2 comes before 10
    fields = FIELDS | {"metrics": metrics, "confusion": ((1, 0), (0, 1))}
    path = results.write_record(tmp_path / "a" / "run.json", **fields)
    record = results.read_record(path)
    assert set(record) == {*fields, "git_commit", "recorded_at"}
    assert record.pop("metrics") == {"true": 0} | {str(i): i for i in range(2, 13)}
    assert record.pop("confusion") == [[1, 0], [0, 1]]
    assert record.items() >= {k: v for k, v in FIELDS.items() if k != "metrics"}.items()
    assert list(path.parent.iterdir()) == [path]  # no temporary file is left


DEEP = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "0"}, "'seed' must be int, got str"),
        ({"seed": True}, "'seed' must be int, got bool"),
        ({"wall_seconds": 3}, "'wall_seconds' must be float, got int"),
        ({"budget": "huge"}, "budget must be one of .* got 'huge'"),
        ({"digest": "0"}, "'digest' is reserved"),
        ({"metrics": {"loss": float("nan")}}, "not storable as JSON"),
        ({"metrics": {"loss": object()}}, "not storable as JSON"),
        ({"metrics": {1: 1, "1": 2}}, "not storable as JSON: duplicate key '1'"),
        ({"metrics": {"count": 10**5000}}, "not storable as JSON"),
        ({"metrics": {"list": DEEP}}, "not storable as JSON"),
    ],
)
def test_a_wrong_record_is_not_written(tmp_path, change, message):
    with pytest.raises(results.RecordError, match=message):
        results.write_record(tmp_path / "run.json", **FIELDS | change)
    assert not list(tmp_path.iterdir())


def test_a_record_that_was_edited_is_refused(tmp_path):
    path = results.write_record(tmp_path / "run.json", **FIELDS)
    text = path.read_text()
    path.write_text(text.replace('"test_top1":0.5', '"test_top1":0.6'))
    with pytest.raises(results.RecordError, match=r"run\.json: does not match its digest"):
        results.read_record(path)
    for name in results.REQUIRED:
        path.write_text(json.dumps({k: v for k, v in json.loads(text).items() if k != name}))
        with pytest.raises(results.RecordError, match=f"run.json: the field '{name}' is missing"):
            results.read_record(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not readable as JSON"),
        (b"\xff\xfe", "not readable as JSON"),
        (b"[1]", "must be an object, got list"),
        (b'{"a": NaN}', "not readable as JSON"),
        (b'{"a": 1e999}', "not readable as JSON"),
        (b'{"a": ' + 5000 * b"9" + b"}", "not readable as JSON"),
        (100_000 * b"[" + 100_000 * b"]", "not readable as JSON"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "duplicate key 'c'"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    path = tmp_path / "run.json"
    with pytest.raises(results.RecordError, match="no record at .*make train"):
        results.read_record(path)
    with pytest.raises(results.RecordError, match=": cannot be read: Is a directory"):
        results.read_record(tmp_path)
    path.write_bytes(content)
    with pytest.raises(results.RecordError, match=rf"run\.json: .*{message}"):
        results.read_record(path)


def test_writers_of_one_record_never_tear_it(tmp_path):
    path = results.write_record(tmp_path / "run.json", **FIELDS)
    code = (
        "import json, os, sys; from dlvlib import results; fields = json.loads(sys.argv[2])\n"
        "os.getpid = lambda: 7\n"  # as in two containers that share a folder
        "for _ in range(100): results.write_record(sys.argv[1], git_commit='0', **fields)"
    )
    command = [sys.executable, "-c", code, str(path), json.dumps(FIELDS)]
    writers = [subprocess.Popen(command) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        assert results.read_record(path)["seed"] == 0
    assert [writer.returncode for writer in writers] == [0, 0]
    assert list(tmp_path.iterdir()) == [path]


def test_an_experiment_is_read_by_budget_and_in_the_order_of_its_seeds(tmp_path):
    write(tmp_path, "net-full-seed10", "net-full-seed9", "b-full-seed9", "net-smoke-seed0")
    records = results.load("demo", "full", folder=tmp_path)
    assert [(r["run"]) for r in records] == ["b-full-seed9", "net-full-seed9", "net-full-seed10"]
    assert [r["seed"] for r in records.of("net")] == [9, 10]
    assert len(results.load("demo", None, folder=tmp_path)) == 4
    with pytest.raises(results.RecordError, match="no laptop record in .*demo; `make train`"):
        results.load("demo", "laptop", folder=tmp_path)
    with pytest.raises(results.RecordError, match="no record in .*nothing; `make train`"):
        results.load("nothing", folder=tmp_path)
    with pytest.raises(ValueError, match="'best' or None, got 'Full'"):
        results.load("demo", "Full", folder=tmp_path)
    (tmp_path / "demo" / "net-full-seed9.json").rename(tmp_path / "demo" / "net-full-seed1.json")
    with pytest.raises(results.RecordError, match="seed1.json: is the record of 'net-full-seed9'"):
        results.load("demo", folder=tmp_path)


def test_the_best_budget_is_the_longest_in_which_every_variant_has_a_run(tmp_path):
    def best(*runs, variants=()):
        write(tmp_path, *runs)
        return results.load("demo", variants=variants, folder=tmp_path).budget

    assert best("a-laptop-seed0") == "laptop"
    assert best("a-laptop-seed1", "b-laptop-seed0", "a-smoke-seed0") == "laptop"
    assert best("a-full-seed0") == "laptop"  # b is missing
    assert best("c-laptop-seed0", "b-full-seed0") == "laptop"  # c is missing
    assert best(variants=("a", "b")) == "full"
    assert best("c-full-seed0") == "full"
    assert results.choose_budget([]) == "laptop"
    with pytest.raises(ValueError, match="must be several names, got 'resnet20'"):
        results.choose_budget([], "resnet20")


def test_records_print_what_they_are_and_what_is_missing(tmp_path):
    write(tmp_path, "net-full-seed0", "net-full-seed1")
    records = results.load("demo", folder=tmp_path)
    assert str(records).startswith(
        "Recorded: 2 runs of 1 epoch on the digits of scikit-learn, CPU, 2 threads,\n"
    )
    assert "median 1.0 min each" in str(records)
    records.missing = [f"network-of-layers-full-seed{seed}" for seed in range(2, 8)]
    *_, first, second, advice = str(records).splitlines()  # a name is never cut
    named = ", ".join(records.missing[:3])
    assert f"{first} {second}" == f"Missing: {named} and 3 more."
    assert advice == "`make train` makes them."


@pytest.mark.parametrize(
    ("field", "values", "text"),
    [
        ("wall_seconds", [61, 7, 2.6], ", median 7 s each"),
        ("wall_seconds", [1, 80, 90, 2], ", median 41 s each"),
        ("wall_seconds", [60], ", median 1.0 min each"),
        ("wall_seconds", [59.6], ", median 60 s each"),
        ("history", [["an epoch"]], ": 1 run of 1 epoch on the digits"),
        ("history", [n * ["an epoch"] for n in (4, 40, 10)], ": 3 runs of 4 to 40 epochs on"),
        ("history", [[], 4 * ["an epoch"]], ": 2 runs of up to 4 epochs on"),
        ("history", [[]], ": 1 run on"),
        ("recorded_at", ["2026-01-03T", "2026-01-01T", "2026-01-02T"], "26-01-01 to 2026-01-03."),
        ("recorded_at", ["2026-01-03T00:00:00Z"], ", 2026-01-03."),
        ("dataset", [{"name": "renamed", "checksum": KNOWN}], " on CIFAR-10, JPEG copy, CPU"),
        ("dataset", [{"name": "renamed", "checksum": "0"}], " on renamed, CPU"),
    ],
)
def test_provenance_gives_median_time_epochs_days_and_data(field, values, text):
    records = [FIELDS | {"recorded_at": "2026-11-28", field: value} for value in values]
    assert text in results.provenance(records)


def test_a_record_names_the_commit_of_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(_records, "__file__", str(tmp_path / "code.py"))

    def commit():
        path = results.write_record(tmp_path / "run.json", **FIELDS)
        return results.read_record(path)["git_commit"]

    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]

    def commit_files():
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "code"]):
            subprocess.run([*git, *command], check=True)

    assert commit() == "unknown"
    commit_files()
    assert commit() == "unknown"  # of another project, in which this code is not
    (tmp_path / "code.py").touch()
    commit_files()
    committed = commit()
    assert len(committed) == 40
    assert commit() == f"{committed}+changes"


def test_provenance_refuses_a_mixture():
    for what, change in (
        ("budget", {"budget": "laptop"}),
        ("data set", {"dataset": {"name": "mnist"}}),
        ("device", {"machine": {**FIELDS["machine"], "accelerator": "A GPU"}}),
    ):
        with pytest.raises(results.RecordError, match=f"must share one {what}, got"):
            results.provenance([FIELDS, FIELDS | change])
    with pytest.raises(results.RecordError, match="no record"):
        results.provenance([])


def test_weights_come_back_in_half_precision_and_others_are_refused(tmp_path):
    file = tmp_path / "a" / "run.safetensors"
    about = results.write_weights(file, WEIGHTS)
    path = results.write_record(file.with_suffix(".json"), **FIELDS, weights=about)
    found = results.read_weights(str(path))
    expected = {k: v.float() if v.is_floating_point() else v for k, v in WEIGHTS.items()}
    torch.testing.assert_close(found, expected, atol=0, rtol=2**-11)  # types and names, too
    assert results.read_record(path)["weights"]["bytes"] == file.stat().st_size
    assert set(file.parent.iterdir()) == {path, file}
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(results.RecordError, match=r"run\.safetensors: does not match run\.json"):
        results.read_weights(path)
    file.rename(tmp_path / "outside.safetensors")
    with pytest.raises(results.RecordError, match=r"run\.safetensors is missing; delete run"):
        results.read_weights(path)
    outside = {"file": "../outside.safetensors", "sha256": ""}
    for weights in (None, {}, {"file": 3, "sha256": ""}, {"file": "a"}, outside):
        results.write_record(path, **FIELDS, weights=weights)
        rule = "is missing" if weights is outside else "names no weights"
        with pytest.raises(results.RecordError, match=rule):
            results.read_weights(path)


def test_weights_that_half_precision_cannot_hold_are_not_written(tmp_path):
    for number in (70_000.0, float("inf"), float("nan")):
        with pytest.raises(results.RecordError, match="'scale' must be finite as float16"):
            results.write_weights(tmp_path / "run.safetensors", {"scale": torch.tensor(number)})
    assert not list(tmp_path.iterdir())

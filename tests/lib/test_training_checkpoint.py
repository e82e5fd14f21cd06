"""A run may be killed at any moment; and no file but its own is taken for its checkpoint."""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn
from training_helpers import config, digits, one_thread, same, small_net, weights  # noqa: F401

from dlvlib.training import CheckpointError, TrainConfig, fit

TESTS = Path(__file__).parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_runs_end_with_the_bits_of_the_uninterrupted_one(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    command = [sys.executable, str(TESTS / "kill_training.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    whole, *killed = map(json.loads, done.stdout.splitlines())
    assert len(killed) == 4 and sum(run["kills"] for run in killed) >= 10
    assert killed[-1]["kills"] >= 3  # between write and rename
    for run in killed:
        assert run["history"] == whole["history"]
        assert run["weights"] == whole["weights"]


class Interrupted(Exception):
    pass


def interrupt_at(epoch):
    def on_epoch(record):
        if record.epoch == epoch:
            raise Interrupted

    return on_epoch


def without_time(history):
    return [dataclasses.replace(record, seconds=0.0) for record in history.epochs]


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw", "weight_decay": 0.1, "decay_all": False, "schedule": "one_cycle"},
        {"momentum": 0.9, "patience": 2, "keep": "best", "crop_padding": 1, "accumulate": 2},
        {"precision": "bf16", "cutout": 3},
    ],
    ids=["adamw", "early stopping", "bf16"],
)
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path, options):
    data, file = digits(100), tmp_path / "deep" / "run.pt"
    settings = config(num_epochs=5, lr=0.05, **options)
    whole, parts = small_net(dropout=0.5), small_net(dropout=0.5)
    wanted = fit(whole, data, data, settings)
    with pytest.raises(Interrupted):
        fit(parts, data, data, settings, checkpoint=file, on_epoch=interrupt_at(2))
    other, seen = small_net(seed=9, dropout=0.5), []  # whatever the weights are at the start
    found = fit(other, data, data, settings, checkpoint=file, on_epoch=seen.append)
    assert same(weights(other), weights(whole))
    assert without_time(found) == without_time(wanted)
    assert [record.epoch for record in seen] == found.column("epoch")[2:]
    assert list(file.parent.iterdir()) == [file]


def test_a_finished_run_is_only_read(tmp_path):
    data, file = digits(50), tmp_path / "run.pt"
    first, second = small_net(), small_net(seed=1)
    wanted = fit(first, data, data, config(), checkpoint=file)
    before = file.read_bytes()
    assert fit(second, data, data, config(), checkpoint=file) == wanted
    assert same(weights(first), weights(second)) and file.read_bytes() == before


def test_saving_changes_nothing(tmp_path):
    data, plain, saving = digits(100), small_net(dropout=0.5), small_net(dropout=0.5)
    wanted = fit(plain, data, data, config())
    path = tmp_path / "run.pt"
    found = fit(saving, data, data, config(), checkpoint=path, checkpoint_every=1)
    assert same(weights(plain), weights(saving))
    assert without_time(found) == without_time(wanted)


def test_the_file_is_whole_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    events, data = [], digits(20)
    real_sync, real_replace = os.fsync, os.replace

    def fsync(number):
        events.append("fsync")
        real_sync(number)

    def replace(source, target):
        assert zipfile.ZipFile(source).testzip() is None
        events.append("replace")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    fit(small_net(), data, None, config(num_epochs=1), checkpoint=tmp_path / "run.pt")
    assert events[:2] == ["fsync", "replace"]


def test_checkpoint_every_counts_steps(tmp_path, monkeypatch):
    saved, real = [], torch.save

    def save(content, file):
        saved.append((content["epoch"], content["step"]))
        real(content, file)

    monkeypatch.setattr(torch, "save", save)
    fit(small_net(), digits(96), None, config(), checkpoint=tmp_path / "f", checkpoint_every=2)
    assert saved == [(1, 2), (2, 0), (2, 2), (3, 0)]


# What is refused


def finished(tmp_path):
    file = tmp_path / "run.pt"
    fit(small_net(), digits(50), digits(20), config(), checkpoint=file)
    return file


def refused(file, message, *, model=None, train=None, val=None, settings=None):
    """The file is refused, and neither it nor the model changes."""
    before, model = file.read_bytes(), model or small_net()
    start = weights(model)
    with pytest.raises(CheckpointError, match=message) as caught:
        fit(
            model,
            train or digits(50),
            val or digits(20),
            settings or config(),
            checkpoint=file,
        )
    assert file.read_bytes() == before and same(weights(model), start)
    assert "it was left as it is" in str(caught.value) and "\n" not in str(caught.value)
    assert str(file.parent) not in str(caught.value)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99, "all but one byte"])
def test_a_truncated_checkpoint_is_refused(tmp_path, kept):
    file = finished(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: -1 if isinstance(kept, str) else int(kept * len(content))])
    refused(file, r"run\.pt must be a whole checkpoint, but cannot be read")


def test_a_damaged_checkpoint_is_refused_at_whatever_byte_of_a_weight(tmp_path):
    file = finished(tmp_path)
    content = bytearray(file.read_bytes())
    at = content.index(small_weight(file))
    content[at] ^= 1
    file.write_bytes(content)
    refused(file, r"run\.pt must be a whole checkpoint, but cannot be read")


def small_weight(file):
    return torch.load(file, weights_only=True)["model"]["1.weight"].numpy().tobytes()


class Foreign:
    def __reduce__(self):
        return (pytest.fail, ("code from a checkpoint was executed",))


@pytest.mark.parametrize("content", ["text", "weights", "object", "number"])
def test_a_foreign_file_is_refused(tmp_path, content):
    file = tmp_path / "run.pt"
    if content == "text":
        file.write_text("my notes")
    else:
        values = {"weights": small_net().state_dict(), "object": Foreign(), "number": 3}
        torch.save(values[content], file)
    refused(file, r"run\.pt must be a (whole )?checkpoint")


@pytest.mark.parametrize(
    ("field", "value"),
    [("lr", 0.5), ("num_epochs", 3), ("seed", 1), ("flip", True), ("milestones", (0.1, 0.2))],
)
def test_a_checkpoint_of_another_configuration_is_refused(tmp_path, field, value):
    file = finished(tmp_path)
    was = getattr(TrainConfig(**dataclasses.asdict(config())), field)
    was = list(was) if isinstance(was, tuple) else was
    refused(
        file,
        rf"is of another config \({field}\): saved with {was}, now ".replace("[", r"\["),
        settings=config(**{field: value}),
    )


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    file = finished(tmp_path)
    wider = nn.Sequential(nn.Flatten(), nn.Linear(64, 33), nn.Tanh(), nn.Linear(33, 10))
    refused(file, r"another model \(1.weight\): .*\(32, 64\), now .*\(33, 64\)", model=wider)
    relu = small_net()
    relu[2] = nn.ReLU()  # the same tensors, another function
    refused(file, r"another model \(modules\)", model=relu)


def test_a_checkpoint_of_another_device_is_refused(tmp_path):
    file = finished(tmp_path)
    content = torch.load(file, weights_only=True)
    content["identity"]["device"] = "cuda"
    torch.save(content, file)
    refused(file, "is of another device: saved with cuda, now cpu")


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    file = finished(tmp_path)
    other = digits(50)
    other.targets[3] = (other.targets[3] + 1) % 10
    refused(file, "another train", train=other)
    other = digits(20)
    other.images[3, 0, 0, 0] += 1
    refused(file, "another val", val=other)


def test_the_progress_bar_may_be_switched_off_in_between(tmp_path):
    file = finished(tmp_path)
    fit(small_net(), digits(50), digits(20), config(progress=False), checkpoint=file)


def test_checkpoint_every_needs_a_file():
    with pytest.raises(ValueError, match="checkpoint_every must be an int >= 0, and 0 without"):
        fit(small_net(), digits(20), None, config(), checkpoint_every=5)
    with pytest.raises(ValueError, match=r"checkpoint_every must be .* got -1"):
        fit(small_net(), digits(20), None, config(), checkpoint="x", checkpoint_every=-1)

"""A run may be killed at any moment; and no file but its own is taken for its checkpoint."""

import errno
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training_helpers import config, digits, run_script, same, small_net, weights, without_time

from dlvlib.training import CheckpointError, fit
from dlvlib.training.checkpoint import digest

TESTS = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_runs_end_with_the_bits_of_the_uninterrupted_one(tmp_path):
    whole, *killed = run_script(TESTS / "kill_training.py", tmp_path).splitlines()
    assert [json.loads(run) for run in killed] == [json.loads(whole)] * 5


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw", "schedule": "one_cycle", "lr": np.logspace(-2, -1, 2)[0]},
        {"momentum": 0.9, "patience": 2, "keep": "best", "crop_padding": 1, "accumulate": 2},
        {"precision": "bf16", "cutout": 3, "weight_decay": torch.tensor(0.01)},
    ],
    ids=["adamw", "early stopping", "bf16"],
)
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path, options):
    data, file = digits(100), tmp_path / "deep" / "run.pt"
    val = digits(100)
    val.targets = val.targets.roll(1)  # so that the first epoch is the best
    settings = config(**{"num_epochs": 5, "lr": 0.05} | options)
    whole, parts = small_net(dropout=0.5), small_net(dropout=0.5)
    wanted = fit(whole, data, val, settings)

    def interrupt(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(parts, data, val, settings, checkpoint=file, on_epoch=interrupt)
    other, seen = small_net(seed=9, dropout=0.5), []  # whatever its first weights are
    found = fit(other, data, val, settings, checkpoint=file, on_epoch=seen.append)
    assert same(other, whole)
    assert without_time(found) == without_time(wanted)
    assert [record.epoch for record in seen] == found.column("epoch")[2:]
    assert list(file.parent.iterdir()) == [file]


def test_a_finished_run_is_only_read_and_a_link_stays_a_link(tmp_path):
    data, file, target = digits(50), tmp_path / "run.pt", tmp_path / "disk" / "run.pt"
    target.parent.mkdir()
    file.symlink_to(target)
    first, second = small_net(), small_net(seed=1)
    wanted = fit(first, data, data, config(), checkpoint=str(file))
    before = target.read_bytes()
    settings = config(progress=False)  # which may change in between
    assert fit(second, data, data, settings, checkpoint=file) == wanted
    assert same(first, second) and file.read_bytes() == before
    assert file.is_symlink()


def test_a_run_is_saved_after_each_epoch_and_every_few_steps(tmp_path, monkeypatch):
    saved, save = [], torch.save

    def spy(content, file):
        saved.append((content["epoch"], content["step"]))
        save(content, file)

    monkeypatch.setattr(torch, "save", spy)
    path = tmp_path / "run.pt"
    fit(small_net(), digits(96), None, config(), checkpoint=path, checkpoint_every=2)
    assert saved == [(1, 2), (2, 0), (2, 2), (3, 0)]


def test_a_second_process_on_the_same_file_is_noticed(tmp_path):
    file, data = tmp_path / "run.pt", digits(50)

    def start_another(record):  # with the same file, before the first run's next save
        if record.epoch == 1:
            fit(small_net(), data, None, config(), checkpoint=file)

    with pytest.raises(CheckpointError, match=r"run\.pt was written by another process"):
        fit(small_net(), data, None, config(), checkpoint=file, on_epoch=start_another)
    assert len(fit(small_net(), data, None, config(), checkpoint=file).epochs) == 2  # is whole


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    file, data, settings = tmp_path / "run.pt", digits(50), config(num_epochs=4)
    whole, model = small_net(), small_net()
    fit(whole, data, None, settings)

    def fill(record):
        def full(number):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match=r"run\.pt cannot be saved: No space left"):
        fit(model, data, None, settings, checkpoint=file, on_epoch=fill)
    assert list(tmp_path.iterdir()) == [file]
    monkeypatch.undo()
    assert len(fit(model, data, None, settings, checkpoint=file).epochs) == 4
    assert same(model, whole)


# What is refused


@pytest.fixture
def finished(tmp_path):
    file = tmp_path / "run.pt"
    fit(small_net(), digits(50), digits(20), config(keep="best"), checkpoint=file)
    return file


def assert_refused(file, message, *, model=None, train=None, val=None, settings=None):
    """The file is refused, and neither it nor the model changes."""
    before, model = file.read_bytes(), model or small_net(seed=5)
    start = weights(model)
    train, val = train or digits(50), val or digits(20)
    with pytest.raises(CheckpointError, match=message) as caught:
        fit(model, train, val, settings or config(keep="best"), checkpoint=file)
    assert file.read_bytes() == before and same(model, start)
    assert "it was left as it is" in str(caught.value) and "\n" not in str(caught.value)
    assert str(file.parent) not in str(caught.value)


def test_a_digest_tells_shapes_and_types_apart():
    zeros = torch.zeros(2, 3)
    assert len({digest(x) for x in (zeros, zeros.T, zeros.int(), [zeros])}) == 4


class Foreign:
    def __reduce__(self):
        return (pytest.fail, ("code from a checkpoint was executed",))


def saved(values):
    file = io.BytesIO()
    torch.save(values, file)
    return file.getvalue()


def resaved(content):
    """Save changed values as `fit` would have."""
    content.pop("digest", None)
    return saved(content | {"digest": digest(content)})


def test_a_damaged_or_foreign_file_is_refused(finished):
    whole, content = finished.read_bytes(), torch.load(finished, weights_only=True)
    flipped = bytearray(whole)
    flipped[whole.index(content["model"]["1.weight"].numpy().tobytes())] ^= 1
    damaged = [whole[: int(kept * len(whole))] for kept in (0, 0.1, 0.5, 0.99)]
    damaged += [whole[:-1], flipped]
    foreign = [small_net().state_dict(), Foreign(), 3]
    assert content["seconds"] == 0  # those of a finished epoch are in its record
    foreign += [{key: x for key, x in content.items() if key != field} for field in content]
    foreign += [content | {field: "x"} for field in content]
    fewer = dict(list(content["model"].items())[1:])  # a weight is missing
    foreign += [content | {"model": fewer}, content | {"sums": torch.zeros(3)}]
    for other in [b"my notes", *damaged, *map(saved, foreign)]:
        finished.write_bytes(other)
        assert_refused(finished, r"run\.pt must be a whole checkpoint that fit wrote, got ")
    finished.write_bytes(resaved(content | {"format": "dlvlib.training checkpoint 2"}))
    assert_refused(finished, "another format than 'dlvlib.training checkpoint 3'")


def test_a_checkpoint_of_another_run_is_refused(finished):
    for field, value in {"lr": 0.5, "num_epochs": 3, "flip": True, "milestones": (0.1,)}.items():
        message = rf"another config \({field}\): saved with .*, now {re.escape(str(value))}; it"
        settings = config(**{"keep": "best", field: value})
        assert_refused(finished, message, settings=settings)
    wider = nn.Sequential(nn.Flatten(), nn.Linear(64, 33), nn.Tanh(), nn.Linear(33, 10))
    message = r"another model \(1.weight\): .*\(32, 64\), now .*\(33, 64\)"
    assert_refused(finished, message, model=wider)
    relu = small_net()
    relu[2] = nn.ReLU()  # the same tensors, another function
    assert_refused(finished, r"another model \(modules\)", model=relu)
    other = digits(50)
    other.targets[3] = (other.targets[3] + 1) % 10
    assert_refused(finished, "another train", train=other)
    other = digits(20)
    other.images[3, 0, 0, 0] += 1
    assert_refused(finished, "another val", val=other)
    content = torch.load(finished, weights_only=True)
    content["identity"]["device"] = "cuda"
    finished.write_bytes(resaved(content))
    assert_refused(finished, "is of another device: saved with cuda, now cpu")

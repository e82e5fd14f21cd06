"""Several processes under the agent of torchrun, and how they share a batch."""

import itertools
import json
from pathlib import Path

import pytest
import torch
import train_together
import yaml
from training_helpers import config, run_script, small_net

from dlvlib.training.__main__ import main
from dlvlib.training.checkpoint import TrainState
from dlvlib.training.distributed import Processes, current

TESTS = Path(__file__).parent
RECIPE = {
    "num_epochs": 2,
    "batch_size": 100,  # of 718 images: the last batch has 18
    "lr": 0.05,
    "momentum": 0.9,
    "device": "cpu",
    "crop_padding": 1,
    "accumulate": 3,
}


@pytest.mark.slow
def test_two_processes_follow_the_run_of_one(tmp_path):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(RECIPE))
    arguments = {"model": "lenet5", "data": "digits", "val-fraction": "0.5", "image-size": "32"}
    train = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    train += ["--config", str(tmp_path / "c.yaml"), "--output"]
    saving = ["--checkpoint", str(tmp_path / "saved.pt"), "--checkpoint-every", "5"]
    script = [TESTS / "train_together.py", tmp_path]
    printed = run_script(*script, *train, tmp_path / "two", *saving)
    assert main([*train, str(tmp_path / "one")]) == 0
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("one", "two"))
    assert len(one["weights"]) == 1 and len(set(two["weights"])) == 1 < len(two["weights"])
    for a, b in zip(one["history"], two["history"], strict=True):
        for name in ("train_loss", "train_top1", "val_loss", "val_top1", "lr"):
            assert b[name] == pytest.approx(a[name], rel=1e-4, abs=2e-3 * ("top1" in name))
    assert two["test"]["loss"] == pytest.approx(one["test"]["loss"], rel=1e-3)
    for words in ("epoch 1: train loss", "test: loss"):  # only the first process prints
        assert printed.count(words) == 1
    saved = torch.load(tmp_path / "saved.pt", weights_only=True)
    assert saved["epoch"] == 3 and saved["identity"]["processes"] == 2

    first, second = json.loads((tmp_path / "found.json").read_text())
    assert first == second  # in both processes, also of a net with BatchNorm
    plain, saving, resumed, (share_right, val_loss, whole_loss, means) = first
    assert plain == saving == resumed  # stopped in mid-epoch
    assert share_right == 1  # the last batch's only image counts once
    assert val_loss == pytest.approx(whole_loss, rel=1e-5)  # three images and two
    assert means == pytest.approx(train_together.means_of_batch_norm(), rel=1e-5)


# Shards


@pytest.mark.parametrize("count", [1, 2, 5, 93])
def test_all_shards_hold_every_image_once(count):
    batch = range(200, 200 + count)
    for world, accumulate in itertools.product((1, 2, 3, 7), (1, 2, 5)):
        seen, weight = [], 0.0
        for rank in range(world):
            shards = Processes(rank, world).shards(batch, accumulate)
            assert 1 <= len(shards) <= accumulate
            for shard in shards:
                rows = range(shard.rows.start, shard.rows.stop)
                assert shard.count in (0, len(rows)) and set(rows) <= set(batch)
                assert shard.weight == shard.count / count
                seen += rows if shard.count else []
                weight += shard.weight
        assert seen == list(batch) and weight == pytest.approx(1)


def test_each_process_takes_the_gpu_of_its_local_rank(monkeypatch):
    chosen = []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    second = Processes(5, 8)
    assert second.local_device(torch.device("cuda")) == torch.device("cuda", 1) == chosen[0]
    assert second.local_device(torch.device("cuda", 3)) == torch.device("cuda", 3)
    assert second.local_device(torch.device("cpu")) == torch.device("cpu")
    assert current().local_device(torch.device("cuda")) == torch.device("cuda")


def test_each_process_has_dropout_masks_of_its_own():
    drawn = []
    for rank in (0, 1):
        processes = Processes(rank, 2)
        state = TrainState(small_net(), config(), torch.device("cpu"), processes, num_steps=1)
        with torch.random.fork_rng([]):
            state.seed_dropout(2**32 - 1)
            drawn.append(torch.rand(5))
    assert not torch.equal(*drawn)

"""Several processes under a real torchrun, and how they share a batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from training_helpers import config, one_thread, small_net  # noqa: F401

from dlvlib.training.__main__ import main
from dlvlib.training.checkpoint import TrainState
from dlvlib.training.distributed import Processes, Shard, current

TESTS = Path(__file__).parent
ROOT = TESTS.parents[1]
RECIPE = {
    "num_epochs": 2,
    "batch_size": 100,  # of 1,293 images: the last batch has 93
    "lr": 0.05,
    "momentum": 0.9,
    "device": "cpu",
    "crop_padding": 1,
}


def command(tmp_path, model, recipe, name):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(recipe))
    arguments = ["--model", model, "--data", "digits", "--config", str(tmp_path / "c.yaml")]
    return [*arguments, "--output", str(tmp_path / f"{name}.json")]


def torchrun(arguments):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(TESTS)])
    line = [sys.executable, *launcher, *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment)


def read(tmp_path, name):
    return json.loads((tmp_path / f"{name}.json").read_text())


@pytest.mark.slow
def test_two_processes_follow_the_run_of_one(tmp_path):
    recipe = RECIPE | {"accumulate": 3}
    alone = [*command(tmp_path, "lenet5", recipe, "alone"), "--image-size", "32"]
    together = [*command(tmp_path, "lenet5", recipe, "together"), "--image-size", "32"]
    together += ["--checkpoint", str(tmp_path / "run.pt"), "--checkpoint-every", "5"]
    assert main(alone) == 0
    done = torchrun(["-m", "dlvlib.training", *together])
    assert done.returncode == 0, done.stderr
    one, two = read(tmp_path, "alone"), read(tmp_path, "together")
    assert len(one["weights"]) == 1 and len(set(two["weights"])) == 1 < len(two["weights"])
    for a, b in zip(one["history"], two["history"], strict=True):
        for name in ("train_loss", "train_top1", "val_loss", "val_top1", "lr"):
            assert b[name] == pytest.approx(a[name], rel=1e-4, abs=2e-3 * ("top1" in name))
    assert two["test"]["loss"] == pytest.approx(one["test"]["loss"], rel=1e-3)
    assert done.stdout.count("epoch 1: train loss") == 1  # only the first process prints
    saved = torch.load(tmp_path / "run.pt", weights_only=True)
    assert saved["epoch"] == 3 and saved["identity"]["processes"] == 2


@pytest.mark.slow
def test_two_processes_with_batch_norm_end_with_the_same_weights(tmp_path):
    recipe = RECIPE | {"weight_decay": 1e-4, "schedule": "cosine"}
    assert main(command(tmp_path, "resnet20", recipe, "alone")) == 0
    together = command(tmp_path, "resnet20", recipe, "together")
    done = torchrun(["-m", "dlvlib.training", *together])
    assert done.returncode == 0, done.stderr
    one, two = read(tmp_path, "alone"), read(tmp_path, "together")
    assert len(two["weights"]) == 2 and len(set(two["weights"])) == 1
    for a, b in zip(one["history"], two["history"], strict=True):
        assert b["train_loss"] == pytest.approx(a["train_loss"], rel=0.1)
    assert two["test"]["top1"] == pytest.approx(one["test"]["top1"], abs=0.1)


@pytest.mark.slow
def test_two_processes_stopped_in_mid_epoch_go_on_with_the_same_bits(tmp_path):
    done = torchrun([str(TESTS / "resume_processes.py"), str(tmp_path)])
    assert done.returncode == 0, done.stderr
    first, second = json.loads((tmp_path / "found.json").read_text())
    assert first == second  # in both processes
    plain, saving, resumed, (share_right, val_loss, whole_loss) = first
    assert plain == saving == resumed
    assert share_right == 1  # the last batch's only image counts once
    assert val_loss == pytest.approx(whole_loss, rel=1e-5)  # three images and two


# Shards


@pytest.mark.parametrize("accumulate", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 2, 5, 93, 100])
def test_all_shards_hold_every_image_once(count, accumulate):
    batch = range(200, 200 + count)
    for world in (1, 2, 3, 7):
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


def test_a_process_without_images_works_on_one_that_does_not_count():
    assert Processes(0, 2).shards(range(7, 8), 4) == [Shard(slice(7, 8), 0, 0.0)]
    assert Processes(1, 2).shards(range(7, 8), 4) == [Shard(slice(7, 8), 1, 1.0)]


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

"""Several processes under a real torchrun, and how they share a batch."""

import itertools
import json
from pathlib import Path

import pytest
import torch
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
}


def command(folder, model, name, **settings):
    (folder / f"{model}.yaml").write_text(yaml.safe_dump(RECIPE | settings))
    config, output = folder / f"{model}.yaml", folder / f"{name}-{model}.json"
    data = "--data digits --val-fraction 0.5"
    return f"--model {model} {data} --config {config} --output {output}".split()


def lenet5(folder, name):
    return [*command(folder, "lenet5", name, accumulate=3), "--image-size", "32"]


def resnet20(folder, name):
    return command(folder, "resnet20", name, weight_decay=1e-4, schedule="cosine")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes have written, and what they printed; one start for all tests."""
    folder = tmp_path_factory.mktemp("together")
    saving = ["--checkpoint", str(folder / "saved.pt"), "--checkpoint-every", "5"]
    commands = [[*lenet5(folder, "two"), *saving], resnet20(folder, "two")]
    (folder / "commands.json").write_text(json.dumps(commands))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return folder, run_script(*launcher, TESTS / "train_together.py", folder)


def one_and_two(folder, make_command):
    """The records of one process, and of two that should follow it."""
    assert main(make_command(folder, "one")) == 0
    return [
        json.loads(p.read_text()) for p in sorted(folder.glob(f"*-{make_command.__name__}.json"))
    ]


@pytest.mark.slow
def test_two_processes_follow_the_run_of_one(together):
    folder, printed = together
    one, two = one_and_two(folder, lenet5)
    assert len(one["weights"]) == 1 and len(set(two["weights"])) == 1 < len(two["weights"])
    for a, b in zip(one["history"], two["history"], strict=True):
        for name in ("train_loss", "train_top1", "val_loss", "val_top1", "lr"):
            assert b[name] == pytest.approx(a[name], rel=1e-4, abs=2e-3 * ("top1" in name))
    assert two["test"]["loss"] == pytest.approx(one["test"]["loss"], rel=1e-3)
    lenet5_printed = printed.partition("resnet20 on")[0]
    assert lenet5_printed.count("epoch 1: train loss") == 1  # only the first process prints
    saved = torch.load(folder / "saved.pt", weights_only=True)
    assert saved["epoch"] == 3 and saved["identity"]["processes"] == 2


@pytest.mark.slow
def test_two_processes_with_batch_norm_end_with_the_same_weights(together):
    one, two = one_and_two(together[0], resnet20)
    assert len(two["weights"]) == 2 and len(set(two["weights"])) == 1
    for a, b in zip(one["history"], two["history"], strict=True):
        assert b["train_loss"] == pytest.approx(a["train_loss"], rel=0.1)
    assert two["test"]["top1"] == pytest.approx(one["test"]["top1"], abs=0.1)


@pytest.mark.slow
def test_two_processes_stopped_in_mid_epoch_go_on_with_the_same_bits(together):
    first, second = json.loads((together[0] / "found.json").read_text())
    assert first == second  # in both processes
    plain, saving, resumed, (share_right, val_loss, whole_loss) = first
    assert plain == saving == resumed
    assert share_right == 1  # the last batch's only image counts once
    assert val_loss == pytest.approx(whole_loss, rel=1e-5)  # three images and two


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

"""Several processes under a real torchrun, and the command that they run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from training_helpers import config, one_thread, small_net  # noqa: F401

from dlvlib.training.__main__ import digest, main
from dlvlib.training.distributed import Piece, Processes, current
from dlvlib.training.state import TrainState

ROOT = Path(__file__).parents[2]
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
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    line = [sys.executable, *launcher, *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=120)


def read(tmp_path, name):
    return json.loads((tmp_path / f"{name}.json").read_text())


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
    assert done.stdout.count("epoch 1: train loss") == 1  # only the first process speaks
    saved = torch.load(tmp_path / "run.pt", weights_only=True)
    assert saved["epoch"] == 3 and saved["identity"]["processes"] == 2


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


def test_two_processes_stopped_in_mid_epoch_go_on_with_the_same_bits(tmp_path):
    done = torchrun([str(ROOT / "tests" / "resume_processes.py"), str(tmp_path)])
    assert done.returncode == 0, done.stderr
    first, second = json.loads((tmp_path / "found.json").read_text())
    assert first == second  # in both processes
    plain, saving, resumed, (share_right, val_loss, whole_loss) = first
    assert plain == saving == resumed
    assert share_right == 1  # the last batch's only image counts once
    assert val_loss == pytest.approx(whole_loss, rel=1e-5)  # three images and two


# Shares and pieces


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("accumulate", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 5, 93, 100])
def test_all_shares_hold_every_image_once(world, accumulate, batch_size):
    seen = []
    for rank in range(world):
        pieces = Processes(rank, world).pieces(batch_size, accumulate)
        assert 1 <= len(pieces) <= accumulate
        for piece in pieces:
            chosen = range(batch_size)[piece.where]
            assert len(chosen) >= 1 and piece.count in (0, len(chosen))
            seen += chosen if piece.count else []
    assert seen == list(range(batch_size))


def test_a_process_without_images_works_on_one_that_does_not_count():
    assert Processes(0, 2).pieces(1, 4) == [Piece(slice(0, 1), 0)]
    assert Processes(1, 2).pieces(1, 4) == [Piece(slice(0, 1), 1)]


def test_alone_nothing_is_sent():
    alone, model = current(), small_net()
    assert alone == Processes(0, 1)
    value = torch.ones(3)
    before = digest(model)
    alone.start_equal(model)
    alone.combine(model)
    assert alone.sum(value) is value and alone.gather("x") == ["x"]
    assert digest(model) == before
    assert alone.place(torch.device("cuda")) == torch.device("cuda")


def test_each_process_takes_the_gpu_of_its_local_rank(monkeypatch):
    chosen = []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    second = Processes(5, 8)
    assert second.place(torch.device("cuda")) == torch.device("cuda", 1) == chosen[0]
    assert second.place(torch.device("cuda", 3)) == torch.device("cuda", 3)
    assert second.place(torch.device("cpu")) == torch.device("cpu")


def test_each_process_has_dropout_masks_of_its_own():
    drawn = []
    for rank in (0, 1):
        state = TrainState(small_net(), config(), torch.device("cpu"), Processes(rank, 2))
        with torch.random.fork_rng():
            state.seed_dropout(2**32 - 1)
            drawn.append(torch.rand(5))
    assert not torch.equal(*drawn)


# The command


@pytest.mark.parametrize(
    ("changes", "recipe", "message"),
    [
        (["--model", "resnet21"], {}, "unknown model 'resnet21'; there are: lenet5, "),
        (["--data", "digit"], {}, "digit"),
        (["--config", "missing.yaml"], {}, "missing.yaml"),
        ([], {"epochs": 3}, "c.yaml: unknown key 'epochs'"),
        ([], {"aux_weight": 0.3}, "aux_weight must be 0 for a model without forward_with_aux"),
        ([], {"lr": 1e30}, "try an lr smaller than 1e+30"),
        (["--model", "lenet5"], {}, "at least 32x32 for lenet5, got 8x8"),
        (["--val-fraction", "2"], {}, "fraction"),
        (["--checkpoint-every", "3"], {}, "checkpoint_every must be"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, capsys, changes, recipe, message):
    arguments = command(tmp_path, "resnet20", RECIPE | {"num_epochs": 1} | recipe, "out")
    assert main([*arguments, *changes]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and message in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_googlenet_gets_its_auxiliary_heads_from_the_command(tmp_path, monkeypatch):
    import dlvlib.training.__main__ as command_module

    built = []

    def stop(model, *arguments, **options):
        built.append(model)
        raise ValueError("stop here")

    monkeypatch.setattr(command_module, "fit", stop)
    for weight, heads in ((0.3, 2), (0, 0)):
        recipe = RECIPE | {"aux_weight": weight}
        assert main(command(tmp_path, "googlenet_small", recipe, "out")) == 2
        assert len(built.pop().aux) == heads


def test_without_a_validation_set(tmp_path, capsys):
    recipe = RECIPE | {"num_epochs": 1}
    arguments = [*command(tmp_path, "plain20", recipe, "out"), "--val-fraction", "0"]
    assert main(arguments) == 0
    assert read(tmp_path, "out")["history"][0]["val_loss"] is None
    assert "val" not in capsys.readouterr().out

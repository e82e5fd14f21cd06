"""`python -m dlvlib train`: its recipes, its output, and its errors of one line."""

import json
import re
from argparse import Namespace
from contextlib import nullcontext
from unittest.mock import Mock

import pytest
import torch
import yaml

import dlvlib.training.__main__ as command
from dlvlib import data, models
from dlvlib.training import OutOfMemoryError
from dlvlib.training.distributed import Processes

SHORT = {"num_epochs": 1, "batch_size": 100, "lr": 0.05, "device": "cpu"}


def run(tmp_path, *arguments, model="resnet20", recipe=SHORT):
    if recipe is not None:
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(recipe))
        arguments = ("--config", str(tmp_path / "c.yaml"), *arguments)
    return command.main(["--model", model, "--data", "digits", *arguments])


@pytest.mark.slow
def test_a_newcomer_gets_a_good_network_without_asking(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(command.DATA_RECIPES["digits"], "num_epochs", 8)  # the test stays quick
    output = tmp_path / "new" / "out.json"
    assert run(tmp_path, "--output", str(output), model="lenet5", recipe=None) == 0
    found, printed = json.loads(output.read_text()), capsys.readouterr().out
    assert found["test"]["top1"] >= 0.93
    assert printed.startswith("lenet5 on 1437 images (1, 32, 32) of digits\nrecipe: num_epochs ")
    assert re.search(r"\nepoch 1: train loss .*; val loss .*, top-1 .* s\)\n", printed)
    assert "\ntest: loss " in printed
    assert found["config"]["lr"] == 0.02 and len(found["history"]) == found["config"]["num_epochs"]


@pytest.mark.parametrize(("name", "lr"), [("lenet5", 0.02), ("vgg_small", 0.1), ("vgg11", 0.02)])
def test_a_recipe_follows_from_the_network_and_the_data(name, lr):
    with torch.device("meta"):
        model = models.build(name)
    for source in (*data.NAMES, "a/folder"):
        recipe = command.recipe(source, model)
        assert recipe.schedule == "one_cycle" and recipe.lr == lr  # larger with BatchNorm
        assert recipe.flip == (source not in ("digits", "mnist"))  # digits have no mirror image


def test_images_keep_their_size_where_the_network_takes_them(tmp_path, capsys):
    assert run(tmp_path, "--val-fraction", "0", model="plain20") == 0
    printed = capsys.readouterr().out
    assert "plain20 on 1437 images (1, 8, 8) of digits" in printed
    assert "recipe: num_epochs 1, lr 0.05, device cpu\n" in printed
    assert "val" not in printed


def test_images_that_are_too_small_become_a_multiple_of_32():
    options, sizes = Namespace(data="digits", root=None, image_size=None), {}
    for name in ("alexnet_small", "vgg_small", "alexnet"):
        with torch.device("meta"):
            train, _ = command._load(options, models.build(name), Processes())
        sizes[name] = tuple(train.images.shape[2:])
    assert sizes == {"alexnet_small": (32, 32), "vgg_small": (32, 32), "alexnet": (64, 64)}


@pytest.mark.parametrize(
    ("arguments", "recipe", "message"),
    [
        (["--model", "resnet21"], {}, "unknown model 'resnet21'; there are: lenet5, "),
        (["--data", "digit"], {}, "digit"),
        (["--config", "missing.yaml"], {}, "missing.yaml"),
        ([], {"epochs": 3}, "c.yaml: unknown key 'epochs'"),
        ([], {"aux_weight": 0.3}, "must be 0 for a model without forward_with_aux, got 0.3"),
        ([], {"lr": 1e30}, "try an lr smaller than 1e+30"),
        (["--model", "lenet5", "--image-size", "8"], {}, "at least 32x32 for lenet5, got 8x8"),
        (["--val-fraction", "2"], {}, "fraction"),
        (["--checkpoint-every", "3"], {}, "checkpoint_every must be"),
        (["--output", "."], {"lr": 1e30}, "must be a regular file"),  # before any training
        (["--checkpoint", "."], {"lr": 1e30}, "must be a regular file"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, capsys, arguments, recipe, message):
    output = tmp_path / "out.json"
    status = run(tmp_path, "--output", str(output), *arguments, recipe=SHORT | recipe)
    printed = capsys.readouterr().err
    assert status == 2 and not output.exists()
    assert printed.startswith("error: ") and message in printed and printed.count("\n") == 1


def test_what_ends_a_run_is_one_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main([])
    assert "arguments are required: --model, --data" in capsys.readouterr().err
    for error, status, message in (
        (OSError(28, "run.pt cannot be saved: No space left on device"), 2, "No space left"),
        (OutOfMemoryError("cuda has no room for a batch of 128"), 2, "has no room"),
        (KeyboardInterrupt(), 130, "interrupted; the same command continues from run.pt"),
    ):
        monkeypatch.setattr(command, "fit", Mock(side_effect=error))
        assert run(tmp_path, "--checkpoint", "run.pt") == status
        printed = capsys.readouterr().err
        assert message in printed and printed.count("\n") == 1


def test_processes_that_end_with_other_weights_are_an_error(tmp_path, monkeypatch, capsys):
    class Two(Processes):
        def gather(self, value):
            return [value, "another digest"]

    monkeypatch.setattr(command, "joined", lambda device: nullcontext(Two()))
    monkeypatch.setattr(command, "fit", lambda *arguments, **options: None)
    assert run(tmp_path, model="plain20") == 2
    assert "processes must end with the same weights, got [" in capsys.readouterr().err


def test_googlenet_gets_its_auxiliary_heads(tmp_path, monkeypatch):
    for weight, heads in ((0.3, 2), (0, 0)):
        fit = Mock(side_effect=ValueError("stop here"))
        monkeypatch.setattr(command, "fit", fit)
        assert run(tmp_path, model="googlenet_small", recipe=SHORT | {"aux_weight": weight}) == 2
        assert len(fit.call_args.args[0].aux) == heads

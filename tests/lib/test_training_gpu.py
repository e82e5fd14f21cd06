"""What only a CUDA GPU can show: the recorded step does what the called one does.

    python -m pytest -m gpu

A step that is not recorded fails its test: the warning about it is an error.
"""

import pytest
import torch
from torch import nn
from training_helpers import bn_net, config, digits, googlenet

from dlvlib import models
from dlvlib.training import captured, checkpoint, evaluate, fit

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore", "error:.* is not possible here"),  # compilers warn a lot
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]
DATA = digits(420)  # six batches of 64 and one of 36
RECIPE = {"device": "cuda", "batch_size": 64, "num_epochs": 3, "lr": 0.05, "precision": "float32"}


@pytest.fixture(autouse=True)
def same_kernels(monkeypatch):
    """Let cuDNN choose kernels that give the same bits each time."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that were recorded."""
    recorded, capture = [], captured.capture

    def spy(step, optimizer):
        recorded.append(capture(step, optimizer))
        return recorded[-1]

    monkeypatch.setattr(captured, "capture", spy)
    return recorded


def resnet20(**options):
    torch.manual_seed(0)
    return models.build("resnet20", in_channels=1, **options)


def assert_close(ours, found, wanted_model, wanted, rel):
    for name in ("train_loss", "val_loss"):
        assert found.column(name) == pytest.approx(wanted.column(name), rel=rel)
    expected = dict(wanted_model.state_dict())
    torch.testing.assert_close(dict(ours.state_dict()), expected, rtol=rel, atol=rel)


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (resnet20, {}),
        (resnet20, {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4, "decay_all": False}),
        (resnet20, {"precision": "bf16", "channels_last": True, "momentum": 0.9}),
        (resnet20, {"precision": "fp16", "channels_last": True, "momentum": 0.9}),
        (resnet20, {"compile": "default", "precision": "bf16", "momentum": 0.9}),
        (resnet20, {"crop_padding": 1, "flip": True, "cutout": 2, "schedule": "one_cycle"}),
        (bn_net, {"momentum": 0.9}),
        (bn_net, {"optimizer": "adamw", "lr": 1e-3, "precision": "fp16"}),
        (googlenet, {"aux_weight": 0.3, "batch_size": 140, "num_epochs": 2, "lr": 0.01}),
    ],
    ids=["sgd", "nesterov", "bf16", "fp16", "compiled", "augmented", "dropout", "adamw", "aux"],
)
def test_the_graph_takes_the_steps_of_the_loop(graphs, build, options):
    settings = RECIPE | options
    called, replayed = build(), build()
    wanted = fit(called, DATA, DATA, config(**settings, graph=False))
    assert not graphs
    found = fit(replayed, DATA, DATA, config(**settings))
    assert len(graphs) == 1
    assert_close(
        replayed, found, called, wanted, 1e-4 if settings["precision"] == "float32" else 0.05
    )
    assert all(parameter.grad is None for parameter in replayed.parameters())


def test_steps_that_overflow_in_float16_are_left_out(graphs, monkeypatch):
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(checkpoint, "grad_scaler", lambda *_: scaler("cuda", init_scale=2.0**24))
    settings = RECIPE | {"precision": "fp16", "momentum": 0.9}
    called, replayed = resnet20(), resnet20()
    wanted = fit(called, DATA, DATA, config(**settings, graph=False))
    found = fit(replayed, DATA, DATA, config(**settings))
    assert len(graphs) == 1
    assert_close(replayed, found, called, wanted, 0.05)


def test_a_run_stopped_in_mid_epoch_goes_on(graphs, monkeypatch, tmp_path):
    settings = config(**RECIPE | {"momentum": 0.9, "crop_padding": 1})
    whole, other = bn_net(), bn_net()
    wanted = fit(whole, DATA, DATA, settings)
    save = checkpoint.Checkpoint.save

    def stop(file, **options):
        save(file, **options)
        if (file.state.epoch, file.state.step) == (2, 3):
            raise KeyboardInterrupt

    options = {"checkpoint": tmp_path / "run.pt", "checkpoint_every": 1}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint.Checkpoint, "save", stop)
        fit(bn_net(), DATA, DATA, settings, **options)
    found = fit(other, DATA, DATA, settings, **options)
    assert len(graphs) == 3
    assert_close(other, found, whole, wanted, 1e-4)


class Waits(nn.Module):
    """Looks at its input before it decides what to do."""

    def forward(self, maps):
        return maps if maps.sum().item() > 0 else -maps


class OnDefaultStream(nn.Module):
    """Works on the default stream, which cannot be part of a recording."""

    def forward(self, maps):
        side = torch.cuda.current_stream()
        default = torch.cuda.default_stream()
        default.wait_stream(side)
        with torch.cuda.stream(default):
            maps = maps * 1
        side.wait_stream(default)
        return maps


@pytest.mark.parametrize(
    ("layer", "message"), [(Waits, "waits for the GPU"), (OnDefaultStream, "without it: ")]
)
def test_a_model_that_cannot_be_recorded_is_trained_step_by_step(layer, message):
    called, ours = bn_net(), nn.Sequential(layer(), bn_net())
    wanted = fit(called, DATA, DATA, config(**RECIPE, graph=False))
    with pytest.warns(RuntimeWarning, match=message) as caught:
        found = fit(ours, DATA, DATA, config(**RECIPE))
    assert sum("graph=True" in str(warning.message) for warning in caught) == 1
    assert_close(ours[1], found, called, wanted, 1e-4)


def test_the_random_state_is_kept_and_a_prediction_needs_no_batches():
    torch.cuda.manual_seed(0)
    expected, model = torch.rand(3, device="cuda"), bn_net()
    torch.cuda.manual_seed(0)
    fit(model, DATA, None, config(**RECIPE))
    assert torch.equal(torch.rand(3, device="cuda"), expected)
    whole, parts = (evaluate(model, DATA, device="cuda", batch_size=b) for b in (None, 50))
    torch.testing.assert_close(whole.logits, parts.logits, rtol=1e-3, atol=1e-3)

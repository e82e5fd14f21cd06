"""A step that a GPU replays does what the same step does when it is called.

    python -m pytest -m gpu

On a GPU, a step that is not recorded fails its test: the warning about it is an error. Without
one, a CPU acts as a GPU and calls the step at each replay: only the recording is missing.
"""

import gc
import weakref
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from models_helpers import Forward
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from training_helpers import bn_net, config, digits, googlenet, same, small_net

from dlvlib import models
from dlvlib.training import captured, checkpoint, evaluate, fit

MARKS = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore", "error:.* is not possible here"),  # compilers warn a lot
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]
CUDA = pytest.param("cuda", marks=MARKS)
DATA = digits(100)  # three batches of 32 and one of 4
GPUS = MagicMock()  # true, as if a GPU were there, but without a random state to keep


@pytest.fixture(params=["cpu", CUDA])
def device(request, monkeypatch):
    """A GPU, with kernels that give the same bits each time, or a CPU that acts as one."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    if request.param == "cpu":
        monkeypatch.setattr(captured, "on_side_stream", lambda _: nullcontext())
        monkeypatch.setattr(captured, "count_waits", lambda step: step() or 0)
        monkeypatch.setattr(captured, "capture", lambda step, _: SimpleNamespace(replay=step))
        monkeypatch.setattr(checkpoint, "gpus", lambda device: GPUS)
    return request.param


@pytest.fixture
def replays(device, monkeypatch):
    """The replays so far, as a list."""
    count, capture = [], captured.capture

    def spy(step, optimizer):
        graph = capture(step, optimizer)
        return graph and SimpleNamespace(replay=lambda: (count.append(1), graph.replay()))

    monkeypatch.setattr(captured, "capture", spy)
    return count


on_cpu = pytest.mark.parametrize("device", ["cpu"], indirect=True)
on_gpu = pytest.mark.parametrize("device", [CUDA], indirect=True)


def resnet20():
    torch.manual_seed(0)
    return models.build("resnet20", in_channels=1)


def recipe(device, **changes):
    common = {"device": device, "num_epochs": 3, "lr": 0.0625, "precision": "float32"}
    return config(**common | changes)  # rates that are exact as float32


def assert_close(ours, found, wanted_model, wanted, rel):
    for name in ("train_loss", "val_loss"):
        assert found.column(name) == pytest.approx(wanted.column(name), rel=rel)
    for name in ("train_top1", "lr"):
        assert found.column(name) == pytest.approx(wanted.column(name), abs=100 * rel)
    expected = dict(wanted_model.state_dict())
    torch.testing.assert_close(dict(ours.state_dict()), expected, rtol=rel, atol=rel)


def train_both(build, settings):
    """Train without and with replays: model and history, twice."""
    called, replayed = build(), build()
    wanted = fit(called, DATA, DATA, config(**vars(settings) | {"graph": False}))
    return replayed, fit(replayed, DATA, DATA, settings), called, wanted


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (bn_net, {"momentum": 0.9, "lr": 0.125, "channels_last": True}),
        (bn_net, {"crop_padding": 1, "flip": True, "cutout": 2, "precision": "bf16"}),
        (small_net, {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine"}),
        (googlenet, {"aux_weight": 0.3, "batch_size": 25, "num_epochs": 1, "lr": 2**-7}),
        (resnet20, {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4, "decay_all": False}),
    ],
    ids=["sgd", "augmented in bf16", "adamw with a schedule", "auxiliary heads", "nesterov"],
)
def test_replays_take_the_steps_that_are_called_otherwise(device, replays, build, options):
    settings = recipe(device, **options)
    both = train_both(build, settings)
    assert len(replays) == settings.num_epochs * (100 // settings.batch_size) - captured.WARM_UP
    assert all(parameter.grad is None for parameter in both[0].parameters())
    if device == "cuda":
        slack = 1e-4 if settings.precision == "float32" else 0.05
    else:  # on a CPU, AdamW rounds a rate that is a tensor to float32
        slack = 1e-6 if settings.optimizer == "adamw" else 0
    assert_close(*both, slack)


@on_gpu
@pytest.mark.parametrize(
    "options",
    [
        {"precision": "fp16", "channels_last": True, "momentum": 0.9},
        {"compile": "default", "precision": "bf16", "momentum": 0.9},
        {"optimizer": "adamw", "lr": 2**-10, "precision": "fp16"},
    ],
    ids=["fp16", "compiled", "adamw in fp16"],
)
def test_replays_take_the_steps_that_only_a_gpu_takes(device, replays, options):
    assert_close(*train_both(resnet20, recipe(device, **options)), 0.05)
    assert replays


def test_steps_that_overflow_in_float16_are_left_out_in_replays_too(device, replays, monkeypatch):
    scaler, scales = torch.amp.GradScaler, []
    large = {"init_scale": 2.0**24}  # overflows in the first steps
    monkeypatch.setattr(checkpoint, "grad_scaler", lambda *_: scaler(device, **large))
    update = scaler.update

    def spy(scaler):
        update(scaler)
        scales.append(scaler.get_scale())

    if device == "cpu":  # as a GPU of 2018; a real one would wait for the scale
        monkeypatch.setattr(nn.Parameter, "is_cuda", True)
        monkeypatch.setattr(checkpoint, "choose_precision", lambda name, device: "fp16")
        monkeypatch.setattr(scaler, "update", spy)
    both = train_both(small_net, recipe(device, num_epochs=5, momentum=0.9, precision="auto"))
    assert_close(*both, 0 if device == "cpu" else 0.05)
    assert replays and both[1].epochs[-1].train_loss < both[1].epochs[0].train_loss
    if device == "cpu":
        first, second = scales[:20], scales[20:]
        assert first == second and first[captured.WARM_UP + 1] < first[captured.WARM_UP - 1]


@pytest.mark.parametrize(("stop", "graph"), [((2, 2), True), ((3, 1), False)])
def test_a_run_killed_between_replays_goes_on(device, replays, monkeypatch, tmp_path, stop, graph):
    settings = recipe(device, num_epochs=4, momentum=0.9, crop_padding=1)
    whole, other, save = bn_net(), bn_net(), checkpoint.Checkpoint.save
    wanted = fit(whole, DATA, DATA, settings)

    def save_and_stop(file, **options):
        save(file, **options)
        if (file.state.epoch, file.state.step) == stop:
            raise KeyboardInterrupt

    options = {"checkpoint": tmp_path / "run.pt", "checkpoint_every": 1}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint.Checkpoint, "save", save_and_stop)
        fit(bn_net(), DATA, DATA, settings, **options)
    # what follows may be trained without a graph
    found = fit(other, DATA, DATA, config(**vars(settings) | {"graph": graph}), **options)
    assert replays
    assert_close(other, found, whole, wanted, 0 if device == "cpu" else 1e-4)


@on_cpu
def test_nothing_is_left_of_a_graph_after_the_training(device, monkeypatch):
    graphs, create = [], captured.StepGraph.__init__

    def spy(graph, *arguments):
        graphs.append(weakref.ref(graph))
        create(graph, *arguments)

    monkeypatch.setattr(captured.StepGraph, "__init__", spy)
    fit(bn_net(), DATA, None, config())  # imports what holds on to its callers
    gc.disable()
    try:
        fit(bn_net(), DATA, None, config())
        assert len(graphs) == 2 and graphs[1]() is None
    finally:
        gc.enable()


class CountWaits(TorchDispatchMode):
    """Counts how often a number is fetched from a tensor, which waits for a GPU."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@on_cpu
@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"optimizer": "adamw", "flip": True}])
def test_the_number_of_waits_does_not_depend_on_the_number_of_steps(
    replays, monkeypatch, options, graph
):
    monkeypatch.setattr(nn.Parameter, "is_cuda", True)  # a fused optimizer

    def waits(batch_size):
        settings = config(batch_size=batch_size, graph=graph, crop_padding=1, **options)
        with CountWaits() as counter:
            fit(bn_net(), DATA, None, settings)
        return counter.count

    assert waits(50) == waits(5) and len(replays) == (38 if graph else 0)


@on_cpu
def test_a_step_that_waits_for_the_gpu_is_called_to_the_end(device, replays, monkeypatch):
    monkeypatch.setattr(captured, "count_waits", lambda step: step() or 2)
    message = "^graph=True is not possible here, .*: the step waits for the GPU, times: 2"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        ours, _, called, _ = train_both(small_net, recipe(device))
    assert len(caught) == 1 and not replays and same(ours, called)


def waiting(maps):
    """Look at the input before deciding what to do."""
    return maps if maps.sum().item() > 0 else -maps


def on_default_stream(maps):
    """Work on the default stream, which cannot be part of a recording."""
    side = torch.cuda.current_stream()
    default = torch.cuda.default_stream()
    default.wait_stream(side)
    with torch.cuda.stream(default):
        maps = maps * 1
    side.wait_stream(default)
    return maps


@on_gpu
@pytest.mark.parametrize(
    ("forward", "message"),
    [(waiting, "waits for the GPU"), (on_default_stream, "without it: ")],
)
def test_a_model_that_cannot_be_recorded_is_trained_step_by_step(device, forward, message):
    called, ours = bn_net(), nn.Sequential(Forward(forward), bn_net())
    wanted = fit(called, DATA, DATA, recipe(device, graph=False))
    with pytest.warns(RuntimeWarning, match=message) as caught:
        found = fit(ours, DATA, DATA, recipe(device))
    assert sum("graph=True" in str(warning.message) for warning in caught) == 1
    assert_close(ours[1], found, called, wanted, 1e-4)


@on_gpu
def test_the_random_state_is_kept_and_a_prediction_needs_no_batches(device):
    torch.cuda.manual_seed(0)
    expected, model = torch.rand(3, device=device), bn_net()
    torch.cuda.manual_seed(0)
    fit(model, DATA, None, recipe(device))
    assert torch.equal(torch.rand(3, device=device), expected)
    whole, parts = (evaluate(model, DATA, device=device, batch_size=b) for b in (None, 50))
    torch.testing.assert_close(whole.logits, parts.logits, rtol=1e-3, atol=1e-3)

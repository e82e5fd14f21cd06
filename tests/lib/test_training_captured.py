"""The step that a GPU replays, here called at each replay: only the recording is missing.

What a GPU does with it is in test_training_gpu.py.
"""

import dataclasses
import gc
import warnings
import weakref
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from training_helpers import (
    bn_net,
    config,
    digits,
    googlenet,
    same,
    small_net,
    weights,
    without_time,
)

from dlvlib.training import captured, checkpoint, fit, loop
from dlvlib.training.precision import make_optimizer


@pytest.fixture
def replays(monkeypatch):
    """Let a CPU act as a GPU; the number of replays in the end."""
    count = []

    def capture(step, optimizer):
        return SimpleNamespace(replay=lambda: (count.append(1), step()))

    monkeypatch.setattr(captured, "on_side_stream", lambda device: nullcontext())
    monkeypatch.setattr(captured, "count_waits", lambda step: step() or 0)
    monkeypatch.setattr(captured, "capture", capture)
    monkeypatch.setattr(checkpoint, "gpus", lambda device: GPUS)
    return count


GPUS = MagicMock()  # true, as if a GPU were there, but without a random state to keep


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (bn_net, {"momentum": 0.9, "lr": 0.125, "channels_last": True}),
        (bn_net, {"crop_padding": 1, "flip": True, "cutout": 2, "precision": "bf16"}),
        (small_net, {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine"}),
        (googlenet, {"aux_weight": 0.3, "batch_size": 25, "num_epochs": 1}),
    ],
    ids=["sgd", "augmented in bf16", "adamw with a schedule", "auxiliary heads"],
)
def test_replays_take_the_steps_that_are_called_otherwise(replays, build, options):
    settings = config(**{"num_epochs": 3, "lr": 0.0625} | options)  # exact as float32
    data, called, replayed = digits(100), build(), build()
    wanted = fit(called, data, data, config(**vars(settings) | {"graph": False}))
    assert not replays
    found = fit(replayed, data, data, settings)
    assert len(replays) == settings.num_epochs * (100 // settings.batch_size) - captured.WARM_UP
    # on a CPU, AdamW rounds a rate that is a tensor to float32
    slack = 1e-6 if settings.optimizer == "adamw" else 0
    expected = dict(called.state_dict())
    torch.testing.assert_close(dict(replayed.state_dict()), expected, rtol=0, atol=slack)
    for a, b in zip(found.epochs, wanted.epochs, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=slack, abs=0)
        assert (a.train_top1, a.val_top1, a.lr) == (b.train_top1, b.val_top1, b.lr)


def test_nothing_is_left_of_a_graph_after_the_training(replays, monkeypatch):
    graphs, create = [], captured.StepGraph.__init__

    def spy(graph, *arguments):
        graphs.append(weakref.ref(graph))
        create(graph, *arguments)

    monkeypatch.setattr(captured.StepGraph, "__init__", spy)
    fit(bn_net(), digits(100), None, config())  # imports what holds on to its callers
    gc.disable()
    try:
        fit(bn_net(), digits(100), None, config())
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


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"optimizer": "adamw", "flip": True}])
def test_the_number_of_waits_does_not_depend_on_the_number_of_steps(
    replays, monkeypatch, options, graph
):
    monkeypatch.setattr(nn.Parameter, "is_cuda", True)  # a fused optimizer

    def waits(batch_size):
        settings = config(batch_size=batch_size, graph=graph, crop_padding=1, **options)
        with CountWaits() as counter:
            fit(bn_net(), digits(100), None, settings)
        return counter.count

    assert waits(50) == waits(5) and len(replays) == (38 if graph else 0)


@pytest.mark.parametrize(("killed_at", "graph"), [(6, True), (9, False)])  # of 4 steps an epoch
def test_a_run_killed_between_replays_goes_on_with_the_same_bits(
    replays, monkeypatch, tmp_path, killed_at, graph
):
    data, settings = digits(100), config(num_epochs=4, lr=0.125, momentum=0.9, crop_padding=1)
    wanted = fit(bn_net(), data, data, settings)
    options = {"checkpoint": tmp_path / "run.pt", "checkpoint_every": 1}
    steps = iter([loop.train_step] * (killed_at - 1))
    with monkeypatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr(loop, "train_step", lambda *arguments: next(steps)(*arguments))
        fit(bn_net(), data, data, settings, **options)
    # what follows may be trained without a graph
    found = fit(bn_net(), data, data, dataclasses.replace(settings, graph=graph), **options)
    assert without_time(found) == without_time(wanted)


def test_a_step_that_waits_for_the_gpu_is_called_to_the_end(replays, monkeypatch):
    monkeypatch.setattr(captured, "count_waits", lambda step: step() or 2)
    data, called, ours = digits(100), small_net(), small_net()
    fit(called, data, None, config(num_epochs=3, lr=0.125, graph=False))
    message = "^graph=True is not possible here, .*: the step waits for the GPU, times: 2"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        fit(ours, data, None, config(num_epochs=3, lr=0.125))
    assert len(caught) == 1 and not replays and same(weights(ours), weights(called))


@pytest.mark.parametrize(
    ("options", "world", "message"),
    [
        ({"accumulate": 4}, 1, "accumulate is 4, the number of processes 1"),
        ({}, 2, "accumulate is 1, the number of processes 2"),
        ({"compile": "reduce-overhead"}, 1, None),
        ({"graph": False}, 2, None),
    ],
)
def test_what_cannot_be_one_graph_is_trained_step_by_step(options, world, message):
    processes = SimpleNamespace(world=world, rank=0)
    state = SimpleNamespace(config=config(**options), processes=processes, gpus=GPUS)
    with pytest.warns(RuntimeWarning, match=message) if message else nullcontext():
        assert captured.prepare(loop.train_step, state, None, None) is None


def test_waits_of_a_step_are_counted_and_the_mode_of_torch_is_restored(monkeypatch):
    modes, prefix = ["mode of the user"], "called a synchronizing CUDA operation"
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: modes[-1])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def step():
        for message in (prefix, "of another kind", prefix):
            warnings.warn(message, stacklevel=1)

    assert captured.count_waits(step) == 2
    with pytest.raises(ZeroDivisionError):
        captured.count_waits(lambda: 1 / 0)
    assert modes == ["mode of the user", "warn"] * 2 + ["mode of the user"]


def test_the_side_stream_and_the_current_one_wait_for_each_other(monkeypatch):
    gpu = MagicMock()
    monkeypatch.setattr(captured, "_side_stream", lambda device: gpu.side)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: gpu.current)
    monkeypatch.setattr(torch.cuda, "stream", gpu.work_on)
    with pytest.raises(KeyboardInterrupt), captured.on_side_stream(torch.device("cpu")):
        gpu.step()
        raise KeyboardInterrupt
    calls = [(name, arguments) for name, arguments, _ in gpu.mock_calls if "__" not in name]
    assert calls == [
        ("side.wait_stream", (gpu.current,)),
        ("work_on", (gpu.side,)),
        ("step", ()),
        ("current.wait_stream", (gpu.side,)),
    ]


def test_a_failed_recording_is_explained_and_leaves_the_optimizer_as_it_was(monkeypatch):
    states = []
    generator = SimpleNamespace(clone_state=lambda: "clean", graphsafe_set_state=states.append)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "default_generators", [generator])
    optimizer = make_optimizer(small_net().parameters(), config(optimizer="adamw"))
    marks = []

    def step():
        marks.append(optimizer.param_groups[0]["capturable"])

    assert captured.capture(step, optimizer) is not None and states == []

    def fail():
        step()
        raise RuntimeError("operation not permitted\nand more")

    with pytest.warns(RuntimeWarning, match="without it: operation not permitted$"):
        assert captured.capture(fail, optimizer) is None
    assert marks == [True, True] and states == ["clean"]
    assert optimizer.param_groups[0]["capturable"] is False


# float16


@pytest.fixture
def float16(monkeypatch):
    """Let a CPU train in float16, as a GPU of 2018 does: with a scaler and fused optimizers."""
    scale = 2.0**24  # overflows in the first steps
    monkeypatch.setattr(nn.Parameter, "is_cuda", True)
    monkeypatch.setattr(checkpoint, "choose_precision", lambda name, device: "fp16")
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(checkpoint, "grad_scaler", lambda *_: scaler("cpu", init_scale=scale))


def test_steps_that_overflow_in_float16_are_left_out_in_replays_too(replays, float16, monkeypatch):
    scales, update = [], torch.amp.GradScaler.update

    def spy(scaler):
        update(scaler)
        scales.append(scaler.get_scale())

    monkeypatch.setattr(torch.amp.GradScaler, "update", spy)
    data, called, replayed = digits(100), small_net(), small_net()
    settings = config(num_epochs=5, lr=0.125, momentum=0.9)
    wanted = fit(called, data, None, config(**vars(settings) | {"graph": False}))
    found = fit(replayed, data, None, settings)
    first, second = scales[:20], scales[20:]
    assert first == second and first[captured.WARM_UP + 1] < first[captured.WARM_UP - 1]
    assert same(weights(replayed), weights(called))
    assert without_time(found) == without_time(wanted)
    assert found.epochs[-1].train_loss < found.epochs[0].train_loss


def test_momentum_starts_from_zero_where_the_first_step_is_left_out(float16):
    def last_weight(make):
        weight = nn.Parameter(torch.ones(1000))
        optimizer = make([weight])
        scaler = torch.amp.GradScaler("cpu")
        for gradient in (float("inf"), 1.0, 2.0):
            optimizer.zero_grad()
            scaler.scale((weight * gradient).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        return weight

    torch.full((10_000,), float("nan"))  # what uninitialised memory may hold
    ours = last_weight(lambda p: make_optimizer(p, config(momentum=0.9, lr=0.1)))
    plain = last_weight(lambda p: torch.optim.SGD(p, momentum=0.9, lr=0.1))
    torch.testing.assert_close(ours, plain)

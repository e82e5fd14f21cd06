"""The parts of a step that is recorded: what is recorded, how, and what is left of it.

What comes out of it is in test_training_gpu.py.
"""

import warnings
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from torch import nn
from training_helpers import config, small_net

from dlvlib.training import captured, loop
from dlvlib.training.precision import make_optimizer


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
    state = SimpleNamespace(config=config(**options), processes=processes, gpus=["cuda"])
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


def test_momentum_starts_from_zero_where_the_first_step_is_left_out(monkeypatch):
    monkeypatch.setattr(nn.Parameter, "is_cuda", True)  # a fused optimizer

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

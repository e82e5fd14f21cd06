"""Number formats, memory format, compilation, and fused optimizers."""

import dataclasses
from unittest.mock import Mock

import pytest
import torch
from torch import nn
from training_helpers import Spy, config, digits, same, small_net, weights

from dlvlib.training import evaluate, fit
from dlvlib.training.precision import choose_precision, grad_scaler, make_optimizer

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_auto_takes_the_precision_that_the_device_computes_fast(monkeypatch):
    for major, expected in ((6, "float32"), (7, "fp16"), (8, "bf16"), (12, "bf16")):
        capability = Mock(return_value=(major, 0))
        monkeypatch.setattr(torch.cuda, "get_device_capability", capability)
        assert choose_precision("auto", CUDA) == expected
        assert choose_precision("float32", CUDA) == "float32"
    assert choose_precision("auto", CPU) == choose_precision("auto", torch.device("mps"))
    assert choose_precision("auto", CPU) == "float32"
    assert choose_precision("bf16", CPU) == "bf16"
    with pytest.raises(ValueError, match="precision fp16 must run on a CUDA GPU, got cpu"):
        fit(small_net(), digits(20), None, config(precision="fp16"))
    scaling = [grad_scaler(name, CPU).is_enabled() for name in ("float32", "bf16", "fp16")]
    assert scaling == [False, False, True]


def test_bf16_on_a_cpu_learns_with_float32_weights_and_measures_in_float32():
    spy, data = Spy(), digits(100)
    model = nn.Sequential(*small_net()[:2], spy, *small_net()[2:])
    start = weights(model)
    settings = config(lr=0.1, precision="bf16", num_epochs=10, batch_size=100)
    losses = fit(model, data, data, settings).column("train_loss")
    types = {(training, maps.dtype) for training, maps in spy.seen}
    assert types == {(True, torch.bfloat16), (False, torch.float32)}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not same(model, start)
    assert losses[-1] < 0.95 * losses[0]
    assert torch.tensor(losses).bfloat16().tolist() != losses
    found = evaluate(model, data, device="cpu")
    record = fit(model, data, data, dataclasses.replace(settings, lr=1e-12)).epochs[0]
    assert record.val_loss == pytest.approx(found.loss, rel=1e-6)
    assert record.train_loss == pytest.approx(found.loss, rel=2e-3)


def conv_net():
    torch.manual_seed(0)
    head = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), Spy(), nn.Conv2d(6, 4, 3), head)


def test_channels_last_changes_the_layout_and_nothing_else():
    data, plain, last = digits(100), conv_net(), conv_net()
    first = fit(plain, data, data, config(lr=0.1))
    second = fit(last, data, data, config(lr=0.1, channels_last=True))
    assert {maps.stride()[1] for maps in plain[2].training_batches()} == {36}
    assert {maps.stride()[1] for maps in last[2].training_batches()} == {1}
    assert last[3].weight.is_contiguous(memory_format=torch.channels_last)
    assert first.column("val_loss") == pytest.approx(second.column("val_loss"), rel=1e-3)


# Compilation


failing_compile = Mock(side_effect=RuntimeError("no compiler here\nand many more lines"))


def failing_backward(forward, mode, dynamic):
    def fail(images):
        logits, aux = forward(images)
        logits.register_hook(Mock(side_effect=RuntimeError("no compiler here either")))
        return logits, aux

    return fail


@pytest.mark.parametrize("compiler", [failing_compile, failing_backward])
def test_where_nothing_can_be_compiled_training_says_so_and_goes_on(monkeypatch, compiler):
    data = digits(100)
    plain, ours = (conv_net().append(nn.Dropout(0.2)) for _ in range(2))
    wanted = fit(plain, data, data, config())
    monkeypatch.setattr(torch, "compile", compiler)
    message = r"compile='default' is not possible here.*without it: no compiler here( either)?$"
    with pytest.warns(RuntimeWarning, match=message):
        found = fit(ours, data, data, config(compile="default"))
    assert same(ours, plain)
    assert found.column("train_loss") == wanted.column("train_loss")


def test_the_compiled_network_is_used_and_the_trial_leaves_no_trace(monkeypatch):
    data, plain, ours = digits(100), conv_net(), conv_net()
    fast = Mock(side_effect=lambda images: (ours(images), []))
    compiler = Mock(return_value=fast)
    fit(plain, data, None, config(batch_size=40))
    monkeypatch.setattr(torch, "compile", compiler)
    fit(ours, data, None, config(batch_size=40, compile="reduce-overhead"))
    assert compiler.call_args.kwargs == {"mode": "reduce-overhead", "dynamic": False}
    assert [len(call.args[0]) for call in fast.mock_calls] == [40, 40, 40, 20, 40, 40, 20]
    assert same(ours, plain)


def test_optimizers_are_fused_on_a_gpu(monkeypatch):
    model = small_net()
    assert not make_optimizer(model.parameters(), config()).defaults.get("fused")
    monkeypatch.setattr(nn.Parameter, "is_cuda", True)
    for options in ({"momentum": 0.9}, {"optimizer": "adamw", "decay_all": False}):
        assert make_optimizer(model.parameters(), config(**options)).defaults["fused"] is True

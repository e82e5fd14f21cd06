"""What a trace leaves alone, and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from models_helpers import Forward
from test_summary import conv
from torch import nn

from dlvlib.models import build
from dlvlib.profile._registry import RULES, free
from dlvlib.profile.summary import summarize


def test_a_model_stays_as_it_is():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout()).train()
    model[1].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    summarize(model, (1, 8, 8))
    assert [m.training for m in model] == [True, False, True]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.device.type == "cpu" and p.requires_grad for p in model.parameters())


def test_a_rule_that_contradicts_pytorch_is_refused(monkeypatch):
    monkeypatch.setitem(RULES, "neg", ([], lambda output, input, given: free(input[:, 0], [])))
    message = r"rule of 'neg' .*: PyTorch gives \(4, 8, 8\), the rule \(8, 8\)"
    with pytest.raises(ValueError, match=message):
        summarize(Forward(lambda x: -x), (4, 8, 8))


def into_view(images, layer):
    frame = images.new_zeros(1, 4, 10, 10)
    frame[:, :, 1:-1, 1:-1].copy_(images)
    return layer(frame)


def filtered(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.conv2d(images, weight, padding=1)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_torchscript_is_refused():
    for part in (torch.jit.script(conv()), torch.jit.trace(conv(), torch.zeros(1, 4, 8, 8))):
        with pytest.raises(ValueError, match="ordinary nn.Module, got the .*Module '1'"):
            summarize(nn.Sequential(conv(), part), (4, 8, 8))
    function = torch.jit.script(filtered)
    model = Forward(lambda x, a: x + function(x, a.weight), conv())
    with pytest.raises(ValueError, match="made by TorchScript or custom code in 'add'"):
        summarize(model, (4, 8, 8))


def keeping_its_maps():
    model = conv()
    model.seen = [model(torch.zeros(1, 4, 8, 8))]
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Upsample(scale_factor=2), r"cost rule, got 'interpolate' \(layer 'Upsample'\)$"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "'conv2d' \\(layer '0'\\) fails: Invalid channel"),
        (Forward(lambda x: x @ x), r"'matmul' .*: the right factor must be a matrix, got \(1, 4"),
        (Forward(lambda x: x[0]), "batch must stay the first axis, got 'getitem'"),
        (Forward(lambda x: x[:, [0, 1]]), r"'getitem' .*integers, slices and None, got \[0, 1\]"),
        (Forward(lambda x: x * x.mean().item()), "'item' .* fails: .*meta"),
        (Forward(lambda x: torch.zeros(1, 3)), "Forward returns must be tensors computed from"),
        (Forward(lambda x: (x + 1, torch.zeros(1, 3))), "Forward returns must be tensors"),
        (Forward(lambda x: None), "Forward returns must be tensors computed from the image"),
        (Forward(into_view, conv()), "got one changed through a view of it in 'conv2d'"),
        (nn.Sequential(nn.DataParallel(conv())), "ordinary nn.Module, got the DataParallel '0'"),
        (build("resnet20"), "images must have 3 channels for resnet20, got 4"),
        (keeping_its_maps(), "copy.deepcopy must be able to copy the model: Only Tensors created"),
        (torch.compile(conv(), backend="eager"), "ordinary nn.Module, got the OptimizedModule ''"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(model, message):
    with pytest.raises(ValueError, match=message) as caught:
        summarize(model, (4, 8, 8))
    assert "\n" not in str(caught.value)

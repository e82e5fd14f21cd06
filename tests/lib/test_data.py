import dataclasses
import gzip
import hashlib
import io
import math
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import datasets
from torchvision.transforms import functional as TF

from dlvlib import data
from dlvlib.data import CorruptFileError, DownloadError, ImageSet, load, split


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """No test reaches the network: every host is unknown, which is what being offline is."""

    def unknown(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)


@contextmanager
def refused(error, *parts):
    """Expect `error` with every part in its one-line message and no other traceback above it."""
    with pytest.raises(error) as info:
        yield
    message = str(info.value)
    assert "\n" not in message
    assert [part for part in map(str, parts) if part not in message] == []
    assert info.value.__context__ is None or info.value.__suppress_context__


def random_pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def image_set(targets, num_classes, size=2):
    targets = torch.tensor(targets, dtype=torch.int64)
    images = torch.arange(len(targets)).remainder(256).to(torch.uint8)  # an image names itself
    images = images[:, None, None, None].expand(-1, 1, size, size)
    return ImageSet(images, targets, tuple("abcdefghij"[:num_classes]), "letters")


# ImageSet


def test_an_image_set_knows_its_size_and_its_classes():
    letters = image_set([0, 2, 2], num_classes=4)
    assert len(letters) == 3
    assert letters.num_classes == 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        letters.name = "digits"


@pytest.mark.parametrize(
    "indices", [[2, 0], torch.tensor([2, 0]), np.array([2, 0]), range(2, 0, -2)]
)
def test_a_subset_keeps_the_order_and_the_class_names(indices):
    letters = image_set([0, 1, 2], num_classes=4)
    part = letters.subset(indices)
    expected = list(indices)
    assert part.targets.tolist() == expected
    assert part.images[:, 0, 0, 0].tolist() == expected
    assert (part.class_names, part.name) == (letters.class_names, "letters")
    assert letters.subset([]).images.shape == (0, 1, 2, 2)
    assert letters.subset(torch.tensor([True, False, True])).targets.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(3, 1, 2, 2)}, "images .* uint8, got (3, 1, 2, 2) torch.float32"),
        ({"images": torch.zeros(3, 2, 2, dtype=torch.uint8)}, "(N, C, H, W) uint8, got (3, 2, 2)"),
        ({"targets": torch.zeros(2, dtype=torch.int64)}, "targets must be (3,) int64, got (2,)"),
        ({"targets": torch.zeros(3)}, "targets must be (3,) int64, got (3,) torch.float32"),
        ({"targets": torch.tensor([0, 1, 4])}, "targets must be in [0, 4), got 0 to 4"),
        ({"targets": torch.tensor([0, 1, -1])}, "targets must be in [0, 4), got -1 to 1"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change, message):
    with refused(ValueError, *message.split(" .* ")):
        dataclasses.replace(image_set([0, 1, 2], num_classes=4), **change)


def test_the_checksum_sees_pixels_order_targets_and_class_names():
    letters = image_set([0, 1, 2], num_classes=4)
    pixels = letters.images.clone()
    pixels[1, 0, 1, 1] += 1
    others = [
        dataclasses.replace(letters, images=pixels),
        dataclasses.replace(letters, images=letters.images.reshape(3, 4, 1, 1)),
        dataclasses.replace(letters, targets=torch.tensor([0, 1, 3])),
        dataclasses.replace(letters, class_names=("a", "b", "c", "x")),
        letters.subset([1, 0, 2]),
    ]
    assert len({letters.checksum, *(other.checksum for other in others)}) == 6
    assert letters.subset([0, 1, 2]).checksum == letters.checksum  # whatever the memory layout
    assert dataclasses.replace(letters, name="else").checksum == letters.checksum


# digits


def test_digits_are_the_same_everywhere():
    train, test = load("digits")
    assert (len(train), len(test)) == (1437, 360)
    assert train.checksum == "5bd9284671e656beb358cc2bbd00b414f15fabca2e7260aa3f87bbd564d106b4"
    assert test.checksum == "38bc27b5d14ba0c4d24c22f948b295a100683c4ef5d18944b8849c6fc98ca9be"


def test_digits_are_scikit_learns_scans_stretched_to_0_to_255():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    scans = np.rint(bunch.images * 255 / 16).astype(np.uint8)
    original = sorted(zip(map(np.ndarray.tobytes, scans), bunch.target, strict=True))
    ours = []
    for part in load("digits"):
        assert part.images.shape[1:] == (1, 8, 8)
        assert (part.name, part.class_names) == ("digits", tuple("0123456789"))
        pixels = [image.numpy().tobytes() for image in part.images]
        ours += zip(pixels, part.targets.tolist(), strict=True)
    assert sorted(ours) == original
    assert (scans.min(), scans.max()) == (0, 255)


def test_digits_need_neither_torchvision_nor_the_network():
    code = "import sys; from dlvlib.data import load; load('digits', image_size=32); "
    code += "sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("size", [5, 32])
def test_resizing_agrees_with_torchvision(size, monkeypatch):
    monkeypatch.setattr(data, "_RESIZE_CHUNK", 100)  # so that 360 images are four chunks
    _, native = load("digits")
    _, test = load("digits", image_size=size)
    exact = TF.resize(native.images.float(), [size, size], antialias=True)
    assert test.images.shape == (360, 1, size, size)
    assert torch.equal(test.images, exact.round().to(torch.uint8))
    assert torch.equal(test.targets, native.targets)
    assert load("digits", image_size=8)[1].checksum == native.checksum


@pytest.mark.parametrize("size", [0, -1, 32.0, "32", (32, 32), True])
def test_a_bad_image_size_is_refused(size):
    with refused(ValueError, "image_size must be an int >= 1 or None", repr(size)):
        load("digits", image_size=size)


@pytest.mark.parametrize("name", ["imagenet", "MNIST", "no/such/folder"])
def test_an_unknown_name_is_told_what_there_is(name):
    names = "digits, mnist, fashion_mnist, cifar10"
    with refused(ValueError, f"name must be one of {names}, or an existing folder", repr(name)):
        load(name)


# split

FRACTIONS = st.sampled_from([0.07, 0.1, 0.2, 0.29, 1 / 3, 0.5, 0.9])


@given(
    counts=st.lists(st.integers(15, 60), min_size=1, max_size=5),
    fraction=FRACTIONS,
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_a_split_is_stratified_disjoint_complete_and_repeatable(counts, fraction, seed):
    targets = [label for label, count in enumerate(counts) for _ in range(count)]
    np.random.default_rng(0).shuffle(targets)
    whole = image_set(targets, len(counts) + 1)  # one class has no image, as in a subset
    ids = torch.arange(len(whole))
    whole = dataclasses.replace(
        whole, images=torch.stack([ids // 256, ids % 256], 1)[..., None, None].to(torch.uint8)
    )
    train, val = split(whole, fraction=fraction, seed=seed)

    def ids_of(part):
        high, low = part.images[:, :, 0, 0].long().T
        return (256 * high + low).tolist()

    assert sorted(ids_of(train) + ids_of(val)) == ids.tolist()
    assert ids_of(train) == sorted(ids_of(train))
    assert ids_of(val) == sorted(ids_of(val))
    for part in (train, val):
        assert torch.equal(part.targets, whole.targets[ids_of(part)])
    assert len(val) == math.ceil(round(fraction * len(whole), 6))
    for label, count in enumerate(counts):
        assert abs((val.targets == label).sum().item() - fraction * count) < 1 + 1e-9
    assert split(whole, fraction=fraction, seed=seed)[1].checksum == val.checksum


def test_a_share_that_is_whole_is_not_rounded_up():
    assert 0.07 * 100 > 7
    assert len(split(image_set([0] * 100, 1), fraction=0.07)[1]) == 7


def test_another_seed_gives_another_split_and_torchs_state_is_left_alone():
    train, _ = load("digits")
    state = torch.get_rng_state()
    first, second = (split(train, seed=seed)[1] for seed in (0, 1))
    assert first.checksum != second.checksum
    assert torch.equal(torch.bincount(first.targets), torch.bincount(second.targets))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("fraction", [0, 1, 1.5, -0.1, math.nan, True])
def test_a_bad_fraction_is_refused(fraction):
    with refused(ValueError, "fraction must lie between 0 and 1", f"got {fraction!r}"):
        split(image_set([0] * 9, 1), fraction=fraction)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
def test_a_bad_seed_is_refused(seed):
    with refused(ValueError, "seed must be an int in [0, 2**32)", f"got {seed!r}"):
        split(image_set([0] * 9, 1), seed=seed)


@pytest.mark.parametrize(("fraction", "sent"), [(0.1, 0), (0.9, 3)])
def test_a_class_too_small_to_split_is_named(fraction, sent):
    rule = "both parts must hold every class"
    with refused(ValueError, rule, fraction, f"{sent} of the 3 of class 'b'", "add images"):
        split(image_set([0] * 27 + [1] * 3, 2), fraction=fraction)


# Sets that torchvision downloads


def idx(array):
    header = np.array([0x800 + array.ndim, *array.shape], dtype=">i4")
    return header.tobytes() + array.astype(np.uint8).tobytes()


def mnist_files(num_train=12, num_test=5):
    files = {}
    for part, count in (("train", num_train), ("t10k", num_test)):
        files[f"{part}-images-idx3-ubyte"] = idx(random_pixels(count, 28, 28))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(count) % 10)
    return files


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def mnist_root(tmp_path):
    write(tmp_path / "MNIST/raw", mnist_files())
    return tmp_path


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_files_of_mnist_become_tensors(tmp_path, name, folder):
    write(tmp_path / folder / "raw", mnist_files())
    train, test = load(name, root=tmp_path)
    assert torch.equal(train.images, torch.from_numpy(random_pixels(12, 28, 28))[:, None])
    assert train.targets.tolist() == [*range(10), 0, 1]
    assert test.images.shape == (5, 1, 28, 28)
    assert (train.name, test.name) == (name, name)
    expected = ("0", "9") if name == "mnist" else ("T-shirt/top", "Ankle boot")
    assert (train.class_names[0], train.class_names[-1], train.num_classes) == (*expected, 10)


def test_the_folder_is_root_then_DLV_DATA_then_the_cache(mnist_root, tmp_path, monkeypatch):
    def where():
        with pytest.raises(DownloadError) as info:
            load("fashion_mnist")
        return str(info.value)

    home = tmp_path / "home"
    monkeypatch.delenv("DLV_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    assert str(home / ".cache/dlvlib/FashionMNIST/raw") in where()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert str(tmp_path / "xdg/dlvlib/FashionMNIST/raw") in where()
    monkeypatch.setenv("DLV_DATA", str(tmp_path / "elsewhere"))
    assert str(tmp_path / "elsewhere/FashionMNIST/raw") in where()
    assert len(load("mnist", root=mnist_root)[0]) == 12


@pytest.mark.parametrize(
    ("name", "folder", "file"),
    [
        ("mnist", "MNIST/raw", "train-images-idx3-ubyte"),
        ("fashion_mnist", "FashionMNIST/raw", "t10k-labels-idx1-ubyte"),
        ("cifar10", "cifar-10-batches-py", "data_batch_1"),
    ],
)
def test_offline_and_missing_says_what_where_and_the_way_out(tmp_path, name, folder, file):
    ways_out = (f"root= or DLV_DATA to a folder with {folder}", "'digits' needs no download")
    reason = "Name or service not known"
    with refused(DownloadError, repr(name), tmp_path / folder, file, reason, *ways_out):
        load(name, root=tmp_path)
    assert socket.getdefaulttimeout() is None


def test_one_missing_file_is_the_only_one_named(mnist_root):
    (mnist_root / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with refused(DownloadError, "(missing: t10k-labels-idx1-ubyte)"):
        load("mnist", root=mnist_root)


def test_a_root_that_is_a_file_is_told_as_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with refused(DownloadError, tmp_path / "file", "could not be downloaded"):
        load("mnist", root=tmp_path / "file")


@pytest.mark.parametrize("file", sorted(mnist_files()))
@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c[:-1],
        lambda c: c[:5],
        lambda c: b"",
        lambda c: c + b"\0",
        lambda c: b"x" + c[1:],
    ],
    ids=["one byte short", "header cut", "empty", "too long", "no idx"],
)
def test_a_damaged_file_of_mnist_is_named_and_left_alone(mnist_root, file, damage):
    # torchvision itself never checks these files: its checksums are those of the archives.
    path = mnist_root / "MNIST/raw" / file
    content = damage(path.read_bytes())
    path.write_bytes(content)
    with refused(CorruptFileError, path, "truncated or altered", "delete it and load 'mnist'"):
        load("mnist", root=mnist_root)
    assert path.read_bytes() == content


class Server:
    """Stands in for urlopen: serves `files` by the last part of the address."""

    def __init__(self, files):
        self.files = files
        self.timeouts = set()

    def __call__(self, request, *args, **kwargs):
        self.timeouts.add(socket.getdefaulttimeout())
        response = io.BytesIO(self.files[request.full_url.rpartition("/")[2]])
        response.url, response.length = request.full_url, len(response.getbuffer())
        return response


@pytest.fixture
def mirror(monkeypatch):
    archives = {f"{name}.gz": gzip.compress(text) for name, text in mnist_files().items()}
    md5s = [(name, hashlib.md5(text).hexdigest()) for name, text in archives.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", md5s)
    server = Server(archives)
    monkeypatch.setattr(urllib.request, "urlopen", server)
    return server


def test_a_download_that_broke_off_is_told_and_the_next_one_heals_it(tmp_path, mirror):
    whole = mirror.files["t10k-images-idx3-ubyte.gz"]
    mirror.files["t10k-images-idx3-ubyte.gz"] = whole[:1000]
    with refused(DownloadError, "t10k-images-idx3-ubyte", "could not be downloaded"):
        load("mnist", root=tmp_path)
    assert (tmp_path / "MNIST/raw/t10k-images-idx3-ubyte.gz").read_bytes() == whole[:1000]
    mirror.files["t10k-images-idx3-ubyte.gz"] = whole
    train, test = load("mnist", root=tmp_path)
    assert (len(train), len(test)) == (12, 5)


def test_a_download_gives_up_on_a_silent_server(tmp_path, mirror):
    load("mnist", root=tmp_path)
    assert mirror.timeouts == {30}
    assert socket.getdefaulttimeout() is None


def test_what_is_on_the_disk_is_not_downloaded_again(tmp_path, mirror):
    first, _ = load("mnist", root=tmp_path)
    mirror.files = {}  # any request would be a KeyError
    again, _ = load("mnist", root=tmp_path)
    assert again.checksum == first.checksum


@pytest.fixture
def cifar_root(tmp_path, monkeypatch):
    """Six tiny batches in CIFAR-10's own format, their checksums put in place of the real ones."""
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    files = {
        name: {"data": random_pixels(4, 3072, seed=seed), "labels": [0, 1, 2, 9]}
        for seed, name in enumerate(names)
    }
    files["batches.meta"] = {"label_names": [f"class {label}" for label in range(10)]}
    files = {name: pickle.dumps(content, protocol=2) for name, content in files.items()}
    write(tmp_path / "cifar-10-batches-py", files)
    md5s = [[name, hashlib.md5(content).hexdigest()] for name, content in files.items()]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", md5s[:5])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", md5s[5:6])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": md5s[6][1]})
    return tmp_path


def test_batches_of_cifar_become_tensors(cifar_root):
    train, test = load("cifar10", root=cifar_root)
    assert train.images.shape == (20, 3, 32, 32)
    assert train.images.is_contiguous()
    assert train.targets.tolist() == [0, 1, 2, 9] * 5
    expected = random_pixels(4, 3072, seed=5).reshape(4, 3, 32, 32)
    assert torch.equal(test.images, torch.from_numpy(expected))
    assert (test.class_names[9], test.num_classes) == ("class 9", 10)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_damaged_batch_of_cifar_is_named_and_left_alone(cifar_root, file):
    path = cifar_root / "cifar-10-batches-py" / file
    content = path.read_bytes()[:-10]
    path.write_bytes(content)
    with refused(CorruptFileError, path, "truncated or altered", "delete it and load 'cifar10'"):
        load("cifar10", root=cifar_root)
    assert path.read_bytes() == content


REAL = Path(os.environ.get("DLV_DATA", "")) / "MNIST/raw"


@pytest.mark.skipif(not REAL.is_dir(), reason="DLV_DATA names no folder with MNIST/raw in it")
def test_the_real_mnist_has_the_known_counts_and_checksums():
    train, test = load("mnist")
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert train.checksum == "6365939a3acbe801837230e5e323e3dee1f32592822160c0888840cef95fb8fc"
    assert test.checksum == "cdc21148af41d32c134c1ae2d2c9ba0f5b4405825e1528c4444e05cff9f88f26"


# Folders of images


def write_image(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def pets(tmp_path):
    """Two classes, three training images and one test image each, PNG in RGB, 6 wide, 4 high."""
    folder = tmp_path / "pets"
    for label, name in enumerate(("cat", "dog")):
        for number in range(4):
            part = "train" if number < 3 else "test"
            pixels = random_pixels(4, 6, 3, seed=10 * label + number)
            write_image(folder / part / name / f"{number}.png", pixels)
    return folder


def test_a_folder_of_images_becomes_tensors(pets):
    train, test = load(str(pets))
    assert (train.images.shape, test.images.shape) == ((6, 3, 4, 6), (2, 3, 4, 6))
    assert (train.targets.tolist(), test.targets.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 1])
    assert (train.name, train.class_names) == ("pets", ("cat", "dog"))
    for image, seed in zip(
        [*train.images, *test.images], [0, 1, 2, 10, 11, 12, 3, 13], strict=True
    ):
        expected = random_pixels(4, 6, 3, seed=seed)
        assert torch.equal(image.permute(1, 2, 0), torch.from_numpy(expected))
    assert load(pets)[0].checksum == train.checksum  # a Path, and a second time


def test_hidden_files_are_no_images_and_folders_may_be_nested(pets):
    for hidden in (
        ".DS_Store",
        "train/.ipynb_checkpoints/a.png",
        "train/cat/.ipynb_checkpoints/a.png",
    ):
        write((pets / hidden).parent, {Path(hidden).name: b"not an image"})
    before = load(pets)[0]
    write_image(pets / "train/cat/more/9.png", random_pixels(4, 6, 3))
    train, _ = load(pets)
    assert before.num_classes == 2
    assert (len(before), len(train)) == (6, 7)
    assert train.targets.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_one_colour_image_makes_all_rgb_and_grey_ones_stay_grey(tmp_path):
    grey = random_pixels(5, 5)
    for part in ("train", "test"):
        write_image(tmp_path / part / "one/a.png", grey)
    train, test = load(tmp_path)
    assert train.images.shape == (1, 1, 5, 5)
    assert torch.equal(train.images[0, 0], torch.from_numpy(grey))
    write_image(tmp_path / "test/one/b.png", random_pixels(5, 5, 3))
    train, test = load(tmp_path)
    assert (train.images.shape, test.images.shape) == ((1, 3, 5, 5), (2, 3, 5, 5))
    assert torch.equal(train.images[0], torch.from_numpy(grey).expand(3, 5, 5))
    (tmp_path / "test/one/b.png").rename(tmp_path / "train/one/b.png")  # the last one is grey
    assert load(tmp_path)[1].images.shape == (1, 3, 5, 5)


def test_jpegs_are_read_and_photos_stand_upright(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 255  # dark on the left, bright on the right
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was turned: show it rotated by a quarter, clockwise
    for part in ("train", "test"):
        write_image(tmp_path / part / "one/a.jpg", pixels, exif=turned, quality=95)
    train, _ = load(tmp_path)
    assert train.images.shape == (1, 3, 16, 8)
    assert train.images[0, :, :6].max() < 50
    assert train.images[0, :, 10:].min() > 200


def test_images_of_different_sizes_need_image_size(pets):
    odd = write_image(pets / "test/dog/3.png", random_pixels(7, 5, 3))
    rule = "images must have one size (width x height) unless image_size is given"
    with refused(ValueError, rule, f"{pets}/train/cat/0.png is 6 x 4", f"{odd} is 5 x 7"):
        load(pets)
    train, test = load(pets, image_size=4)
    assert (train.images.shape, test.images.shape) == ((6, 3, 4, 4), (2, 3, 4, 4))
    exact = TF.resize(torch.from_numpy(random_pixels(7, 5, 3)).permute(2, 0, 1).float(), [4, 4])
    assert torch.equal(test.images[1], exact.round().to(torch.uint8))


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_part_is_named(pets, part):
    (pets / part).rename(pets / "elsewhere")
    with refused(FileNotFoundError, pets, "must hold train/ and test/", f"{part}/ is missing"):
        load(pets)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_without_class_folders_is_named(pets, part):
    (pets / part).rename(pets / "elsewhere")
    write_image(pets / part / "a.png", random_pixels(4, 6, 3))
    with refused(ValueError, pets / part, "must hold a folder of images for each class"):
        load(pets)


def test_an_empty_class_folder_is_named(pets):
    (pets / "train/bird/.hidden").mkdir(parents=True)
    with refused(ValueError, "must hold at least one image", pets / "train/bird"):
        load(pets)


def test_classes_that_differ_between_train_and_test_are_named(pets):
    write_image(pets / "train/bird/a.png", random_pixels(4, 6, 3))
    write_image(pets / "test/Dog2/a.png", random_pixels(4, 6, 3))
    rule = "must have the same classes"
    with refused(ValueError, pets, rule, "only in train: bird;", "only in test: Dog2"):
        load(pets)


def truncated_jpeg():
    stream = io.BytesIO()
    Image.fromarray(random_pixels(64, 64, 3)).save(stream, "JPEG")
    return stream.getvalue()[:2000]


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.png", b""), ("notes.txt", b"cats"), ("x.jpg", truncated_jpeg())],
    ids=["empty", "text", "truncated"],
)
def test_an_unreadable_image_is_named_and_left_alone(pets, name, content):
    path = write(pets / "train/dog", {name: content}) / name
    with refused(CorruptFileError, path, "cannot be read as an image", "move it out"):
        load(pets)
    assert path.read_bytes() == content


def test_a_link_to_nowhere_is_named(pets):
    (pets / "train/dog/link.png").symlink_to(pets / "gone.png")
    with refused(CorruptFileError, pets / "train/dog/link.png", "No such file"):
        load(pets)


def test_16_bit_pixels_are_refused_rather_than_clipped(pets):
    pixels = random_pixels(4, 6).astype(np.uint16) * 257
    path = write_image(pets / "test/cat/x.png", pixels)
    with refused(CorruptFileError, path, "pixels must have 8 bits, their type is I;16"):
        load(pets)


def test_images_are_decoded_in_several_threads(pets, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    both = threading.Barrier(2, timeout=20)  # nobody passes alone
    read = data._read_image

    def wait_and_read(*args):
        both.wait()
        return read(*args)

    monkeypatch.setattr(data, "_read_image", wait_and_read)
    assert len(load(pets)[0]) == 6


def test_an_image_of_another_size_is_told_without_reading_the_rest(pets, monkeypatch):
    for number in range(400):
        (pets / f"train/cat/0{number}.png").touch()
    calls = []

    def read(path, image_size):
        calls.append(path)
        time.sleep(0.001)
        return torch.zeros(3, 1, len(calls), dtype=torch.uint8), False

    monkeypatch.setattr(data, "_read_image", read)
    with refused(ValueError, "images must have one size"):
        load(pets)
    assert len(calls) < 400


def test_a_description_names_the_data_and_its_sizes():
    train, test = data.load("digits", image_size=16)
    assert data.describe(train, test) == {
        "name": "digits",
        "checksum": train.checksum,
        "test_checksum": test.checksum,
        "num_train": len(train),
        "num_test": len(test),
        "image_size": 16,
    }
    assert train.checksum != test.checksum


def test_every_other_image_has_the_checksum_of_the_same_images_by_index():
    train, _ = data.load("digits")
    strided, indexed = train.subset(slice(0, None, 3)), train.subset(range(0, len(train), 3))
    assert strided.checksum == indexed.checksum != train.checksum

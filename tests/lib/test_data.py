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
import unicodedata
import urllib.request
import zlib
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

from dlvlib import _image_files, data
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


@pytest.mark.parametrize(
    "indices", [[2, 0], torch.tensor([2, 0]), np.array([2, 0]), range(2, 0, -2)]
)
def test_a_subset_keeps_the_order_and_the_class_names(indices):
    letters = image_set([0, 1, 2], num_classes=4)
    assert (len(letters), letters.num_classes) == (3, 4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        letters.name = "digits"
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
    assert letters.subset(slice(None, None, 2)).checksum == letters.subset([0, 2]).checksum
    as_numpy = dataclasses.replace(letters, class_names=tuple(np.array(letters.class_names)))
    assert as_numpy.checksum == letters.checksum
    assert dataclasses.replace(letters, name="else").checksum == letters.checksum


# digits


SPLITS = {  # (fraction, seed): checksums of train and val, on which records and pages depend
    (0.1, 0): (
        "1e36d648a947ccf67b84482611d08e2cc49d46f266fb490ae6944c03e0c68011",
        "2ce76c9d7408cfba56773b17c6d933a3207df52fc1c04de52b7f6c6ec7756600",
    ),
    (0.1, 7): (
        "0f967abe6bb53d052c36168d513ebc1cc67f56fed4c8120a49033ee203dc5069",
        "5f4abf73f26eaed68ef0e5f281ab743bd49921c734a687adcee0b1fa75c4d081",
    ),
    (0.29, 3): (
        "92db37a3a1ba9757ba718e3fb932eeecf669d177c5eb87542e0320436253e297",
        "e4d6f322ea0b6ae6811dd6066f616d608e2d4828051c925b471958e48912ff32",
    ),
}


def test_digits_and_their_splits_are_the_same_everywhere():
    train, test = load("digits")
    assert (len(train), len(test)) == (1437, 360)
    assert train.checksum == "5bd9284671e656beb358cc2bbd00b414f15fabca2e7260aa3f87bbd564d106b4"
    assert test.checksum == "38bc27b5d14ba0c4d24c22f948b295a100683c4ef5d18944b8849c6fc98ca9be"
    state = torch.get_rng_state()
    for (fraction, seed), checksums in SPLITS.items():
        for kind in (int, np.int64, np.uint32):
            parts = split(train, fraction=fraction, seed=kind(seed))
            assert tuple(part.checksum for part in parts) == checksums
    assert torch.equal(torch.get_rng_state(), state)
    large, _ = load("digits", image_size=np.int64(32))
    assert large.checksum == "249cd746b77bc168e13c7861c3ac2366eed21d6cf822fe0d0c576687857255a3"


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


@pytest.mark.slow
def test_digits_need_neither_torchvision_nor_the_network():
    code = "import sys; from dlvlib.data import load; load('digits', image_size=32); "
    code += "sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("size", [5, 32])
def test_resizing_agrees_with_torchvision(size, monkeypatch):
    monkeypatch.setattr(_image_files, "_RESIZE_CHUNK", 100)  # so that 360 images are four chunks
    _, native = load("digits")
    _, test = load("digits", image_size=size)
    exact = TF.resize(native.images.float(), [size, size], antialias=True)
    assert test.images.shape == (360, 1, size, size)
    assert torch.equal(test.images, exact.round().to(torch.uint8))
    assert torch.equal(test.targets, native.targets)
    assert load("digits", image_size=8)[1].checksum == native.checksum


@pytest.mark.parametrize("name", ["imagenet", "MNIST", "no/such/folder", "~nobody-here/pets"])
def test_an_unknown_name_lists_what_exists(name):
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


@pytest.mark.parametrize(
    ("argument", "values", "rule"),
    [
        ("fraction", [0, 1, 1.5, -0.1, math.nan, True, "0.1"], "lie between 0 and 1, both excl"),
        ("seed", [-1, 2**32, 0.5, True], "be an integer in [0, 4294967295]"),
        ("image_size", [0, -1, 32.0, "32", (32, 32), True], "be an integer >= 1"),
    ],
)
def test_bad_arguments_are_refused(argument, values, rule):
    letters = image_set([0] * 9, 1)
    for value in values:
        with refused(ValueError, f"{argument} must {rule}", f"got {value!r}"):
            if argument == "image_size":
                load("digits", image_size=value)
            split(letters, **{argument: value})


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
def known(monkeypatch):
    """The small files below take the place of the real ones in the table of checksums."""
    md5s = {name: hashlib.md5(content).hexdigest() for name, content in mnist_files().items()}
    monkeypatch.setattr(data, "_IDX_FILES", {"mnist": md5s, "fashion_mnist": md5s})


@pytest.fixture
def mnist_root(tmp_path, known):
    write(tmp_path / "MNIST/raw", mnist_files())
    return tmp_path


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_files_of_mnist_become_tensors(tmp_path, known, name, folder):
    write(tmp_path / folder / "raw", mnist_files())
    stale = (torch.zeros(3, 28, 28, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    (tmp_path / folder / "processed").mkdir()
    for part in ("training", "test"):  # what torchvision wrote until 2021, and still prefers
        torch.save(stale, tmp_path / folder / f"processed/{part}.pt")
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


def test_without_a_home_folder_the_way_out_is_named(monkeypatch):
    for variable in ("DLV_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does then
    with refused(DownloadError, "'mnist'", "no home folder", "set root= or DLV_DATA"):
        load("mnist")
    assert len(load("digits")[0]) == 1437


@pytest.mark.parametrize(
    ("name", "folder", "file"),
    [
        ("mnist", "MNIST/raw", "train-images-idx3-ubyte"),
        ("fashion_mnist", "FashionMNIST/raw", "t10k-labels-idx1-ubyte"),
        ("cifar10", "cifar-10-batches-py", "data_batch_1"),
    ],
)
def test_offline_and_missing_names_what_where_and_the_way_out(tmp_path, name, folder, file):
    ways_out = (f"root= or DLV_DATA to a folder with {folder}", "'digits' needs no download")
    reason = "Name or service not known"
    with refused(DownloadError, repr(name), tmp_path / folder, file, reason, *ways_out):
        load(name, root=tmp_path)
    assert socket.getdefaulttimeout() is None


def test_what_is_missing_and_why_is_named(mnist_root):
    (mnist_root / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with refused(DownloadError, "(missing: t10k-labels-idx1-ubyte) and could not be downloaded"):
        load("mnist", root=mnist_root)
    with refused(DownloadError, "(missing: t10k-labels-idx1-ubyte) and download=False"):
        load("mnist", root=mnist_root, download=False)
    (mnist_root / "file").write_text("")
    with refused(DownloadError, mnist_root / "file", "could not be downloaded"):
        load("mnist", root=mnist_root / "file")


@pytest.mark.parametrize("file", sorted(mnist_files()))
def test_an_altered_file_of_mnist_is_named_and_left_alone(mnist_root, file):
    path = mnist_root / "MNIST/raw" / file
    whole = path.read_bytes()
    short, other_label = whole[:-1], whole[:-1] + b"\7"
    impossible = b"\0\0\x08\1\xff\xff\xff\xff" + whole[8:]
    for content in (short, whole + b"\0", other_label, b"x" + whole[1:], impossible, b""):
        path.write_bytes(content)
        with refused(CorruptFileError, path, "truncated or altered", "delete it and load 'mnist'"):
            load("mnist", root=mnist_root)
        assert path.read_bytes() == content


def test_a_pipe_among_the_files_of_mnist_does_not_hang(mnist_root):
    path = mnist_root / "MNIST/raw/t10k-labels-idx1-ubyte"
    path.unlink()
    os.mkfifo(path)
    with refused(CorruptFileError, path):
        load("mnist", root=mnist_root)


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
def mirror(monkeypatch, known):
    archives = {f"{name}.gz": gzip.compress(text) for name, text in mnist_files().items()}
    md5s = [(name, hashlib.md5(text).hexdigest()) for name, text in archives.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", md5s)
    server = Server(archives)
    monkeypatch.setattr(urllib.request, "urlopen", server)
    return server


def test_a_download_that_broke_off_is_repaired_by_the_next_one(tmp_path, mirror):
    whole = mirror.files["t10k-images-idx3-ubyte.gz"]
    mirror.files["t10k-images-idx3-ubyte.gz"] = whole[:1000]
    with refused(DownloadError, "t10k-images-idx3-ubyte", "could not be downloaded"):
        load("mnist", root=tmp_path)
    assert (tmp_path / "MNIST/raw/t10k-images-idx3-ubyte.gz").read_bytes() == whole[:1000]
    mirror.files["t10k-images-idx3-ubyte.gz"] = whole
    train, test = load("mnist", root=tmp_path)
    assert (len(train), len(test)) == (12, 5)


def test_a_download_gives_up_on_a_silent_server_and_is_not_repeated(tmp_path, mirror):
    first, _ = load("mnist", root=tmp_path)
    assert mirror.timeouts == {30}
    assert socket.getdefaulttimeout() is None
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


def test_a_damaged_batch_of_cifar_is_named_and_left_alone(cifar_root):
    for file in ("batches.meta", "test_batch", "data_batch_3"):  # the last is checked first
        path = cifar_root / "cifar-10-batches-py" / file
        content = path.read_bytes()[:-10]
        path.write_bytes(content)
        with refused(CorruptFileError, path, "truncated or altered", "load 'cifar10' again"):
            load("cifar10", root=cifar_root)
        assert path.read_bytes() == content


REAL = Path(os.environ.get("DLV_DATA", "")) / "MNIST/raw"


@pytest.mark.skipif(not REAL.is_dir(), reason="DLV_DATA names no folder with MNIST/raw in it")
def test_the_real_mnist_has_the_known_counts_and_checksums():
    train, test = load("mnist")
    assert (train.images.shape, test.images.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert train.checksum == "6365939a3acbe801837230e5e323e3dee1f32592822160c0888840cef95fb8fc"
    assert test.checksum == "cdc21148af41d32c134c1ae2d2c9ba0f5b4405825e1528c4444e05cff9f88f26"


# Folders of images


def write_image(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def write_both(folder, name, pixels, **options):
    """The same image in train and in test; return the path of the one in test."""
    write_image(folder / "train" / name, pixels, **options)
    return write_image(folder / "test" / name, pixels, **options)


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


def test_files_of_the_system_are_ignored_and_folders_may_be_nested(pets):
    before = load(pets)[0]
    for path in (
        *(".DS_Store", "train/.ipynb_checkpoints/a.png", "train/cat/.ipynb_checkpoints/a.png"),
        *("train/cat/Thumbs.db", "train/dog/desktop.ini", "train/Thumbs.db", "train/notes.txt"),
        *("train/@eaDir/cat/a.png", "test/cat/@eaDir/0.png/x.jpg", "train/cat/._0.png"),
        *("train/__MACOSX/a.png", "test/dog/__MACOSX/a.png", "test/dog/sub/THUMBS.DB"),
    ):
        write((pets / path).parent, {Path(path).name: b"not an image"})
    assert load(pets)[0].checksum == before.checksum
    write_image(pets / "train/cat/more/9.png", random_pixels(4, 6, 3))
    assert load(pets)[0].targets.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_files_are_sorted_by_their_whole_name(tmp_path):
    names = ("a-1.png", "a.png", "a/b.png", "é.png")  # the dash and the dot come before the slash
    for number in (2, 0, 3, 1):
        write_both(tmp_path, f"one/{names[number]}", np.full((1, 1), number, np.uint8))
    assert load(tmp_path)[0].images.flatten().tolist() == [0, 1, 2, 3]


def test_linked_folders_are_read_and_circles_refused(pets):
    train, test = load(pets)
    (pets / "train/cat").rename(pets / "elsewhere")
    (pets / "train/cat").symlink_to("../elsewhere")
    (pets / "test").rename(pets / "later")
    (pets / "test").symlink_to("later")
    assert [part.checksum for part in load(pets)] == [train.checksum, test.checksum]
    (pets / "train/dog/more").symlink_to("../../elsewhere")
    assert load(pets)[0].targets.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    (pets / "train/dog/again").symlink_to("..")
    with refused(ValueError, "link must not lead to a folder that contains it", "train/dog/again"):
        load(pets)
    (pets / "elsewhere").rename(pets / "gone")
    with pytest.raises(FileNotFoundError, match="train/cat"):
        load(pets)


def test_a_pipe_is_refused_and_does_not_hang(pets):
    os.mkfifo(pets / "train/dog/pipe.png")
    with refused(CorruptFileError, pets / "train/dog/pipe.png", "not a regular file"):
        load(pets)


def test_an_accent_is_the_same_however_it_is_stored(pets):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    (pets / "train/cat").rename(pets / "train" / composed)
    (pets / "test/cat").rename(pets / "test" / decomposed)
    train, test = load(pets)
    assert train.class_names == test.class_names == (composed, "dog")
    write_image(pets / "train" / decomposed / "a.png", random_pixels(4, 6, 3))
    with refused(ValueError, "class folders must have different names, got 2 named 'café'"):
        load(pets)


def test_a_class_name_that_is_not_utf8_is_written_with_escapes(pets):
    for part in ("train", "test"):
        (pets / part / "cat").rename(pets / part / os.fsdecode(b"caf\xe9"))  # Latin-1
    train, _ = load(pets)
    assert train.class_names == ("caf\\xe9", "dog")


@pytest.mark.slow
def test_a_checksum_is_the_same_in_every_locale(pets):
    for name in ("Zebra", "émeu", "été"):
        write_both(pets, f"{name}/ä.png", random_pixels(4, 6, 3))
    code = "import sys; from dlvlib.data import load; print(load(sys.argv[1])[0].checksum)"
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code, pets],
        env={**os.environ, **locale},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == load(pets)[0].checksum, done.stderr


def test_one_colour_image_makes_all_rgb_and_grey_ones_stay_grey(tmp_path):
    grey = random_pixels(5, 5)
    write_both(tmp_path, "one/a.png", grey)
    train, test = load(tmp_path)
    assert train.images.shape == (1, 1, 5, 5)
    assert torch.equal(train.images[0, 0], torch.from_numpy(grey))
    write_image(tmp_path / "test/one/b.png", random_pixels(5, 5, 3))
    train, test = load(tmp_path)
    assert (train.images.shape, test.images.shape) == ((1, 3, 5, 5), (2, 3, 5, 5))
    assert torch.equal(train.images[0], torch.from_numpy(grey).expand(3, 5, 5))
    (tmp_path / "test/one/b.png").rename(tmp_path / "train/one/b.png")  # the last one is grey
    assert load(tmp_path)[1].images.shape == (1, 3, 5, 5)


def test_jpegs_are_read_and_photos_turned_upright(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 255  # dark on the left, bright on the right
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was turned: show it rotated by a quarter, clockwise
    write_both(tmp_path, "one/a.jpg", pixels, exif=turned, quality=95)
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
def test_a_missing_part_or_one_without_class_folders_is_named(pets, part):
    (pets / part).rename(pets / "elsewhere")
    with refused(FileNotFoundError, pets, "must hold train/ and test/", f"{part}/ is missing"):
        load(pets)
    write_image(pets / part / "a.png", random_pixels(4, 6, 3))
    with refused(ValueError, pets / part, "must hold a folder of images for each class"):
        load(pets)


def test_classes_that_are_empty_or_differ_between_train_and_test_are_named(pets):
    (pets / "train/bird/.hidden").mkdir(parents=True)
    with refused(ValueError, "must hold at least one image", pets / "train/bird"):
        load(pets)
    write_image(pets / "train/bird/a.png", random_pixels(4, 6, 3))
    write_image(pets / "test/Dog2/a.png", random_pixels(4, 6, 3))
    rule = "must have the same classes"
    with refused(ValueError, pets, rule, "only in train: bird;", "only in test: Dog2"):
        load(pets)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGB", "L", "1"])
def test_what_is_transparent_is_white(tmp_path, mode):
    ink = np.zeros((4, 4), bool)
    ink[1:3, 2] = True
    if mode in ("RGBA", "LA", "PA"):  # black everywhere, opaque where there is ink
        image = Image.fromarray(np.zeros((4, 4), np.uint8)).convert(mode)
        image.putalpha(Image.fromarray(255 * ink.astype(np.uint8)))
        options = {}
    else:  # the second colour of the palette, or a grey or colour, stands for transparent
        levels = Image.fromarray(np.where(ink, 0, 1).astype(np.uint8))
        if mode == "P":
            levels.putpalette([0, 0, 0, 9, 9, 9])
        image = Image.fromarray(~ink) if mode == "1" else levels.convert(mode)
        clear = {"P": b"\xff\0", "RGB": (1, 1, 1), "L": 1, "1": 255}[mode]
        options = {"transparency": clear}
    for part in ("train", "test"):
        (tmp_path / part / "ink").mkdir(parents=True)
        suffix = "tiff" if mode == "PA" else "png"
        image.save(tmp_path / part / f"ink/a.{suffix}", **options)
    train, _ = load(tmp_path)
    assert train.images[0, 0].tolist() == np.where(ink, 0, 255).tolist()
    assert (train.images[0] == train.images[0, :1]).all()


def test_a_half_transparent_pixel_is_half_white(tmp_path):
    write_both(tmp_path, "ink/a.png", np.array([[[200, 0, 100, 128]]], np.uint8))
    assert load(tmp_path)[0].images.flatten().tolist() == [227, 127, 177]


def test_every_flipped_byte_of_a_png_is_noticed(tmp_path):
    path = write_both(tmp_path, "one/a.png", random_pixels(3, 3))
    content, expected = path.read_bytes(), load(tmp_path)[1].checksum
    for index in range(len(content) - 12):  # the chunk IEND, the last 12 bytes, has no content
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        with refused(CorruptFileError, path):
            load(tmp_path)
    path.write_bytes(content)
    assert load(tmp_path)[1].checksum == expected


def test_an_image_of_144_megapixels_in_17_kilobytes_is_refused_unread(pets):
    def chunk(kind, content):
        size, check = len(content), zlib.crc32(kind + content)
        return size.to_bytes(4, "big") + kind + content + check.to_bytes(4, "big")

    header = (12_000).to_bytes(4, "big") * 2 + b"\1\0\0\0\0"
    rows = zlib.compress(bytes(12_000 * 1501))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
    path = write(pets / "train/cat", {"z.png": bomb + chunk(b"IEND", b"")}) / "z.png"
    assert path.stat().st_size < 18_000
    with refused(CorruptFileError, path, "144000000 pixels"):
        load(pets, image_size=8)


def test_a_default_device_changes_nothing(pets):
    expected = [part.checksum for name in (pets, "digits") for part in load(name, image_size=5)]
    with torch.device("meta"):
        sets = [part for name in (pets, "digits") for part in load(name, image_size=5)]
        assert [part.checksum for part in sets] == expected
        assert split(sets[2])[1].images.device.type == "cpu"


def test_an_unreadable_image_is_named_and_left_alone(pets):
    stream = io.BytesIO()
    Image.fromarray(random_pixels(64, 64, 3)).save(stream, "JPEG")
    for name, content in {
        "x.png": b"",
        "notes.txt": b"cats",
        "a.jpg": stream.getvalue()[:2000],
    }.items():
        path = write(pets / "train/cat", {name: content}) / name
        with refused(CorruptFileError, path, "cannot be read as an image", "fix or remove it"):
            load(pets)
        assert path.read_bytes() == content
        path.unlink()
    (pets / "train/dog/link.png").symlink_to(pets / "gone.png")
    with refused(CorruptFileError, pets / "train/dog/link.png", "No such file"):
        load(pets)


def test_16_bit_pixels_are_refused_rather_than_clipped(pets):
    pixels = random_pixels(4, 6).astype(np.uint16) * 257
    path = write_image(pets / "test/cat/x.png", pixels)
    with refused(CorruptFileError, path, "pixels must have 8 bits, their type is I;16"):
        load(pets)


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

import gzip
import hashlib
import io
import os
import pickle
import socket
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import random_pixels, refused, write
from torchvision import datasets

from dlvlib import data
from dlvlib.data import CorruptFileError, DownloadError, load


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """No test reaches the network: every host is unknown, which is what being offline is."""

    def unknown(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)


def idx(array):
    header = np.array([0x800 + array.ndim, *array.shape], dtype=">i4")
    return header.tobytes() + array.astype(np.uint8).tobytes()


def mnist_files(num_train=12, num_test=5):
    files = {}
    for part, count in (("train", num_train), ("t10k", num_test)):
        files[f"{part}-images-idx3-ubyte"] = idx(random_pixels(count, 28, 28))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(count) % 10)
    return files


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
    for variable in ("DLV_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variables, folder in (
        (("HOME", "USERPROFILE"), ".cache/dlvlib"),
        (("XDG_CACHE_HOME",), "dlvlib"),
        (("DLV_DATA",), "."),
    ):
        for variable in variables:
            monkeypatch.setenv(variable, str(tmp_path / variables[0]))
        with refused(DownloadError, tmp_path / variables[0] / folder / "FashionMNIST/raw"):
            load("fashion_mnist")
    assert len(load("mnist", root=mnist_root)[0]) == 12
    for variable in ("DLV_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable)
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
    reason = "could not be downloaded ("  # torch's or torchvision's own words follow
    with refused(DownloadError, repr(name), tmp_path / folder, file, reason, *ways_out):
        load(name, root=tmp_path)
    assert socket.getdefaulttimeout() is None
    with refused(DownloadError, file, ") and download=False"):
        load(name, root=tmp_path, download=False)
    (tmp_path / "file").write_text("")
    with refused(DownloadError, tmp_path / "file", "could not be downloaded"):
        load(name, root=tmp_path / "file")


def test_an_altered_file_of_mnist_is_named_and_left_alone(mnist_root):
    path = mnist_root / "MNIST/raw/t10k-labels-idx1-ubyte"
    whole = path.read_bytes()
    short, other_label = whole[:-1], whole[:-1] + b"\7"
    impossible = b"\0\0\x08\1\xff\xff\xff\xff" + whole[8:]
    for content in (short, whole + b"\0", other_label, b"x" + whole[1:], impossible, b""):
        path.write_bytes(content)
        with refused(CorruptFileError, path, "truncated or altered", "delete it and load 'mnist'"):
            load("mnist", root=mnist_root)
        assert path.read_bytes() == content
    path.unlink()
    with refused(DownloadError, "(missing: t10k-labels-idx1-ubyte) and could not be downloaded"):
        load("mnist", root=mnist_root)
    os.mkfifo(path)  # reading it would block forever
    with refused(CorruptFileError, path):
        load("mnist", root=mnist_root)


class Server:
    """A stand-in for urlopen: serves `files` by the last part of the address."""

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


def test_a_download_that_broke_off_is_repaired_by_the_next_one_and_not_repeated(tmp_path, mirror):
    whole = mirror.files["t10k-images-idx3-ubyte.gz"]
    mirror.files["t10k-images-idx3-ubyte.gz"] = whole[:1000]
    with refused(DownloadError, "t10k-images-idx3-ubyte", "could not be downloaded"):
        load("mnist", root=tmp_path)
    assert (tmp_path / "MNIST/raw/t10k-images-idx3-ubyte.gz").read_bytes() == whole[:1000]
    mirror.files["t10k-images-idx3-ubyte.gz"] = whole
    train, test = load("mnist", root=tmp_path)
    assert (len(train), len(test)) == (12, 5)
    assert mirror.timeouts == {30}  # it gives up on a silent server
    assert socket.getdefaulttimeout() is None
    mirror.files = {}  # any request would be a KeyError
    assert load("mnist", root=tmp_path)[0].checksum == train.checksum


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


def test_batches_of_cifar_become_tensors_and_a_damaged_one_is_named(cifar_root):
    train, test = load("cifar10", root=cifar_root)
    assert train.images.shape == (20, 3, 32, 32)
    assert train.images.is_contiguous()
    assert train.targets.tolist() == [0, 1, 2, 9] * 5
    expected = random_pixels(4, 3072, seed=5).reshape(4, 3, 32, 32)
    assert torch.equal(test.images, torch.from_numpy(expected))
    assert (test.class_names[9], test.num_classes) == ("class 9", 10)
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

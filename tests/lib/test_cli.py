import json
import os
import runpy
import subprocess
import sys
from types import ModuleType
from unittest.mock import Mock

import pytest
import torch
from models_helpers import channels_of, on_meta
from PIL import Image

import dlvlib
from dlvlib.__main__ import main
from dlvlib.data import load, photographs
from dlvlib.models import MODELS
from dlvlib.models.lenet import LeNet5
from dlvlib.models.pretrained import classify
from dlvlib.profile import receptive_field
from dlvlib.profile.summary import summarize


@pytest.fixture
def run(capsys):
    """Run a command line; return what it printed, as text or parsed JSON."""

    def run(line):
        assert main(line.split()) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return json.loads(captured.out) if "--json" in line else captured.out

    return run


def test_models_lists_them_all_with_inputs_that_fit(run, monkeypatch):
    kinds = "lenet5 alexnet alexnet_small vgg16 vgg_small googlenet googlenet_small xception"
    kinds += " plain20 resnet56 resnet110 resnet18 efficientnet_lite0"
    monkeypatch.setattr("dlvlib.models.MODELS", {name: MODELS[name] for name in kinds.split()})
    records = run("models --json")
    assert [record["name"] for record in records] == kinds.split()
    assert records[3] == {"name": "vgg16", "params": 138_357_544, "input_shape": [3, 224, 224]}
    assert records[7]["input_shape"] == [3, 299, 299]
    for record in records:
        channels, *size = record["input_shape"]
        assert channels == channels_of(record["name"])
        assert min(size) >= on_meta(record["name"]).min_size  # which runs
        small = record["name"].startswith(("plain", "lenet")) or record["params"] < 3e6
        assert size == [32, 32] or not small
    monkeypatch.setattr("dlvlib.models.MODELS", {"lenet5": MODELS["lenet5"]})
    assert run("models").split() == ["name", "params", "input", "lenet5", "61,706", "1x32x32"]


def test_summary_prints_the_table_of_the_library(run):
    other = summarize(LeNet5(4, in_channels=3), (3, 32, 32))
    assert run("summary lenet5 --input 3,32,32 --classes 4").strip() == str(other)
    found, expected = run("summary lenet5 --json"), summarize(LeNet5(), (1, 32, 32))
    totals = ("params", "param_bytes", "macs", "flops", "comparisons", "output_bytes")
    layers = [vars(layer) | {"output_bytes": layer.output_bytes} for layer in expected.layers]
    total = {name: getattr(expected, name) for name in totals}
    wanted = {"title": expected.title, "layers": layers, "total": total, "unused_params": 0}
    assert found == json.loads(json.dumps(wanted))


def test_receptive_field_prints_those_of_the_library(run):
    def rows(line):
        return [row.split() for row in run(f"receptive-field {line}").splitlines()]

    header, *found = rows("vgg11")
    assert header == ["layer", "kind", "size", "stride", "start"]
    fields = receptive_field.of(on_meta("vgg11"), (3, 224, 224))
    expected = [(field.layer, field.size, field.stride, field.start) for field in fields]
    assert [(row[0], *map(int, row[2:])) for row in found] == expected
    assert run("receptive-field lenet5 --input 1,32,32 --json")[2] == {
        **{"layer": "features.2", "kind": "MaxPool2d"},
        **{"size": [6, 6], "stride": [2, 2], "start": [0, 0]},
    }
    # 65 x 96 pixels: AlexNet's last maps are 1 x 2, and pooling them to 6 x 6 is uneven
    uneven = next(row for row in rows("alexnet --input 3,65,96") if row[1] == "AdaptiveAvgPool2d")
    assert uneven[2:] == ["-", "-", "-"]
    assert rows("resnet18 --input 3,64,96")[-1][2:] == ["467x499", "64x96", "-217"]


def test_data_describes_the_digits(run):
    found, parts = (
        run("data digits --json"),
        dict(zip(("train", "test"), load("digits"), strict=True)),
    )
    assert found == {"name": "digits"} | {
        part: {
            **{"images": len(dataset), "shape": [1, 8, 8], "checksum": dataset.checksum},
            "per_class": {str(i): int((dataset.targets == i).sum()) for i in range(10)},
        }
        for part, dataset in parts.items()
    }
    text = run("data digits")
    assert "train: 1,437 images, 1x8x8 uint8, 10 classes\n    0: 142\n" in text
    assert f"    sha256 {parts['test'].checksum}" in text


def test_classify_names_what_it_sees_and_goes_on_after_a_bad_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    coffee = photographs()["coffee"].image
    Image.fromarray(coffee.permute(1, 2, 0).numpy()).save("coffee.png")
    (tmp_path / "text.jpg").write_text("not a picture")
    command = ["classify", "--top", "2", "text.jpg", "coffee.png"]
    assert main(command) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("    error: text.jpg cannot be read as an image")
    assert [lines[0], lines[2]] == command[-2:]
    assert lines[3].split()[1:] == ["espresso"] and lines[3].split()[0].endswith("%")
    assert main([*command, "--json"]) == 2
    bad, good = json.loads(capsys.readouterr().out)
    assert "cannot be read" in bad["error"]
    assert good == {"picture": "coffee.png", "classes": dict(classify(coffee, 2))}


def test_report_lists_what_is_there_and_downloads_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.mnist.MNIST.download", lambda self: 1 / 0)
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"broken")
    (tmp_path / "cifar-10-batches-py").touch()  # a file in place of a folder
    found = run(f"report --json --root {tmp_path}")
    assert found["versions"]["dlvlib"] == dlvlib.__version__
    assert found["versions"]["torch"] == torch.__version__
    assert {"python", "numpy", "torchvision", "scikit-learn"} <= found["versions"].keys()
    assert found["device"] in ("cpu", "mps", "cuda")
    assert found["machine"]["cpu_cores"] >= 1 and "accelerator" in found["machine"]
    train, test = load("digits")
    assert found["data"] == {
        "digits": f"train {train.checksum}, test {test.checksum}",
        "mnist": "not on this disk",
        "fashion_mnist": "damaged: `python -m dlvlib data fashion_mnist` prints the file",
        "cifar10": "not on this disk",
    }
    text = run(f"report --root {tmp_path}")
    assert "    mnist: not on this disk\n" in text and f"    torch: {torch.__version__}\n" in text
    assert str(tmp_path) not in text  # no folder of a person in a public report


@pytest.fixture
def training(monkeypatch):
    """A stand-in for the module that trains."""
    module = ModuleType("dlvlib.training.__main__")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_train_hands_everything_on(training):
    seen = []
    training.main = lambda argv: seen.append(argv) or 3
    line = ["train", "--model", "resnet20", "--help", "--", "--input", "x"]
    assert main(line) == 3
    assert seen == [line[1:]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("paint", "invalid choice: 'paint'"),
        ("models --loud", "unrecognized arguments: --loud"),
        ("summary lenet", "unknown model 'lenet'; there are: lenet5, alexnet"),
        ("summary lenet5 --input 1,32", "--input: must be C,H,W, integers >= 1, got '1,32'"),
        ("summary lenet5 --input 1,32,0", "integers >= 1, got '1,32,0'"),
        ("summary lenet5 --classes 0", "num_classes must be an integer >= 1, got 0"),
        ("summary vgg11 --input 3,16,16", "at least 32x32 for vgg11, got 16x16"),
        ("summary lenet5 --input 1,40,40", "400"),
        ("classify", "required: PICTURE"),
        ("classify a.jpg --model lenet5", "name must be one of efficientnet_lite0, alexnet"),
        ("data nowhere/at/all", "existing folder with train/ and test/, got 'nowhere/at/all'"),
    ],
)
def test_errors_are_one_line(capsys, line, message):
    assert main(line.split()) == 2
    printed, error = capsys.readouterr()
    assert error.startswith("dlvlib: error: ") and message in error and printed == ""
    assert error.endswith("\n") and error.count("\n") == 1


def test_ctrl_c_and_an_error_of_several_lines_are_one_line(monkeypatch, capsys, training):
    def interrupted(_):
        raise KeyboardInterrupt

    training.main = interrupted
    monkeypatch.setattr("dlvlib.commands.models", interrupted)
    for line in ("models", "train --model lenet5"):
        assert main(line.split()) == 130
        assert capsys.readouterr() == ("", "dlvlib: interrupted\n")
    monkeypatch.setattr("dlvlib.commands.models", Mock(side_effect=RuntimeError("one:\n  (2,)\n")))
    assert main(["models"]) == 2
    assert capsys.readouterr() == ("", "dlvlib: error: one: (2,)\n")
    monkeypatch.undo()
    monkeypatch.setattr("sys.stdout", None)  # closed, as by >&-
    assert main(["summary", "lenet5"]) == 0


def test_alone_it_lists_the_commands_with_one_line_each(capsys):
    with pytest.raises(SystemExit, match="0"):
        main([])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for command in ("models", "summary", "receptive-field", "classify", "data", "train", "report"):
        assert any(words[0] == command and len(words) > 3 for words in lines if words), command
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"{dlvlib.__version__}\n"


@pytest.mark.slow
def test_a_real_process_in_an_ascii_locale_whose_reader_goes_away(tmp_path):
    names = ["Zebra", "café", "émeu", *(f"x{i:03}{'x' * 240}" for i in range(300))]
    for name in names:  # more than a pipe holds
        for part in ("train", "test"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("L", (1, 1), len(name)).save(tmp_path / part / name / "ä.png")
    checksum = load(tmp_path)[0].checksum  # in the locale of the tests
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = f"{sys.executable} -m dlvlib data {tmp_path} | grep -m 2 -e caf -e sha256"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, env=os.environ | locale
    )
    printed = f"    caf\\xe9: 1\n    sha256 {checksum}\n".encode()
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, b"")


@pytest.mark.filterwarnings("ignore:'dlvlib.__main__' found in sys.modules")
def test_the_exit_status(monkeypatch):
    monkeypatch.setattr("sys.argv", ["dlvlib", "summary", "nothing"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("dlvlib", run_name="__main__")
    assert stop.value.code == 2

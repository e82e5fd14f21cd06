"""The benchmark compares equal work, refuses to judge noise, and writes what the README reads."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

import bench_networks
import bench_steps
import bench_training
import processes
import run_all
import timing
import variants
import workloads
from dlvlib.training import fit

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
STEPS = 2
LENET = {"LeNet-5": ("lenet5", {}, [1, 32, 32])}
CASES = (bench_networks.Case(8, 3, 6), bench_networks.Case(8, 5, 6))
NUMBERS = {"ms_per_step", "times_floor", "speedup_over_lecture", "setup_ms", "weight_difference"}


def recorded(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    monkeypatch.delenv("DLV_DATA", raising=False)
    monkeypatch.delenv("DLV_CIFAR", raising=False)


@pytest.fixture
def tiny(monkeypatch):
    small = {name: replace(w, batch_size=4) for name, w in workloads.WORKLOADS.items()}
    monkeypatch.setattr(bench_training, "WORKLOADS", small)
    return small


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_every_variant_takes_the_same_steps_to_the_same_weights(tiny, name):
    workload = tiny[name]
    data = workloads.make_data(workload, STEPS)
    compared, missing = variants.make_variants(workload, data)
    assert compared.keys() | missing.keys() == variants.OURS.keys() | variants.FRAMEWORKS.keys()
    timings = timing.time_in_turns(workload.build, compared, STEPS, rounds=1)
    trained = {key: t.weights[0] for key, t in timings.items() if key != variants.FLOOR}
    for key, weights in trained.items():
        # LeNet's images are resized as floats, and `fit` gets them rounded to uint8.
        slack = 1e-4 if (name, key) == ("lenet", variants.FIT) else 0
        torch.testing.assert_close(weights, trained[variants.LECTURE], rtol=0, atol=slack, msg=key)
    rows = {row["variant"]: row for row in timing.summarise(timings, missing)}
    assert rows[variants.FLOOR]["weight_difference"] is None
    assert rows["loop on a TensorDataset"]["weight_difference"] == 0


def test_a_variant_that_leaves_a_step_out_is_refused(tiny):
    workload = tiny["lenet"]
    data = workloads.make_data(workload, STEPS)
    lazy = {"lazy": lambda model: variants.train_floor(model, workload, data)}
    with pytest.raises(RuntimeError, match="lazy must take 3 steps, got 2"):
        timing.time_in_turns(workload.build, lazy, STEPS + 1, rounds=1)


def fake(floor: list[float], fit: list[float], lecture: list[float]) -> dict[str, timing.Timing]:
    names = {variants.FLOOR: floor, variants.FIT: fit, variants.LECTURE: lecture}
    weights = [torch.zeros(1)] * len(floor)
    return {name: timing.Timing(ms, [0.0] * len(ms), weights) for name, ms in names.items()}


def test_ratios_are_taken_within_a_round():
    timings = fake([1.0, 10.0, 2.0], [2.0, 20.0, 8.0], [6.0, 60.0, 8.0])
    weights = [torch.zeros(1), torch.tensor([-2e-4]), torch.zeros(1)]
    timings[variants.LECTURE] = replace(timings[variants.LECTURE], weights=weights)
    row = timing.summarise(timings, {})[1]
    assert row["variant"] == variants.FIT
    assert row["weight_difference"] == pytest.approx(2e-4) and "within" in timing.table([row])
    assert (row["ms_per_step"], row["times_floor"], row["speedup_over_lecture"]) == (8.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("floor", "fit", "verdicts"),
    [
        ([2.00, 2.02, 2.04], [2.00, 2.02, 2.04], ["met", "met"]),
        ([1.00, 1.01, 1.02], [1.10, 1.11, 1.12], ["missed", "met"]),
        ([1.00, 1.01, 1.02], [2.00, 2.02, 2.04], ["missed", "missed"]),
        ([1.00, 1.30, 1.00], [1.00, 1.30, 1.00], ["unknown", "unknown"]),  # a busy machine
        ([1.00, 1.00], [1.00, 1.00], ["unknown", "unknown"]),  # too few rounds
    ],
)
def test_noise_decides_nothing(floor, fit, verdicts):
    rows = timing.summarise(fake(floor, fit, [2 * ms for ms in floor]), {})
    assert list(timing.judge(rows, floor, min_speedup=1.70).values()) == verdicts


def test_a_trial_writes_nothing_and_a_framework_that_fails_is_a_row(
    tiny, tmp_path, monkeypatch, capsys
):
    def fails(*_):
        raise AttributeError("torch.y")

    monkeypatch.setattr(variants, "FRAMEWORKS", {"Torchless": fails})
    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    assert bench_training.main(["lenet", "--steps=2", "--rounds=1"]) == 0
    printed = capsys.readouterr().out
    assert "not measured (AttributeError: torch.y)" in printed and "nothing was written" in printed
    assert list(tmp_path.iterdir()) == []
    for option in ("--steps=1", "--rounds=0"):
        with pytest.raises(SystemExit, match="2"):
            bench_training.main(["lenet", option])
        assert "2 steps and 1 round at least" in capsys.readouterr().err


def test_the_json_has_what_the_readme_reads(tiny, tmp_path):
    assert bench_training.main(["lenet", "--steps=2", "--rounds=1", f"--results={tmp_path}"]) == 0
    result = json.loads((tmp_path / "lenet_random.json").read_text())
    wanted = recorded("lenet_mnist")
    assert result.keys() >= wanted.keys()
    compared = {"lightning", "fastai", "skorch"}  # installed for the occasion by `make bench`
    assert result["machine"].keys() >= wanted["machine"].keys() - compared
    assert (result["data"], result["steps"], result["rounds"]) == ("random", 2, 1)
    assert set(result["promises"].values()) == {"unknown"}
    measured = [row for row in result["rows"] if "missing" not in row]
    assert [row["variant"] for row in measured][:4] == list(variants.OURS)
    assert all(row.keys() == {"variant"} | NUMBERS for row in measured)
    assert all(len(ms) == 1 for ms in result["ms_per_step_of_each_round"].values())


def test_cifar_is_read_from_class_folders(tmp_path, monkeypatch):
    for shade, name in ((0, "cat"), (255, "dog")):
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (32, 32), (shade,) * 3).save(folder / f"{number}.jpg")
    monkeypatch.setenv("DLV_CIFAR", str(tmp_path))
    name, images = workloads.load_cifar(8)
    assert name == "cifar10_jpeg"
    targets = [target for _, target in images]
    assert sorted(targets) == [0] * 4 + [1] * 4 != targets  # all of them, mixed
    assert all((image == target).all() for image, target in images)
    with pytest.raises(ValueError, match="at most the 8 images, got 9"):
        workloads.load_cifar(9)


def test_a_folder_without_mnist_is_not_called_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("DLV_DATA", str(tmp_path))
    name, images = workloads.load_mnist(2)
    assert (name, len(images), images[0][0].shape) == ("random", 2, (1, 32, 32))


CPU = torch.device("cpu")
TINY = bench_steps.Case("lenet5", (1, 32, 32), {"batch_size": 4, "momentum": 0.9, "flip": True})


def test_the_steps_that_are_timed_are_those_of_fit(monkeypatch):
    models, build = [], bench_steps.Case.build

    def spy(case, device):
        models.append(build(case, device))
        return models[-1]

    monkeypatch.setattr(bench_steps.Case, "build", spy)
    run = bench_steps.make_fit(TINY, CPU, steps=3, rounds=1, options={})
    sums = [run(), run()]
    wanted = build(TINY, CPU)
    history = fit(wanted, TINY.images(12), None, TINY.config(CPU, num_epochs=2))
    torch.testing.assert_close(models[0].state_dict(), wanted.state_dict(), rtol=0, atol=0)
    assert [loss / 12 for loss, _ in sums] == history.column("train_loss")


def test_the_floor_takes_the_steps_of_a_round():
    counted = []
    with pytest.MonkeyPatch.context() as patch:
        step = torch.optim.SGD.step
        patch.setattr(torch.optim.SGD, "step", lambda self: (counted.append(1), step(self)))
        bench_steps.make_floor(TINY, CPU, steps=5)()
    assert len(counted) == 5


def test_the_promises_of_a_gpu_are_judged_within_a_round():
    names = (bench_steps.FLOOR, bench_steps.COMPILED, bench_steps.EAGER)
    ms = dict(zip(names, ([1.0, 1.1, 1.0], [1.08, 1.2, 1.09], [4.0, 4.4, 3.0]), strict=True))
    rows = bench_steps.summarise(ms)
    assert [row["times_floor"] for row in rows] == pytest.approx([1, 1.09, 4], abs=0.002)
    assert rows[1]["seconds_per_64000_steps"] == pytest.approx(64 * 1.09)
    assert set(bench_steps.judge("resnet20", ms, rows, 0.04).values()) == {"met"}
    assert list(bench_steps.judge("resnet56", ms, rows, 0.05).values()) == ["met", "met", "missed"]
    ms[bench_steps.FLOOR] = [1.0, 1.5, 1.0]
    assert set(bench_steps.judge("resnet20", ms, rows, 0.04).values()) == {"unknown"}
    assert bench_steps.judge("lenet5", ms, rows, 0.04) == {}


def test_without_a_gpu_the_cpu_is_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(bench_steps, "CASES", {"lenet5": TINY})
    assert bench_steps.main(["--steps=2", "--rounds=1", f"--results={tmp_path}"]) == 0
    assert "no CUDA GPU here: these are the rows of the CPU" in capsys.readouterr().out
    result = json.loads((tmp_path / "steps_cpu.json").read_text())
    rows = result["networks"]["lenet5"]["rows"]
    assert [row["variant"] for row in rows] == [bench_steps.FLOOR, bench_steps.EAGER]
    assert {"accelerator", "torch", "cuda", "cudnn"} <= result["machine"].keys()
    with pytest.raises(SystemExit, match="2"):
        bench_steps.main(["lenet6"])
    assert "networks must be of lenet5, got lenet6" in capsys.readouterr().err


def test_processes_start_together_when_all_are_ready(monkeypatch):
    seconds = {1: 1.0, 2: processes.time_together(2, {}, "cpu", epochs=1, steps=2)}
    monkeypatch.setattr(processes, "time_together", lambda count, *_: seconds[count])
    found = processes.measure(2, device="cpu")
    assert found["speedup"] == 2 * found["seconds_alone"] / found["seconds_together"] > 0
    assert found["mps"] is False and "2 seeds of lenet5" in processes.report(found)


def test_without_a_registry_the_environment_still_has_torch(tmp_path, monkeypatch, capfd):
    run, asked = subprocess.run, []

    def offline(command, **options):
        if "pip" in command:
            asked.append(command)
            return subprocess.CompletedProcess(command, 1)
        return run(command, **options)

    monkeypatch.setattr(run_all.subprocess, "run", offline)
    python = run_all.make_environment(tmp_path / "venv")
    assert "measuring without them" in capfd.readouterr().out
    assert asked[0][0] == python and "--no-deps" in asked[0]
    code = "import importlib.util as u, sys; print(u.find_spec('torch') is not None, sys.prefix)"
    found = run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == ["True", str(tmp_path / "venv")]


def test_every_network_and_layer_is_timed_at_today_s_cost(tmp_path, monkeypatch, capsys):
    known = zip(bench_networks.NETWORKS.items(), recorded("networks")["rows"], strict=True)
    for (name, what), row in known:
        today = bench_networks.describe(name, *what)
        assert today == {key: row[key] for key in today}
    monkeypatch.setattr(bench_networks, "NETWORKS", LENET)
    monkeypatch.setattr(bench_networks, "CASES", CASES)
    monkeypatch.setattr(bench_networks, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))
    assert bench_networks.main(["--rounds=1", f"--results={tmp_path}"]) == 0
    names = ("networks", "separable")
    found = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in names}
    for name, result in found.items():
        assert result.keys() == recorded(name).keys()
        assert result["rows"][0].keys() == recorded(name)["rows"][0].keys()
    layers, known = found["separable"]["rows"], recorded("separable")["rows"]
    assert layers[0]["kept"].keys() == known[0]["kept"].keys()
    assert found["networks"]["rows"][0]["ms_per_image"] > 0
    assert capsys.readouterr().out.count("as fast") == 2 * len(CASES)
    for case, row in zip(CASES, found["separable"]["rows"], strict=True):
        assert row["fewer_macs"] == pytest.approx(1 / (1 / 8 + 1 / case.kernel_size**2))
        assert row["macs"]["separable"] == row["macs"]["depthwise"] + row["macs"]["pointwise"]
        assert min(*row["kept"]["ms_per_batch"].values(), row["fresh"]["speedup"]) > 0


def test_the_last_page_reads_its_table_rightly():
    rows = {row["network"]: row for row in recorded("networks")["rows"]}
    for cost in ("params", "macs"):
        assert max(rows, key=lambda name: rows[name][cost]) == "VGG-16"
    claims = yaml.safe_load((ROOT / "claims.yml").read_text(encoding="utf8"))
    top1 = {claim["id"]: claim["value"] for claim in claims}
    past = {"ResNet-50": "torchvision.resnet50_v1", "ResNet-152": "torchvision.resnet152_v1"}
    past |= {"Xception": "xception.top1", "EfficientNet-Lite0": "efficientnet.top1"}
    assert all(top1[claim] > 75 for claim in past.values()) and top1["torchvision.vgg16"] < 75
    assert min(past, key=lambda name: rows[name]["macs"]) == "EfficientNet-Lite0"
    vgg, xception = rows["VGG-16"], rows["Xception"]
    assert xception["ms_per_image"] > vgg["ms_per_image"]
    assert 0.45 < xception["macs"] / vgg["macs"] < 0.6
    alexnet, resnet = rows["AlexNet, 2012"], rows["ResNet-50"]
    assert alexnet["params"] > 2 * resnet["params"]
    assert 0.25 < alexnet["ms_per_image"] / resnet["ms_per_image"] < 0.4


def test_the_timed_layers_have_the_macs_that_are_counted():
    counted = bench_networks.count_macs(CASES[1])
    for name, layer in bench_networks.make_layers(CASES[1]).items():
        assert layer(torch.zeros(1, 8, 6, 6)).shape == (1, 8, 6, 6)
        assert sum(p.numel() for p in layer.parameters()) * 36 == counted[name]

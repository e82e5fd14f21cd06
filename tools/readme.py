"""Write the results table of README.md from the recorded runs and the benchmark.

python tools/readme.py          # a test proves that the README holds what this writes
"""

import json
import statistics
from pathlib import Path

import yaml

from dlvlib import results

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks" / "results"
START, END = "<!-- results: written by tools/readme.py -->\n", "<!-- end of results -->\n"


def table() -> str:
    """Return the results as Markdown tables with their sources."""
    records = results.load("lenet_mnist", "full")
    final = [100 * record["metrics"]["test_top1"] for record in records]
    lecture = claimed("lecture.log.test_epoch10")
    return (
        f"LeNet-5 on MNIST with the lecture's recipe, {len(records)} seeds: test accuracy after "
        f"10 epochs {statistics.mean(final):.2f} ± {statistics.stdev(final):.2f} % "
        f"(standard deviation; lowest {min(final):.2f}, highest {max(final):.2f}; "
        f"the lecture's log: {lecture:.2f} %).\n"
        f"{results.provenance(records)}\n\n{degradation()}\n{speed('lenet_mnist')}"
    )


def claimed(name: str) -> float:
    """Return the value of a claim."""
    claims = yaml.safe_load((ROOT / "claims.yml").read_text(encoding="utf8"))
    return next(claim["value"] for claim in claims if claim["id"] == name)


def degradation() -> str:
    """Return the errors of the plain and the residual networks after the last epoch."""
    networks = ("plain20", "plain56", "resnet20", "resnet56")
    records = results.load("degradation", variants=networks)
    records = [record for network in networks for record in records.of(network)]
    epochs = len(records[0]["history"])
    paper = [claimed(f"residual.error{depth}") for depth in (20, 56)]
    lines = [
        f"Degradation (He et al., 2016), the paper's schedule of {epochs} epochs, all training "
        "images, bfloat16. The test errors of the residual networks are over 3 points above the "
        f"paper's ({paper[0]:.2f} and {paper[1]:.2f} %); we suspect the JPEG copy:\n",
        "| network | seeds | training error (%) | test error (%) |",
        "|---|---|---|---|",
    ]
    for model in dict.fromkeys(record["model"] for record in records):
        ends = [record["history"][-1] for record in records if record["model"] == model]
        train, test = (
            statistics.mean(100 * (1 - end[name]) for end in ends)  # rounds as the page does
            for name in ("train_top1", "val_top1")
        )
        lines.append(f"| {model} | {len(ends)} | {train:.2f} | {test:.2f} |")
    return "\n".join([*lines, f"\n{results.provenance(records)}\n"])


def speed(name: str) -> str:
    """Return one benchmark of the training loop: time per step, and ratios within a round."""
    bench = json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf8"))
    lines = [
        f"One training step, {bench['model']} on {results.dataset_title(bench['data'])}, "
        f"batch {bench['batch_size']}, CPU:\n",
        "| variant | ms per step | times the compute floor | speed-up over the lecture's |",
        "|---|---|---|---|",
    ]
    for row in bench["rows"]:
        if "missing" in row:
            lines.append(f"| {row['variant']} | not measured: {row['missing']} | | |")
        else:
            lines.append(
                f"| {row['variant']} | {row['ms_per_step']:.2f} | {row['times_floor']:.2f} | "
                f"{row['speedup_over_lecture']:.2f} |"
            )
    lines.append(
        f"\nMedians of {bench['rounds']} interleaved rounds, and of the ratios within each round. "
        "The compute floor repeats one batch and measures nothing; its slowest round took "
        f"{bench['floor_spread']:.2f} times the fastest. {machine(bench)}.\n"
    )
    return "\n".join(lines)


def machine(bench: dict) -> str:
    """Return what a timing depends on."""
    found = bench["machine"]
    threads = found["torch_threads"]
    plural = "s" if threads > 1 else ""
    return f"{found['cpu']}, {threads} thread{plural}, torch {found['torch']}"


def with_table(readme: str) -> str:
    """Return the README with the current table between its two marks."""
    before, rest = readme.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}{table()}{END}{after}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf8")), encoding="utf8")

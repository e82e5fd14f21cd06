"""Write the results table of README.md from the recorded runs and the benchmark.

python tools/readme.py          # a test proves that the README holds what this writes
"""

import json
import statistics
from pathlib import Path

from dlvlib import results

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- results: written by tools/readme.py -->\n", "<!-- end of results -->\n"


def table() -> str:
    """Return the results as a Markdown table with the lines that say where they come from."""
    records = results.read_experiment(ROOT / "chapters" / "results" / "lenet_mnist", budget="full")
    final = [100 * record["metrics"]["test_top1"] for record in records]
    bench = json.loads((ROOT / "benchmarks" / "results" / "lenet_mnist.json").read_text())
    fit = next(row for row in bench["rows"] if row["variant"] == "dlvlib.training.fit")
    machine = bench["machine"]
    return (
        "| what | result |\n|---|---|\n"
        f"| LeNet-5 on MNIST, the lecture's recipe, {len(records)} seeds: test accuracy after "
        f"10 epochs | {statistics.mean(final):.2f} ± {statistics.stdev(final):.2f} % "
        f"(lowest {min(final):.2f}, highest {max(final):.2f}; the lecture's log: 96.50) |\n"
        "| one training step of `dlvlib.training.fit` against the bare computation | "
        f"{fit['times_floor']:.2f} × |\n"
        "| the same against the lecture's loop | "
        f"{fit['speedup_over_lecture']:.1f} × as fast |\n\n"
        f"{results.provenance(records)}\n"
        f"Speed: median of {bench['rounds']} interleaved rounds, {machine['cpu']}, "
        f"{machine['torch_threads']} threads, torch {machine['torch']}; `make bench` repeats it.\n"
    )


def with_table(readme: str) -> str:
    """Return the README with the current table between its two marks."""
    before, rest = readme.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}{table()}{END}{after}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf8")), encoding="utf8")

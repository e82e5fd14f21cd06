"""Run every benchmark, beside frameworks that are installed for the occasion and then removed.

python benchmarks/run_all.py [--rounds 5] [--steps N] [--results FOLDER]
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKLOADS = ("lenet", "resnet20")


def make_environment(folder: Path) -> Path:
    """Make an environment that sees the packages of this one; return its Python.

    Where the frameworks cannot be had, it is left without them, and the tables show it.
    """
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    inner = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    outer = sysconfig.get_path("purelib")
    (Path(inner.stdout.strip()) / "outer.pth").write_text(f"{outer}\n", encoding="utf8")
    options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    install = [python, "-m", "pip", "install", *options, "-r", HERE / "frameworks.txt"]
    if subprocess.run(install).returncode:
        print("the frameworks could not be installed (see above); measuring without them")
    return python


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks one after the other; returns 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--rounds", "--steps", "--results"):
        parser.add_argument(name)
    given = vars(parser.parse_args(arguments))
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}  # this dlvlib, and no other
    failed = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        print("installing the frameworks to compare with", flush=True)
        python = make_environment(Path(folder) / "venv")
        commands = {name: ["bench_training.py", name, *options] for name in WORKLOADS}
        commands["forward passes"] = ["bench_networks.py", *options]
        commands["steps, on a GPU if there is one"] = ["bench_steps.py", *options]
        for name, (script, *rest) in commands.items():
            print(f"\n== {name}", flush=True)
            if subprocess.run([python, HERE / script, *rest], env=environment).returncode:
                failed.append(name)
    if failed:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_wheel_of_the_source_archive_carries_the_records_and_finds_them_from_anywhere(tmp_path):
    source, installed = tmp_path / "source", tmp_path / "installed"
    for name in ("dlvlib", "coursekit", "chapters/results", "benchmarks/results"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    build = f"from setuptools.build_meta import build_sdist as b; b({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(archive)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as files:
        files.extractall(installed)
    kept = [f for name in ("dlvlib", "coursekit") for f in (source / name).rglob("*.*")]
    files = [file.relative_to(source) for file in kept if file.suffix not in (".md", ".pyc")]
    assert not [file for file in files if not (installed / file).is_file()]
    assert Path("dlvlib/py.typed") in files and Path("coursekit/py.typed") in files
    code = (
        "from dlvlib import results; features = results.load('features');"
        "print(results.__file__, len(results.load('degradation', None)),"
        " len(features.weights(features[0])), len(list(results.timings_folder().glob('*.json'))))"
    )
    command, environment = [sys.executable, "-P", "-c", code], {"PYTHONPATH": str(installed)}
    printed = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)
    file, runs, tensors, timings = printed.split()
    assert file == str(installed / "dlvlib" / "results.py")
    assert int(runs) == len(list((ROOT / "chapters/results/degradation").glob("*.json")))
    assert int(tensors) > 10
    assert int(timings) == len(list((ROOT / "benchmarks/results").glob("*.json")))

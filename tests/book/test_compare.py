"""nbval compares the stored outputs with those of the build, and finds what differs."""

import subprocess
import sys

import compare
import files
import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn


def notebook(text: str, code: str = "print(x)"):
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    skipped = nbformat.v4.new_code_cell("skipped()", metadata={"tags": ["nbval-skip"]})
    cell = nbformat.v4.new_code_cell(code, outputs=[output], execution_count=1)
    return files.notebook(skipped, cell)


@pytest.mark.slow
def test_a_stored_output_is_compared_with_the_executed_one(tmp_path):
    cache = get_cache(tmp_path / "cache")
    cases = {
        "same": (("12\n", "print(x)"), 0, "1 passed, 1 skipped"),
        "other": (("13\n", "print(x)"), 1, "mismatch 'stdout'"),
        "missing": (("12\n", "print(y)"), 1, "missing.ipynb was not executed: run `make book`"),
    }
    for name, (stored, _, _) in cases.items():
        nbformat.write(notebook(*stored), tmp_path / f"{name}.ipynb")
    executed = CacheBundleIn(notebook("12\n"), str(tmp_path / "same.ipynb"), data={})
    cache.cache_notebook_bundle(executed, check_validity=False)
    command = f"import compare, pathlib, sys; cache = pathlib.Path({str(tmp_path / 'cache')!r})\n"
    command += "sys.exit(compare.compare(sys.argv[1:], cache))"
    for names in (["same"], ["other", "missing"]):
        paths = [str(tmp_path / f"{name}.ipynb") for name in names]
        done = subprocess.run(
            [sys.executable, "-c", command, *paths],
            cwd=compare.ROOT / "tools",
            capture_output=True,
            text=True,
        )
        for _, status, message in (cases[name] for name in names):
            assert (done.returncode, message in done.stdout) == (status, True), done.stdout


def test_a_build_with_other_inputs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "CACHE", tmp_path)
    for content in (None, "another digest"):
        if content:
            (tmp_path / compare.STAMP).write_text(content)
        assert "not built with these inputs: run `make book`" in compare.main()

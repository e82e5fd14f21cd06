"""nbval compares the stored outputs with those of the build, and finds what differs."""

import subprocess
import sys

import compare
import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn


def notebook(text: str, code: str = "print(x)"):
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    skipped = nbformat.v4.new_code_cell("skipped()", metadata={"tags": ["nbval-skip"]})
    cell = nbformat.v4.new_code_cell(code, outputs=[output], execution_count=1)
    return nbformat.v4.new_notebook(cells=[skipped, cell])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stored", "code", "status", "message"),
    [
        ("12\n", "print(x)", 0, "1 passed, 1 skipped"),
        ("13\n", "print(x)", 1, "mismatch 'stdout'"),
        ("12\n", "print(y)", 1, "a.ipynb was not executed: run `make book`"),
    ],
)
def test_a_stored_output_is_compared_with_the_executed_one(
    tmp_path, stored, code, status, message
):
    path = tmp_path / "a.ipynb"
    cache = get_cache(tmp_path / "cache")
    executed = CacheBundleIn(notebook("12\n"), str(path), data={})
    cache.cache_notebook_bundle(executed, check_validity=False)
    nbformat.write(notebook(stored, code), path)
    command = f"import compare, pathlib, sys; cache = pathlib.Path({str(tmp_path / 'cache')!r})\n"
    command += f"sys.exit(compare.compare([{str(path)!r}], cache))"
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=compare.ROOT / "tools",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, message in done.stdout) == (status, True), done.stdout + done.stderr


def test_a_build_with_other_inputs_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compare, "CACHE", tmp_path)
    for content in (None, "another digest"):
        if content:
            (tmp_path / compare.STAMP).write_text(content)
        assert compare.main() == 2
        assert "not built with these inputs: run `make book`" in capsys.readouterr().err

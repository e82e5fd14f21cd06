"""The address of the repository stands in _config.yml; one command changes it everywhere."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

import notebooks  # noqa: E402
import set_repository  # noqa: E402

ADDRESS = set_repository.current(ROOT)
OTHER = "https://github.com/A-teacher/vision_2027.1"
OWNER, NAME = ADDRESS.rsplit("/", 2)[1:]


def tracked() -> list[Path]:
    """List the files of the checkout that are or would be committed."""
    if not (ROOT / ".git").exists() and os.environ.get("CI") != "true":
        pytest.skip("this is no git checkout, so nothing says which files are committed")
    command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def copy_checkout(target: Path) -> dict[Path, bytes]:
    """Copy the checkout; return what each file holds."""
    content = {path.relative_to(ROOT): path.read_bytes() for path in tracked()}
    for name, data in content.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)
    return content


def read_all(root: Path, names) -> dict[Path, bytes]:
    return {name: (root / name).read_bytes() for name in names}


def test_nothing_but_the_configuration_and_the_set_up_cells_holds_the_address():
    known = re.compile(rf"{OWNER}/{NAME}|{OWNER}\.github\.io".encode(), re.IGNORECASE)
    counts = {path: len(known.findall(path.read_bytes())) for path in tracked()}
    found = {path: count for path, count in counts.items() if count}
    assert found == dict.fromkeys([ROOT / "_config.yml", *notebooks.book_notebooks()], 1)


def test_the_address_of_a_notebook_stands_in_its_set_up_cell():
    for path in notebooks.book_notebooks():
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        setup = next(cell for cell in cells if cell["cell_type"] == "code")
        assert f'url = "{ADDRESS}"' in "".join(setup["source"]), path


def test_a_new_address_is_set_everywhere_and_the_old_one_restored_to_the_byte(tmp_path):
    before = copy_checkout(tmp_path)
    changed = set_repository.set_repository(tmp_path, OTHER)
    assert len(changed) == 1 + len(notebooks.book_notebooks())
    for name, data in read_all(tmp_path, before).items():
        assert data == before[name].replace(ADDRESS.encode(), OTHER.encode()), name
    assert set_repository.current(tmp_path) == OTHER
    set_repository.set_repository(tmp_path, ADDRESS)
    assert read_all(tmp_path, before) == before
    assert {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()} == set(before)


def small_checkout(root: Path) -> Path:
    """Make a configuration, a citation and two notebooks, which are just text here."""
    (root / "chapters").mkdir()
    (root / "_config.yml").write_text(f"a: 1\nrepository:\n  url: {ADDRESS}\n  branch: main\n")
    (root / "CITATION.cff").write_bytes(f"repository-code: {ADDRESS}\r\n".encode())
    for name in ("01_a", "02_b"):
        (root / f"chapters/{name}.ipynb").write_text(f'"{ADDRESS}", "{ADDRESS}-two"')
    return root


def test_an_address_that_only_begins_alike_is_left_alone(tmp_path):
    set_repository.set_repository(small_checkout(tmp_path), OTHER)
    assert (tmp_path / "chapters/01_a.ipynb").read_text() == f'"{OTHER}", "{ADDRESS}-two"'
    assert (tmp_path / "CITATION.cff").read_bytes() == f"repository-code: {OTHER}\r\n".encode()


def test_a_second_run_changes_nothing(tmp_path):
    set_repository.set_repository(small_checkout(tmp_path), OTHER)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert set_repository.set_repository(tmp_path, OTHER) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


def test_a_failure_while_writing_changes_nothing(tmp_path, monkeypatch):
    small_checkout(tmp_path)
    names = [path for path in tmp_path.rglob("*") if path.is_file()]
    before, write = read_all(tmp_path, names), Path.write_bytes

    def full_disk(path, data):
        if "02_b" in path.name:
            raise OSError("no space left")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space left"):
        set_repository.set_repository(tmp_path, OTHER)
    assert read_all(tmp_path, names) == before
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(names)


def test_an_interrupted_change_is_completed_by_the_same_command(tmp_path, monkeypatch):
    small_checkout(tmp_path)
    replace = Path.replace

    def interrupted(path, target):
        if "02_b" in path.name:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", interrupted)
        set_repository.set_repository(tmp_path, OTHER)
    assert set_repository.current(tmp_path) == ADDRESS
    set_repository.set_repository(tmp_path, OTHER)
    assert set_repository.current(tmp_path) == OTHER
    assert all(OTHER in path.read_text() for path in tmp_path.rglob("*.ipynb"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com/owner/name",
        "http://github.com/owner/name",
        "https://github.com/owner",
        "https://github.com/owner/name/",
        "https://github.com/owner/name.git",
        "https://github.com/owner/name/tree/main",
        "https://github.com/-owner/name",
        "https://github.com/owner/..",
        "https://github.com.invalid/owner/name",
        "https://user@github.com/owner/name",
        "https://github.com/owner/näme",
        'https://github.com/owner/name"; x',
        "https://github.com/owner/name\n",
    ],
)
def test_a_bad_address_is_refused_with_the_rule(tmp_path, url, capsys, monkeypatch):
    monkeypatch.setattr(set_repository, "ROOT", small_checkout(tmp_path))
    assert set_repository.main([url]) == 1
    said = capsys.readouterr().err
    assert "https://github.com/owner/name" in said
    assert set_repository.current(tmp_path) == ADDRESS


def test_a_configuration_without_an_address_is_told(tmp_path):
    (tmp_path / "_config.yml").write_text("title: x\nlaunch_buttons:\n  url: y\n")
    with pytest.raises(ValueError, match="_config.yml must hold `url: ...` below `repository:`"):
        set_repository.set_repository(tmp_path, OTHER)

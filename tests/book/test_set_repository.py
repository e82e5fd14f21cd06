"""The address of the repository is in _config.yml; one command changes it everywhere."""

import re
import subprocess
from pathlib import Path

import notebooks
import pytest
import set_repository
from shorter import skip_or_fail

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
ADDRESS = set_repository.current(ROOT)
OTHER = "https://github.com/A-teacher/vision_2027.1"
KEPT = {ROOT / name for name in set_repository.REPEATED if "*" not in name}
OWNER, NAME = ADDRESS.rsplit("/", 2)[1:]


def tracked() -> list[Path]:
    """List the files of the checkout that are or would be committed."""
    if not (ROOT / ".git").exists():
        skip_or_fail("this is not a git checkout, so git does not list what is committed")
    command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def read_all(root: Path, names) -> dict[Path, bytes]:
    return {name: (root / name).read_bytes() for name in names}


def test_nothing_but_the_configuration_and_the_notebooks_holds_the_address():
    known = re.compile(rf"{OWNER}/{NAME}|{OWNER}\.github\.io".encode(), re.IGNORECASE)
    found = {path for path in tracked() if known.search(path.read_bytes())}
    assert found == {ROOT / "_config.yml", *KEPT, *notebooks.book_notebooks()}


def test_a_new_address_is_set_everywhere_and_the_old_one_restored_to_the_byte(tmp_path):
    before = {path.relative_to(ROOT): path.read_bytes() for path in tracked()}
    for name, data in before.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    changed = set_repository.set_repository(tmp_path, OTHER)
    assert len(changed) == 1 + len(KEPT) + len(notebooks.book_notebooks())
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
    assert set_repository.set_repository(tmp_path, OTHER) == []


def test_an_interrupted_change_is_completed_by_the_same_command(tmp_path, monkeypatch):
    small_checkout(tmp_path)
    write = set_repository.write_atomically

    def interrupted(path, content):
        if "02_b" in path.name:
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(set_repository, "write_atomically", interrupted)
        set_repository.set_repository(tmp_path, OTHER)
    assert set_repository.current(tmp_path) == ADDRESS
    set_repository.set_repository(tmp_path, OTHER)
    assert set_repository.current(tmp_path) == OTHER
    assert all(OTHER in path.read_text() for path in tmp_path.rglob("*.ipynb"))


def test_a_bad_address_is_refused_with_the_rule(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(set_repository, "ROOT", small_checkout(tmp_path))
    good = "https://github.com/owner/name"
    bad = ["", good.replace("https", "http"), "https://github.com/owner"]
    bad += [good + end for end in ("/", ".git", "/tree/main", '"; x', "\n")]
    bad += [f"https://{site}/owner/name" for site in ("github.com.invalid", "user@github.com")]
    bad += [f"https://github.com/{path}" for path in ("-owner/name", "owner/..", "owner/näme")]
    for url in bad:
        assert set_repository.main([url]) == 1, url
        assert good in capsys.readouterr().err
        assert set_repository.current(tmp_path) == ADDRESS


def test_a_configuration_without_an_address_is_refused(tmp_path):
    (tmp_path / "_config.yml").write_text("title: x\nlaunch_buttons:\n  url: y\n")
    with pytest.raises(ValueError, match="_config.yml must hold `url: ...` below `repository:`"):
        set_repository.set_repository(tmp_path, OTHER)

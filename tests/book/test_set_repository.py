"""The address of the repository is in _config.yml; one command changes it everywhere."""

import re
from pathlib import Path

import checkout
import notebooks
import pytest
import set_repository
from files import write_files
from shorter import skip_or_fail

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]
ADDRESS = set_repository.current(ROOT)
OTHER = "https://github.com/A-teacher/vision_2027.1"
KEPT = {ROOT / name for name in set_repository.REPEATED if "*" not in name}
OWNER, NAME = ADDRESS.rsplit("/", 2)[1:]


def read_all(root: Path) -> dict[Path, bytes]:
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_new_address_is_set_everywhere_and_the_old_one_restored_to_the_byte(tmp_path):
    if not (ROOT / ".git").exists():
        skip_or_fail("this is not a git checkout, so git does not list what is committed")
    checkout.copy(ROOT, tmp_path)
    before = read_all(tmp_path)
    known = re.compile(rf"{OWNER}/{NAME}|{OWNER}\.github\.io".encode(), re.IGNORECASE)
    expected = [ROOT / "_config.yml", *KEPT, *notebooks.book_notebooks()]
    assert {ROOT / name for name in before if known.search(before[name])} == set(expected)
    changed = set_repository.set_repository(tmp_path, OTHER)
    assert {ROOT / path.relative_to(tmp_path) for path in changed} == set(expected)
    for name, data in read_all(tmp_path).items():
        assert data == before[name].replace(ADDRESS.encode(), OTHER.encode()), name
    assert set_repository.current(tmp_path) == OTHER
    set_repository.set_repository(tmp_path, ADDRESS)
    assert read_all(tmp_path) == before


def small_checkout(root: Path) -> Path:
    """Make a configuration, a citation and two notebooks, which are just text here."""
    config = f"a: 1\nrepository:\n  url: {ADDRESS}\n  branch: main\n"
    page = f'"{ADDRESS}", "{ADDRESS}-two"'
    pages = dict.fromkeys(("chapters/01_a.ipynb", "chapters/02_b.ipynb"), page)
    write_files(root, {"_config.yml": config, **pages})
    (root / "CITATION.cff").write_bytes(f"repository-code: {ADDRESS}\r\n".encode())
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


def test_a_bad_address_is_refused_with_the_rule(tmp_path, monkeypatch):
    monkeypatch.setattr(set_repository, "ROOT", small_checkout(tmp_path))
    good = "https://github.com/owner/name"
    bad = ["", good.replace("https", "http"), "https://github.com/owner"]
    bad += [good + end for end in ("/", ".git", "/tree/main", '"; x', "\n")]
    bad += [f"https://{site}/owner/name" for site in ("github.com.invalid", "user@github.com")]
    bad += [f"https://github.com/{path}" for path in ("-owner/name", "owner/..", "owner/näme")]
    for url in bad:
        assert good in set_repository.main([url]), url
        assert set_repository.current(tmp_path) == ADDRESS


def test_a_configuration_without_an_address_is_refused(tmp_path):
    (tmp_path / "_config.yml").write_text("title: x\nlaunch_buttons:\n  url: y\n")
    with pytest.raises(ValueError, match="_config.yml must hold `url: ...` below `repository:`"):
        set_repository.set_repository(tmp_path, OTHER)

"""tools/release.py on a small repository: what is prepared is ready, and nothing else is."""

import json
import re
import subprocess
from datetime import date
from pathlib import Path

import checkout
import pytest
import release
import yaml
from files import write_files

ROOT = Path(__file__).parents[2]
DAY = date(2026, 11, 3)
FILES = {
    "dlvlib/__init__.py": '__version__ = "1.0.0"\n',
    "CITATION.cff": "version: 1.0.0\ndate-released: 2026-05-01\nlicense: MIT\n",
    "CHANGELOG.md": "# Changelog\n\n## 1.1.0, in progress\n\nNew:\n\n- a\n\n"
    "## 1.0.0, 1 May 2026\n\nOld.\n",
}


@pytest.fixture
def repository(tmp_path) -> Path:
    write_files(tmp_path, FILES)
    checkout.commit(tmp_path)
    subprocess.check_call(["git", "-C", tmp_path, "tag", "v1.0.0"])
    return tmp_path


def test_what_is_prepared_is_ready(repository):
    release.refuse_what_is_not_ready(repository, "1.1.0")
    changed = release.prepare(repository, "1.1.0", DAY)
    assert sorted(changed) == ["CHANGELOG.md", "CITATION.cff", "dlvlib/__init__.py"]
    assert yaml.safe_load((repository / "CITATION.cff").read_text()) == {
        "version": "1.1.0",
        "date-released": DAY,
        "license": "MIT",
    }
    assert "\n## 1.1.0, 3 November 2026\n" in (repository / "CHANGELOG.md").read_text()
    assert release.notes(repository, "1.1.0") == "New:\n\n- a\n"
    assert release.prepare(repository, "1.1.0", DAY) == []


@pytest.mark.parametrize("version", ["1.1", "v1.1.0", "01.1.0", "1.1.0rc1", "1.0.0", "0.9.9", ""])
def test_a_version_that_is_no_new_one_is_refused(repository, version):
    with pytest.raises(ValueError, match="the version must be (three numbers|higher)"):
        release.refuse_what_is_not_ready(repository, version)


def test_what_is_not_committed_or_not_in_the_changelog_is_refused(repository):
    with pytest.raises(ValueError, match=r"begin with `## 2.0.0, ...`, got ## 1.1.0, in progress"):
        release.refuse_what_is_not_ready(repository, "2.0.0")
    (repository / "new.txt").touch()
    with pytest.raises(ValueError, match="must be committed"):
        release.refuse_what_is_not_ready(repository, "1.1.0")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("dlvlib/__init__.py", "1.1.0", "1.1.1", "must have version 1.1.0, got 1.1.1"),
        ("CITATION.cff", "version: 1.1.0\n", "", "must have version 1.1.0, got None"),
        ("CITATION.cff", "2026-11-03", "2026-11-04", "the same date for 1.1.0"),
        ("CHANGELOG.md", "3 November 2026", "in progress", "the same date for 1.1.0"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused(repository, file, old, new, message):
    release.prepare(repository, "1.1.0", DAY)
    path = repository / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        release.notes(repository, "1.1.0")


def test_the_files_of_this_course_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf8"))
    assert citation["title"] == zenodo["title"]
    assert [a["name"] for a in citation["authors"]] == [a["name"] for a in zenodo["creators"]]
    assert citation["keywords"] == zenodo["keywords"]
    for name, pattern in release.PLACES.items():
        text = (ROOT / name).read_text(encoding="utf8")
        assert re.search(pattern, text, re.MULTILINE)[1] == citation["version"]

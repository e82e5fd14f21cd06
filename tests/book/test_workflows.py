"""The workflows of GitHub follow its schema, and zizmor finds no weakness in them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TOOLS = Path(sys.executable).parent


def run(tool: str, *arguments) -> subprocess.CompletedProcess:
    command = [TOOLS / tool, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def schema(*files: Path, of: str = "github-workflows") -> subprocess.CompletedProcess:
    return run("check-jsonschema", "--builtin-schema", f"vendor.{of}", *files)


def zizmor(folder: Path) -> subprocess.CompletedProcess:
    """Look for weaknesses, the smallest too, without the network."""
    return run("zizmor", "--offline", "--no-progress", "--persona", "pedantic", folder)


def test_they_follow_the_schema():
    done = schema(*WORKFLOWS)
    assert done.returncode == 0, done.stdout
    done = schema(GITHUB / "dependabot.yml", of="dependabot")
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing():
    done = zizmor(GITHUB)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def changed(tmp_path):
    """Return a function that gives a copy of .github with one text replaced in test.yml."""

    def change(old: str, new: str) -> Path:
        folder = shutil.copytree(GITHUB, tmp_path / ".github")
        file = folder / "workflows" / "test.yml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        return folder

    return change


def test_a_misspelt_key_is_found(changed):
    folder = changed("timeout-minutes", "timeout-minute")
    assert schema(folder / "workflows" / "test.yml").returncode == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("persist-credentials: false", "fetch-depth: 1"),
        ("permissions: {}", "permissions: write-all"),
        ("run: make test", "run: echo ${{ github.head_ref }}"),
        ("de0fac2e4500dabe0009e67214ff5f5447ce83dd", "v6"),
    ],
)
def test_a_weakness_is_found(changed, old, new):
    assert zizmor(changed(old, new)).returncode > 10  # 11 to 14: findings, by severity


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_least_rights_and_ends_in_time(path):
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        assert job["permissions"], name
    uses = re.findall(r"uses: (.+)", text)
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses), uses


def test_what_they_run_are_commands_of_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [c for path in WORKFLOWS for c in re.findall(r"run: make (.+)", path.read_text())]
    assert {"test", "book", "colab"} == {word for c in commands for word in c.split()}
    assert set(commands) <= targets


def test_the_same_version_of_an_action_is_used_everywhere():
    texts = "".join(path.read_text() for path in WORKFLOWS)
    uses = dict.fromkeys(re.findall(r"uses: (\S+)@(\S+)", texts))
    assert len({action for action, _ in uses}) == len(uses)

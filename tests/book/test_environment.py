"""pyproject.toml, environment.yml and constraints.txt say the same."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"pytorch": "torch"}


def requirement(line: str) -> tuple[str, str]:
    """'jupyter-book>=1.0.4,<2' -> ('jupyter-book', '<2,>=1.0.4')."""
    name, bounds = re.fullmatch(r"([\w-]+)(.*)", line.strip()).groups()
    return CONDA_NAMES.get(name, name), ",".join(sorted(bounds.replace(" ", "").split(",")))


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def project_requirements() -> dict[str, str]:
    extras = project()["optional-dependencies"]
    return dict(map(requirement, [*project()["dependencies"], *extras["book"], *extras["test"]]))


def test_conda_users_get_the_same_requirements():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    lines = [entry for entry in entries if isinstance(entry, str) and entry != "pip"]
    lines += next(entry["pip"] for entry in entries if isinstance(entry, dict))
    conda = dict(map(requirement, lines))
    assert conda.pop("python") == project()["requires-python"]
    assert conda == project_requirements()


def test_every_requirement_is_pinned_in_the_constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    normal = {re.sub(r"[-_.]+", "-", name).lower() for name in pins}
    assert set(project_requirements()) <= normal
    assert pins["jupyter-book"].startswith("1.")


def test_what_colab_brings_is_never_replaced():
    """The library's own requirements have lower bounds only."""
    for line in project()["dependencies"]:
        assert "<" not in line and "==" not in line, line

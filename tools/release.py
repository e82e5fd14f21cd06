"""Prepare a release, or check that everything is ready for one.

    python tools/release.py 1.0.0                   # write version and date where they belong
    python tools/release.py 1.0.0 --notes notes.md  # check them, and write the changelog's section

The version is in dlvlib/__init__.py, in CITATION.cff and in the headings of CHANGELOG.md.
"""

import argparse
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORM = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}")
HEADING = re.compile(r"^## (\d\S*), (.+)$", re.MULTILINE)
# file: a pattern whose first group is what it says about the release
PLACES = {
    "dlvlib/__init__.py": r'^__version__ = "(.*)"$',
    "CITATION.cff": r"^version: (.*)$",
}
RELEASED = r"^date-released: (.*)$"  # in CITATION.cff, below the version


def spelled(day: date) -> str:
    """Return a date as the changelog has it.

    >>> spelled(date(2026, 11, 3))
    '3 November 2026'
    """
    return f"{day.day} {day:%B %Y}"


def tags(root: Path) -> list[str]:
    """Return the tags of the repository."""
    command = ["git", "-C", str(root), "tag", "--list"]
    return subprocess.check_output(command, text=True).split()


def refuse_what_is_not_ready(root: Path, version: str) -> None:
    """Check version, tags, working tree and changelog before a release is prepared.

    Raises:
        ValueError: if the version is no new one, something is not committed, or the changelog
            does not begin with this version.
    """
    numbers = [
        tuple(map(int, tag[1:].split("."))) for tag in tags(root) if FORM.fullmatch(tag[1:])
    ]
    if not FORM.fullmatch(version):
        raise ValueError(f"the version must be three numbers such as 1.0.0, got {version!r}")
    if numbers and tuple(map(int, version.split("."))) <= max(numbers):
        last = ".".join(map(str, max(numbers)))
        raise ValueError(f"the version must be higher than the last tag, {last}, got {version}")
    if subprocess.check_output(["git", "-C", str(root), "status", "--porcelain"]):
        raise ValueError("everything must be committed, see `git status`")
    newest = HEADING.search((root / "CHANGELOG.md").read_text(encoding="utf8"))
    if newest is None or newest[1] != version:
        found = newest[0] if newest else "no version"
        raise ValueError(f"CHANGELOG.md must begin with `## {version}, ...`, got {found}")


def prepare(root: Path, version: str, day: date) -> list[str]:
    """Write version and date where they belong; return the files that changed.

    Raises:
        ValueError: if a place is not found.
    """
    changed = []
    edits = {name: (pattern, version) for name, pattern in PLACES.items()}
    edits["CHANGELOG.md"] = (rf"^## {re.escape(version)}, (.*)$", spelled(day))
    for name, (pattern, value) in edits.items():
        before = (root / name).read_text(encoding="utf8")
        text = re.sub(RELEASED + r"\n", "", before, flags=re.MULTILINE)
        found = re.search(pattern, text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{name} must have a line {pattern}, found none")
        if name == "CITATION.cff":
            value += f"\ndate-released: {day.isoformat()}"
        after = text[: found.start(1)] + value + text[found.end(1) :]
        if after != before:
            (root / name).write_text(after, encoding="utf8")
            changed.append(name)
    return changed


def notes(root: Path, version: str) -> str:
    """Return the section of the changelog about a release that is ready.

    Raises:
        ValueError: if a file has another version, or the dates differ or are missing.
    """
    for name, pattern in PLACES.items():
        found = re.search(pattern, (root / name).read_text(encoding="utf8"), re.MULTILINE)
        if found is None or found[1] != version:
            raise ValueError(f"{name} must have version {version}, got {found and found[1]}")
    citation = (root / "CITATION.cff").read_text(encoding="utf8")
    released = re.search(RELEASED, citation, re.MULTILINE)
    text = (root / "CHANGELOG.md").read_text(encoding="utf8")
    heading = re.search(rf"^## {re.escape(version)}, (.*)$", text, re.MULTILINE)
    days = (heading and heading[1], released and spelled(date.fromisoformat(released[1])))
    if heading is None or days[0] != days[1]:
        raise ValueError(
            f"CHANGELOG.md and CITATION.cff must have the same date for {version}, got {days}"
        )
    return text[heading.end() :].partition("\n## ")[0].strip() + "\n"


def main() -> int | str:
    """Run the command line; returns the exit status, or what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", help="such as 1.0.0")
    parser.add_argument("--notes", type=Path, help="check only, and write the notes here")
    arguments = parser.parse_args()
    version = arguments.version
    try:
        if arguments.notes:
            arguments.notes.write_text(notes(ROOT, version), encoding="utf8")
            return 0
        refuse_what_is_not_ready(ROOT, version)
        changed = prepare(ROOT, version, date.today())
    except ValueError as error:
        return f"error: {error}"
    if changed:
        print(f"changed: {', '.join(changed)}. Now:\n  git commit -am 'Version {version}'")
    else:
        print("version and date are in their places. Now:")
    print(f"  make test dist\n  git tag v{version}\n  git push origin main v{version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

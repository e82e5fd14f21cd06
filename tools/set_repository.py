"""Change the address of the repository, in _config.yml and wherever it must be repeated.

    python tools/set_repository.py https://github.com/owner/name

Colab opens a notebook without _config.yml, so the set-up cells repeat the address; so do the
citation, the landing page and the links of the issue forms.
"""

import re
import sys
from pathlib import Path

from dlvlib._common import write_atomically

ROOT = Path(__file__).resolve().parent.parent
CONFIG = "_config.yml"
REPEATED = (
    "CITATION.cff",
    "index.md",
    ".github/ISSUE_TEMPLATE/config.yml",
    *(f"{folder}/**/*.ipynb" for folder in ("chapters", "exercises", "solutions")),
)
FORM = re.compile(
    r"https://github\.com/[a-z\d]+(?:-[a-z\d]+)*/([\w.-]+)", re.ASCII | re.IGNORECASE
)
CURRENT = re.compile(r"^repository:\n(?:  .*\n)*?  url: (\S+)$", re.MULTILINE)
END = r"(?![\w-]|\.\w)"  # so that .../dlv is not found in .../dlv-course


def check_address(url: str) -> None:
    """Check that `url` is the address of a repository.

    Raises:
        ValueError: if it is not https://github.com/owner/name and nothing more.
    """
    found = FORM.fullmatch(url)
    if found is None or re.search(r"\.git$|^\.+$", found[1]):
        raise ValueError(f"the address must be https://github.com/owner/name, got {url!r}")


def current(root: Path) -> str:
    """Return the address that _config.yml holds.

    Raises:
        ValueError: if it holds none, or one that is not of the right form.
    """
    found = CURRENT.search((root / CONFIG).read_text(encoding="utf8"))
    if found is None:
        raise ValueError(f"{CONFIG} must hold `url: ...` below `repository:`, found none")
    check_address(found[1])
    return found[1]


def set_repository(root: Path, url: str) -> list[Path]:
    """Replace the address; return the files that changed.

    _config.yml, which holds the old address, comes last: after an interruption the same command
    completes the change.

    Raises:
        ValueError: if the new address, or the one in _config.yml, is not of the right form.
    """
    check_address(url)
    old = re.compile(re.escape(current(root)) + END)
    changed = []
    for path in [*(p for pattern in REPEATED for p in sorted(root.glob(pattern))), root / CONFIG]:
        before = path.read_bytes().decode()  # read_text would change line ends
        after = old.sub(url, before)
        if after != before:
            write_atomically(path, after.encode())
            changed.append(path)
    return changed


def main(arguments: list[str]) -> int | str:
    """Run the command line; returns the exit status, or what went wrong."""
    try:
        if len(arguments) != 1 or not arguments[0]:
            raise ValueError("usage: make set-repository URL=https://github.com/owner/name")
        changed = set_repository(ROOT, arguments[0])
    except ValueError as error:
        return f"error: {error}"
    print(f"the repository is {arguments[0]}; files changed: {len(changed)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

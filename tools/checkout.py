"""A checkout of the course as git sees it: its files, a copy of them, a commit of the copy."""

import shutil
import subprocess
from pathlib import Path


def files(root: Path) -> list[str]:
    """Return the names of the files that are committed, or would be by `git add`."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.check_output([*command, "--exclude-standard"], text=True)
    return [name for name in sorted(set(listed.split("\0"))) if (root / name).is_file()]


def copy(root: Path, target: Path) -> None:
    """Copy a checkout as it is now, without what git ignores."""
    for name in files(root):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, target / name)


def commit(folder: Path) -> None:
    """Commit all files of a folder; it becomes a repository if it is not one yet."""
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@x.invalid"]
    subprocess.check_call([*git, "init", "--quiet", "--initial-branch=main"])
    subprocess.check_call([*git, "add", "--all", "--force"])
    subprocess.check_call([*git, "commit", "--quiet", "--message=a checkout"])

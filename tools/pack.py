"""Pack the built book into a zip file for a classroom without network.

    python tools/pack.py [--html _build/html] [--out _build/dlv-course.zip]

The same site gives the same bytes: names are sorted, times and rights fixed.
"""

import argparse
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import yaml

from dlvlib._common import write_atomically

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "dlv-course"
README = """{title}

Unpack this archive and open index.html, beside this file, in a browser. Pages, formulas, live
figures and the search need no network and no installation. Links to other sites and to Colab do.
"""


def pack(html: Path, title: str, out: Path) -> str:
    """Write the zip file; return how many files it holds, and its size.

    Raises:
        FileNotFoundError: if the book was not built.
    """
    if not (html / "index.html").is_file():
        raise FileNotFoundError(f"no index.html in {html}: run `make book`")
    files = {path.relative_to(html): path for path in html.rglob("*") if path.is_file()}
    content = {  # hidden files and the logs of failed cells are of no use to a reader
        name.as_posix(): path.read_bytes()
        for name, path in files.items()
        if not any(part.startswith(".") for part in name.parts) and name.parts[0] != "reports"
    }
    content["README.txt"] = README.format(title=title).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}")  # of 1 January 1980
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # rw-r--r--
            archive.writestr(entry, content[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    write_atomically(out, buffer.getvalue())
    return f"{len(content)} files, {len(buffer.getvalue()) / 1e6:.1f} MB"


def run(description: str, name: str, make: Callable[[Path, str, Path], object]) -> int | str:
    """Run the command line of a tool; returns the exit status, or what went wrong.

    It calls `make` with the folder of the built book, its title, and where to write: `name`, in
    _build. The description is the docstring of the tool.
    """
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / name)
    arguments = parser.parse_args()
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    try:
        made = make(arguments.html, config["title"], arguments.out)
    except OSError as error:
        return f"error: {error}"
    print(f"written: {arguments.out}, {made}")
    return 0


if __name__ == "__main__":
    sys.exit(run(__doc__, "dlv-course.zip", pack))

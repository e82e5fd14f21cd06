"""Pack the built book into a zip file for a classroom without network.

    python tools/pack.py [--html _build/html] [--out _build/dlv-course.zip]

The same site gives the same bytes: names are sorted, times and rights fixed.
"""

import argparse
import io
import sys
import zipfile
from pathlib import Path

import yaml

from dlvlib._common import write_atomically

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "dlv-course"
README = """{title}

Unpack this archive and open index.html, beside this file, in a browser. Pages, formulas, live
figures and the search need no network and no installation. Links to other sites and to Colab do.
"""


def pack(html: Path, title: str, out: Path) -> int:
    """Write the zip file; return the number of files in it.

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
    return len(content)


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "dlv-course.zip")
    arguments = parser.parse_args()
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    try:
        count = pack(arguments.html, config["title"], arguments.out)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = arguments.out.stat().st_size / 1e6
    print(f"written: {arguments.out}, {count} files, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m coursekit COMMAND``; without a command it lists them.

A user error is one line on stderr, with exit status 2.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = _parser()
    try:
        options = parser.parse_args(argv)
        if options.command is None:
            parser.print_help()
            return 0
        command = import_module(f"coursekit.{options.command}.command")  # loads torch
        record, text = command.run(options)  # for programs, and for people
        print(json.dumps(record, indent=2, default=str) if options.json else text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough: ``| head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        print(f"coursekit: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m coursekit", description="Tools for teachers of the course.")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")

    def add(name: str, text: str) -> _Parser:
        command: _Parser = commands.add_parser(
            name, help=text, description=text, allow_abbrev=False
        )
        command.add_argument("--json", action="store_true", help="print JSON instead of text")
        return command

    command = add("exam", "write exams, drawn from seeds, and their keys")
    command.add_argument(
        "--seeds", required=True, help="the variants: integers >= 0, such as 7, 1-40 or 3,7"
    )
    command.add_argument("--out", default=".", help="folder of the files; default: here")
    formats = ["html", "latex", "moodle", "worksheet"]
    command.add_argument("--format", choices=formats, default="html", help="default: html")
    command.add_argument(
        "--topics",
        default="layers,metrics,fields,questions",
        help="which problems; default: %(default)s",
    )
    command.add_argument("--points", help="of the problems, such as layers=24,questions=16")
    command.add_argument("--language", choices=["en", "fr"], default="en", help="of the paper")
    command.add_argument("--bank", metavar="FOLDER", help="questions of your own, drawn first")
    command.add_argument("--date", default="", help="for the heading; default: a line to fill in")
    command.add_argument("--minutes", type=int, default=60, help="the duration; default: 60")
    command.add_argument("--aids", help="what is allowed; default: a pocket calculator")
    command = add("grade", "grade a folder of notebooks, each in a process of its own")
    command.add_argument("folder", metavar="FOLDER", help="notebooks, also in folders below")
    command.add_argument("--csv", required=True, metavar="FILE", help="where the scores go")
    command.add_argument("--topic", help="for instance metrics; default: what the notebooks have")
    command.add_argument(
        "--students", metavar="FILE", help="CSV with the columns file and student, the number"
    )
    command.add_argument("--jobs", type=int, default=2, help="how many at a time; default: 2")
    command.add_argument("--minutes", type=float, default=5.0, help="for each; default: 5")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m dlvlib COMMAND``; alone, it lists the commands.

Errors are one line on stderr, with exit status 2; after Ctrl-C the status is 130.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import NoReturn

import dlvlib
from dlvlib import commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv[:1] == ["train"]:
            from dlvlib.training.__main__ import main as train  # loads torch: not for --help

            return train(argv[1:])  # it prints its errors itself
        options = _parser().parse_args(argv or ["--help"])
        record, text = options.run(options)
        print(json.dumps(record, indent=2) if options.json else text, flush=True)
        return int(options.status)
    except BrokenPipeError:  # the reader has seen enough: ``| head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("dlvlib: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        print(f"dlvlib: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m dlvlib", description=(dlvlib.__doc__ or "").splitlines()[0])
    parser.add_argument("--version", action="version", version=dlvlib.__version__)
    subparsers = parser.add_subparsers(metavar="COMMAND [OPTIONS]", required=True)

    def add(
        name: str, run: Callable[[argparse.Namespace], commands.Result], text: str
    ) -> argparse.ArgumentParser:
        command = subparsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.add_argument("--json", action="store_true", help="print JSON instead of text")
        command.set_defaults(run=run, status=0)
        return command

    add("models", commands.models, "list the networks, their parameters and usual input")
    summary = add("summary", commands.summary, "cost of every layer of a network for one image")
    fields = add("receptive-field", commands.receptive_field, "which pixels every layer can see")
    for command in (summary, fields):
        command.add_argument("name", metavar="NAME", help="a network: see the command models")
        command.add_argument(
            "--input", type=_shape, metavar="C,H,W", help="one image, for example 3,224,224"
        )
        command.add_argument("--classes", type=int, metavar="K", help="number of logits")
    classify = add("classify", commands.classify, "name what is in pictures, by a trained network")
    classify.add_argument("pictures", metavar="PICTURE", nargs="+", help="an image file")
    classify.add_argument("--top", type=int, default=5, metavar="K", help="how many classes: 5")
    classify.add_argument(
        "--model", default="efficientnet_lite0", metavar="NAME", help="or vgg16, resnet50, ..."
    )
    data = add("data", commands.data, "load a data set, download it if missing, describe it")
    data.add_argument("name", metavar="NAME", help="digits, mnist, ... or a folder of images")
    subparsers.add_parser("train", help="train a network: see train --help")
    report = add("report", commands.report, "versions, device and data sets, for a bug report")
    for command in (data, report):
        command.add_argument("--root", help="folder of the downloaded sets; default: DLV_DATA")
    return parser


def _shape(text: str) -> tuple[int, int, int]:
    sizes = text.split(",")
    if len(sizes) != 3 or not all(size.isdecimal() and int(size) for size in sizes):
        raise argparse.ArgumentTypeError(f"must be C,H,W, integers >= 1, got {text!r}")
    channels, height, width = map(int, sizes)
    return channels, height, width


if __name__ == "__main__":
    if isinstance(sys.stdout, TextIOWrapper):  # a class named café, printed in an ASCII locale
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())

"""The command `exam`: reads its options, and writes the files."""

import argparse
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coursekit.exam import LARGEST_SEED, TOPICS, draw, latex, moodle, page
from coursekit.exam.parts import Problem
from coursekit.exam.texts import LANGUAGES
from dlvlib._common import check_int, write_atomically

MAX_VARIANTS = 1000
SUFFIXES = {"html": ".html", "latex": ".tex"}


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return which files were written, for programs and for people.

    Raises:
        ValueError: if an option is wrong.
        OSError: if a file cannot be read or written.
    """
    seeds = read_seeds(options.seeds)
    topics = options.topics.split(",")
    points = read_points(options.points) if options.points else {}
    if surplus := set(points) - set(topics):
        raise ValueError(
            f"points must be of the topics {options.topics}, got {', '.join(surplus)}"
        )
    bank = Path(options.bank) if options.bank else None
    wanted = {"topics": topics, "points": points, "language": options.language, "bank": bank}
    variants = {seed: draw(seed, **wanted) for seed in seeds}
    texts = LANGUAGES[options.language]
    minutes = check_int("minutes", options.minutes, 1)
    heading = page.Heading(options.date, minutes, options.aids or texts("calculator"))
    kind = "worksheet" if options.format == "worksheet" else "exam"
    stem = Path(options.out) / f"{kind}-{options.seeds.replace(',', '_')}"
    record: dict[str, Any] = {
        "seeds": seeds,
        "points": sum(problem.points for problem in variants[seeds[0]]),
    }
    if options.format == "moodle":
        files = {"moodle": (f"{stem}.xml", moodle.render(variants, texts))}
    elif options.format == "worksheet":
        files = {"worksheet": (f"{stem}.html", page.render_worksheet(variants, texts))}
    else:
        render = page.render if options.format == "html" else latex.render
        files = {
            kind: (
                f"{stem}{'-key' * (kind == 'key')}{SUFFIXES[options.format]}",
                render(variants, texts, heading, key=kind == "key"),
            )
            for kind in ("exam", "key")
        }
    for kind, (path, content) in files.items():
        write_atomically(path, content.encode())
        record[kind] = path
    if options.format == "latex":
        _copy_images(variants, Path(options.out) / "images")
    text = "\n".join(f"{kind}: {record[kind]}" for kind in files)
    if options.json:
        record["variants"] = {seed: list(map(asdict, drawn)) for seed, drawn in variants.items()}
    return record, text


def read_seeds(text: str) -> list[int]:
    """Return the seeds of a text such as "7", "1-40" or "1,5-9".

    Raises:
        ValueError: if it is not of that form, or means too many.
    """
    seeds: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", item)
        if match is None:
            raise ValueError(
                f"seeds must be numbers and ranges, such as 1-40 or 3,7, got {text!r}"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        check_int("seed", last, first, LARGEST_SEED)
        seeds += range(first, min(last, first + MAX_VARIANTS) + 1)
    if len(seeds) > MAX_VARIANTS or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be at most {MAX_VARIANTS} different ones, got {text!r}")
    return seeds


def read_points(text: str) -> dict[str, float]:
    """Return topic to points of a text such as "layers=24,questions=8".

    Raises:
        ValueError: if it is not of that form.
    """
    try:
        pairs = (item.split("=") for item in text.split(","))
        return {topic: float(number) for topic, number in pairs}
    except ValueError:
        form = f"topic=number, with commas between, of {', '.join(TOPICS)}"
        raise ValueError(f"points must be {form}, got {text!r}") from None


def _copy_images(variants: Mapping[int, list[Problem]], folder: Path) -> None:
    images = {
        part.image
        for problems in variants.values()
        for problem in problems
        for part in problem.parts
        if part.image
    }
    for image in images:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, folder / image.name)

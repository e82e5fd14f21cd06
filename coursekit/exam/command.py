"""The command `exam`: reads its options, and writes the files."""

import argparse
import itertools
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


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return which files were written, for programs and for people."""
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
    names = options.seeds.replace(",", "_")
    if options.format == "moodle":
        files = {"moodle": (f"exam-{names}.xml", moodle.render(variants, texts))}
    elif options.format == "worksheet":
        files = {"worksheet": (f"worksheet-{names}.html", page.render_worksheet(variants, texts))}
    else:
        render = page.render if options.format == "html" else latex.render
        suffix = "html" if options.format == "html" else "tex"
        files = {
            "exam": (f"exam-{names}.{suffix}", render(variants, texts, heading, key=False)),
            "key": (f"exam-{names}-key.{suffix}", render(variants, texts, heading, key=True)),
        }
    paths = {kind: str(Path(options.out) / name) for kind, (name, _) in files.items()}
    for kind, (_, content) in files.items():
        write_atomically(paths[kind], content.encode())
    if options.format == "latex":
        _copy_images(variants, Path(options.out) / "images")
    points_in_all = sum(problem.points for problem in variants[seeds[0]])
    record: dict[str, Any] = {"seeds": seeds, "points": points_in_all, **paths}
    if options.json:
        record["variants"] = {seed: list(map(asdict, drawn)) for seed, drawn in variants.items()}
    return record, "\n".join(f"{kind}: {path}" for kind, path in paths.items())


def read_seeds(text: str) -> list[int]:
    """Return the seeds of a text such as "7", "1-40" or "1,5-9"."""
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
    """Return topic to points of a text such as "layers=24,questions=8"."""
    try:
        pairs = (item.split("=") for item in text.split(","))
        return {topic: float(number) for topic, number in pairs}
    except ValueError:
        form = f"topic=number, with commas between, of {', '.join(TOPICS)}"
        raise ValueError(f"points must be {form}, got {text!r}") from None


def _copy_images(variants: Mapping[int, list[Problem]], folder: Path) -> None:
    problems = itertools.chain(*variants.values())
    for image in {part.image for problem in problems for part in problem.parts if part.image}:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, folder / image.name)

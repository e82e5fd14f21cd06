"""Two directives about time: `page-times` and `recorded-runs`.

A page's time comes from the cache of jupyter-book. It is rounded up to whole fives of seconds,
so that building twice gives the same page in all but rare cases.
"""

import math
import statistics
from collections import defaultdict
from pathlib import Path

from docutils import nodes
from myst_nb.ext.execution_tables import METADATA_KEY
from myst_nb.sphinx_ import NbMetadataCollector
from page_parts import in_reading_order, link, table, words
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from dlvlib import results

LOG = logging.getLogger(__name__)
STEP = 5  # seconds
FOLDER = "chapters/results"


class PageTimes(nodes.General, nodes.Element):
    """Stands where the table of times comes, once all pages were executed."""


class PageTimesDirective(SphinxDirective):
    """Ask for the table; myst-nb then brings the page up to date after each execution."""

    def run(self):
        """Return the placeholder."""
        NbMetadataCollector.set_doc_data(self.env, self.env.docname, METADATA_KEY, True)
        return [PageTimes()]


def rounded_up(seconds: float) -> str:
    """Say a time in steps of five seconds.

    >>> rounded_up(0.4), rounded_up(5.0), rounded_up(5.1)
    ('under 5 s', 'under 10 s', 'under 10 s')
    """
    return f"under {STEP * (math.floor(seconds / STEP) + 1)} s"


class PageTimesTransform(SphinxPostTransform):
    """Replace the placeholder by the table."""

    default_priority = 8  # before links are resolved

    def run(self, **kwargs):
        """Read what myst-nb noted when it executed the pages."""
        for node in list(self.document.findall(PageTimes)):
            noted = NbMetadataCollector.get_doc_data(self.env)
            times = {page: data.get("exec_data") for page, data in noted.items()}
            rows = [
                [[nodes.paragraph("", "", link(self.env, page))], [words(said(times[page]))]]
                for page in in_reading_order(page for page in times if times[page])
            ]
            node.replace_self(table(["Page", "Time to execute"], rows))


def said(execution: dict) -> str:
    """Return the time of one page; a page that failed says so."""
    if not execution["succeeded"]:
        return "stopped with an error"
    seconds = execution["runtime"]
    return "not known" if seconds is None else rounded_up(seconds)


def duration(seconds: float) -> str:
    """Say a time in the unit that fits it.

    >>> duration(42.4), duration(90), duration(7500)
    ('42 s', '1.5 min', '2.1 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def device(record: dict) -> str:
    """Name what a run was trained on: the accelerator, or the processor and its threads."""
    machine = record["machine"]
    if machine["accelerator"] != "none":
        return machine["accelerator"]
    threads = machine["torch_threads"]
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def variant(record: dict) -> str:
    """Return the name of a run without budget and seed."""
    name = record["run"].rpartition("-seed")[0] or record["run"]
    return name.removesuffix(f"-{record['budget']}")


def seed_list(seeds: list[int]) -> str:
    """Write seeds shortly.

    >>> seed_list([2, 0, 1]), seed_list([3]), seed_list([0, 2, 3])
    ('0 to 2', '3', '0, 2, 3')
    """
    seeds = sorted(set(seeds))
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def read_groups(folder: Path) -> list[list[dict]]:
    """Return the records in groups that share experiment, budget, data, device and torch.

    A smoke run is left out. A record that does not load is left out too, with a warning.
    """
    groups = defaultdict(list)
    for path in sorted(folder.rglob("*.json")):
        try:
            record = results.read_record(path)
        except results.RecordError as error:
            LOG.warning(f"recorded runs: {error}")
            continue
        if record["budget"] != "smoke":
            data, torch = results.dataset_name(record), record["machine"]["torch"]
            key = (record["experiment"], record["budget"], data, device(record), torch)
            groups[key].append(record)
    return [groups[key] for key in sorted(groups)]


class RecordedRunsDirective(SphinxDirective):
    """Two tables: where and when the runs were made, and their variants and seeds."""

    def run(self):
        """Return the tables, or what to type where there is no record."""
        folder = Path(self.env.srcdir) / FOLDER
        for path in folder.rglob("*.json"):
            self.env.note_dependency(str(path))
        groups = read_groups(folder)
        if not groups:
            command = nodes.literal("make train", "make train")
            text = [nodes.Text("No run is recorded. "), command, nodes.Text(" makes the records.")]
            return [nodes.paragraph("", "", *text)]
        header = ["Experiment", "Runs", "Data", "Machine", "Median", "Total", "Made"]
        made = table(header, [self.made(group) for group in groups], "runs")
        seeds = [row for group in groups for row in self.seeds(group)]
        return [made, table(["Experiment", "Budget", "Variant", "Seeds"], seeds, "runs")]

    def made(self, records: list[dict]) -> list[list[nodes.Node]]:
        """Return the row of one group."""
        first = records[0]
        seconds = [record["wall_seconds"] for record in records]
        commits = sorted({record["git_commit"][:7] for record in records})
        codes = [nodes.paragraph("", "", nodes.literal(commit, commit)) for commit in commits]
        version = first["machine"]["torch"].partition("+")[0]
        return [
            [words(first["experiment"]), words(f"budget {first['budget']}")],
            [words(str(len(records)))],
            [words(results.dataset_title(results.dataset_name(first)))],
            [words(device(first)), words(f"torch {version}")],
            [words(duration(statistics.median_high(seconds)))],
            [words(duration(sum(seconds)))],
            [words(results.date_range(records)), *codes],
        ]

    def seeds(self, records: list[dict]) -> list[list[list[nodes.Node]]]:
        """Return one row for each variant of a group."""
        seeds = defaultdict(list)
        for record in records:
            seeds[variant(record)].append(record["seed"])
        first = records[0]
        return [
            [[words(t)] for t in (first["experiment"], first["budget"], name, seed_list(found))]
            for name, found in sorted(seeds.items())
        ]


def setup(app):
    """Register the directives."""
    app.add_node(PageTimes)
    app.add_directive("page-times", PageTimesDirective)
    app.add_post_transform(PageTimesTransform)
    app.add_directive("recorded-runs", RecordedRunsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Two directives that make tables: `recorded-runs` and `network-table`."""

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from dlvlib import results

from .pages import depend_on

LOG = logging.getLogger(__name__)
RECORDS = "chapters/results"
NUMBER = re.compile(r"(\d+)")


def list_table(header: Iterable[str], rows: Iterable[Iterable[str]], classes: str = "") -> str:
    """Return a MyST list-table; each cell is Markdown, and the first of a row names the row."""
    lines = [":header-rows: 1", ":stub-columns: 1", ":widths: auto"]
    lines += [f":class: {classes}", ""] if classes else [""]
    for row in (header, *rows):
        cells = "\n".join(f"- {indent(cell, '  ').lstrip()}" for cell in row)
        lines.append(f"* {indent(cells, '  ').lstrip()}")
    return "\n".join(["`````{list-table}", *lines, "`````"])


def duration(seconds: float) -> str:
    """Return a time in the unit that fits it.

    >>> duration(42.4), duration(90), duration(7500)
    ('42 s', '1.5 min', '2.1 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def seed_list(seeds: Iterable[int]) -> str:
    """Return seeds in short form.

    >>> seed_list([2, 0, 1]), seed_list([3]), seed_list([0, 2, 3])
    ('0 to 2', '3', '0, 2, 3')
    """
    seeds = sorted(set(seeds))
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def natural(name: str) -> list[str]:
    """Return a key that sorts the numbers in names by their size.

    >>> sorted(["frozen-100", "frozen-5"], key=natural)
    ['frozen-5', 'frozen-100']
    """
    return [part.zfill(9) if part.isdigit() else part for part in NUMBER.split(name)]


def read_groups(paths: Iterable[Path]) -> list[list[results.Record]]:
    """Return the records in groups that share experiment, budget, data, device and torch.

    A smoke run is left out; so is, with a warning, a record that does not load.
    """
    groups = defaultdict(list)
    for path in paths:
        try:
            record = results.read_record(path)
        except results.RecordError as error:
            LOG.warning(f"recorded runs: {error}")
            continue
        if record["budget"] != "smoke":
            origin = (results.dataset_name(record), results.device_name(record))
            key = (record["experiment"], record["budget"], *origin, record["machine"]["torch"])
            groups[key].append(record)
    return [groups[key] for key in sorted(groups)]


def machine_row(records: list[results.Record]) -> list[str]:
    """Return where, when and how long the runs of one group were made."""
    first = records[0]
    seconds = [record["wall_seconds"] for record in records]
    commits = sorted({record["git_commit"][:7] for record in records})
    return [
        f"{first['experiment']}\n\nbudget {first['budget']}",
        str(len(records)),
        results.dataset_title(results.dataset_name(first)),
        f"{results.device_name(first)}\n\ntorch {first['machine']['torch'].partition('+')[0]}",
        duration(statistics.median(seconds)),
        duration(sum(seconds)),
        "\n\n".join([results.date_range(records), *(f"`{commit}`" for commit in commits)]),
    ]


def seed_rows(records: list[results.Record]) -> list[list[str]]:
    """Return the seeds of each variant of one group."""
    seeds = defaultdict(list)
    for record in records:
        seeds[results.variant_of(record)].append(record["seed"])
    experiment, budget = records[0]["experiment"], records[0]["budget"]
    names = sorted(seeds, key=natural)
    return [[experiment, budget, name, seed_list(seeds[name])] for name in names]


class RecordedRunsDirective(SphinxDirective):
    """Two tables: where and when the runs were made, and their variants and seeds."""

    def run(self) -> list[nodes.Node]:
        paths = sorted((Path(self.env.srcdir) / RECORDS).rglob("*.json"))
        depend_on(self.env, paths)
        groups = read_groups(paths)
        if not groups:
            return self.parse_text_to_nodes("No run is recorded. `make train` makes the records.")
        header = ["Experiment", "Runs", "Data", "Machine", "Median", "Total", "Made"]
        made = list_table(header, map(machine_row, groups), "runs")
        rows = [row for group in groups for row in seed_rows(group)]
        seeds = list_table(["Experiment", "Budget", "Variant", "Seeds"], rows, "runs")
        folded = f"::::::{{dropdown}} The variants and their seeds\n{seeds}\n::::::"
        return self.parse_text_to_nodes(f"{made}\n\n{folded}")


def amount(value: float) -> str:
    """Return a number of millions or of milliseconds.

    >>> amount(0.0617), amount(4.65), amount(15470.3)
    ('0.06', '4.7', '15,470')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.{1 if value >= 1 else 2}f}"


def network_rows(lines: Iterable[str], costs: dict[str, Any]) -> list[list[str]]:
    """Return the rows of a table whose lines are "name | year | top-1 and source".

    The source is shown beside the name, and a network without a top-1 gets a dash.

    Raises:
        ExtensionError: if a line has other parts, or its network was not measured.
    """
    rows = []
    for line in lines:
        name, *parts = (part.strip() for part in line.split("|"))
        if len(parts) != 2 or name not in costs:
            names = ", ".join(costs)
            raise ExtensionError(
                f'network-table: a line must be "name | year | top-1 and source" with a name of '
                f"{names}, got {line!r}"
            )
        cost = costs[name]
        numbers = [cost["params"] / 1e6, cost["macs"] / 1e6, cost["ms_per_image"]]
        params, macs, ms = map(amount, numbers)
        year, last = parts
        top1, brace, source = last.partition("{footcite")
        field = f"{cost['receptive_field']:,}"
        title = f"{name} {brace}{source}".strip()
        rows.append([title, top1.strip() or "–", ms, params, macs, field, year])
    return rows


class NetworkTableDirective(SphinxDirective):
    """One row per network: what it costs, as recorded by the benchmark, and how good it is."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        path = results.timings_folder() / "networks.json"
        depend_on(self.env, [path])
        costs = {row["network"]: row for row in json.loads(path.read_text("utf8"))["rows"]}
        header = ["Network", "Top-1", "ms", "Params (M)", "MACs (M)", "Field", "Year"]
        table = list_table(header, network_rows(self.content, costs), "compact")
        return self.parse_text_to_nodes(table)


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("recorded-runs", RecordedRunsDirective)
    app.add_directive("network-table", NetworkTableDirective)

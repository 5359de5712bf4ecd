"""Render docs/performance.md and the tables of docs/speed.md and docs/parallel.md.

usage: python -m scripts.tables.performance [--check]

All come from results/bench/*.csv. docs/speed.md has a line for each piece of work between two
markers, docs/performance.md one for each side of it, docs/parallel.md those of several processes.
--check only exits 1 if a file is stale. Of repeated measurements of the same work on the same graph
the latest counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scripts import ROOT
from scripts.tables import gpu_day, parallel
from scripts.tables.documents import commits, insert, table_row, update

BENCH, DOCUMENT = Path("results/bench"), Path("docs/performance.md")
OVERVIEW, SEVERAL = Path("docs/speed.md"), Path("docs/parallel.md")
BEGIN, END = "<!-- performance: made by 'make performance' -->", "<!-- end of performance -->"
NOTHING = "Nothing has been measured yet: `make bench-kernels bench-step performance`."
PROGRAMS = {
    "full": "training at Reddit's full size",
    "kernels": "layers over the full graph",
    "step": "training, evaluation, sampling",
}
TITLE = """\
# Performance: every measurement

Made by `make performance` from [results/bench](../results/bench/README.md), which says how to
measure anew.
"""
SEVERAL_TITLE = "## One process beside several"
OVERVIEW_HEADER = """\
| work | graph | first side | the others take, times as long | extra MiB, in the same order |
| --- | --- | --- | --- | --- |"""
OVERVIEW_NOTE = """\
Sides take turns in one process, warm-up not counted; medians, and in brackets the quantiles at 20
and 80 % of the ratios, which are of the same round. **Bold**: the first side is slower; oom: out of
memory. Extra memory is what a call peaks at beyond its inputs and what its side keeps between
calls; of a side that ran out at Reddit's full size, what it would need, on the straight line
through its peaks on smaller graphs. [Every measurement](performance.md) has the seconds of every
side, and how far its numbers are from float64."""
HEADER = """\
| work | graph | side | median, s | time ratio | extra memory, MiB | error | times the floor |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
NOTE = """\
Sides take turns in one process, warm-up not counted: medians, in brackets the quantiles at 20 and
80 % and the number of rounds; ratios are of the same round. Extra memory is what a call peaks at
beyond its inputs and what its side keeps between calls. PyG trains as its examples/reddit.py does:
every layer on all nodes of the batch. Error: largest difference from float64, relative to the
largest value, of the output / of the gradient of the input. Floor: the bytes that must move if no
cache helps (`scripts/bench/cases/floors.py`), over the measured bandwidth of a copy. oom: out of
memory; its extra memory at Reddit's full size is what it would need, on the straight line through
its peaks on smaller graphs."""
KEY = ["dataset", "work", "side", "device", "device_name"]
MACHINE = ["device_name", "num_threads", "memory_limit_gib", "torch_version", "pyg_version"]


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check the files of `root`; return the exit code."""
    remedy = f"{BENCH}/*.csv say otherwise; run make performance"
    return update("scripts.tables.performance", remedy, render, argv, root)


def render(root: Path) -> dict[Path, str]:
    """Return the text of the three files."""
    parts = by_machine(read_rows(root / BENCH))
    overview = [f"**{name}**\n\n{short_table(rows)}" for name, rows in parts.items()]
    details = [f"## {name}\n\n{table(rows)}" for name, rows in parts.items()]
    section = "\n\n".join([*overview, OVERVIEW_NOTE] if parts else [NOTHING])
    several = parallel.section(root / BENCH)
    others = [f"{SEVERAL_TITLE}\n\n{several}", gpu_day.section(root / BENCH), *plots(root)]
    whole = "\n\n".join([TITLE.rstrip(), *details, NOTE, *others] if parts else [NOTHING])
    return {
        root / DOCUMENT: f"{whole}\n",
        root / OVERVIEW: insert(section, root / OVERVIEW, BEGIN, END),
        root / SEVERAL: insert(several, root / SEVERAL, BEGIN, END),
    }


def by_machine(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each machine and program, by a title."""
    return {
        f"{device.upper()}, {name}: {title}": chosen
        for (device, name), on_machine in rows.groupby(["device", "device_name"])
        for program, title in PROGRAMS.items()
        if len(chosen := on_machine[on_machine.program == program])
    }


def plots(root: Path) -> list[str]:
    """Return the pictures of time against edges."""
    return [
        f"![Time against edges, {path.stem}](../{(BENCH / path.name).as_posix()})"
        for path in sorted((root / BENCH).glob("*-scaling.svg"))
    ]


def read_rows(folder: Path) -> pd.DataFrame:
    """Read the latest row of every side of every piece of work."""
    paths = [path for name in PROGRAMS for path in sorted(folder.glob(f"*-{name}.csv"))]
    if not paths:
        return pd.DataFrame({"device": [], "device_name": [], "program": []})
    texts = {"commit": str, "other_versions": str, "note": str, "settings": str}
    rows = pd.concat(pd.read_csv(path, dtype=texts) for path in paths)
    rows = rows.sort_values("measured_at", kind="stable")
    return rows.drop_duplicates(KEY, keep="last").sort_index(kind="stable")


def short_table(rows: pd.DataFrame) -> str:
    """Return a line for each piece of work, and their provenance."""
    groups = rows.groupby(["work", "dataset"], sort=False)
    lines = [short_line(group) for _, group in groups]
    rounds = sorted({f"{n:.0f}" for n in rows.n[rows.status == "completed"]}, key=int)
    note = f"Rounds: {', '.join(rounds)}. {provenance(rows)}"
    return "\n".join([OVERVIEW_HEADER, *lines, "", note])


def short_line(group: pd.DataFrame) -> str:
    """Compare the sides of one piece of work with its reference, which comes first."""
    is_first = group.side == group.reference
    sides = [*group[is_first].itertuples(), *group[~is_first].itertuples()]
    first, others = sides[0], sides[1:]
    seconds = f"{first.median_s:.3g} s" if first.status == "completed" else first.status
    extra = [_number(side.extra_mib, ",.0f") or "-" for side in sides]
    return table_row(
        first.work.replace("forward_backward", "forward and backward"),
        first.dataset,
        f"{first.side}: {seconds}",
        ", ".join(compare(side) for side in others),
        "" if set(extra) == {"-"} else ", ".join(extra),
    )


def compare(row: Any) -> str:
    """Say how many times as long as its reference a side takes."""
    if row.status != "completed":
        return f"{row.side} {row.status}"
    if pd.isna(row.ratio):
        return f"{row.side} ?"
    ratio = f"{row.ratio:.3g} [{row.ratio_low:.3g}, {row.ratio_high:.3g}]"
    return f"{row.side} " + (f"**{ratio}**" if row.ratio_high < 1 else ratio)


def table(rows: pd.DataFrame) -> str:
    """Return a line for each side of each piece of work, and their provenance."""
    groups = rows.groupby(["work", "dataset"], sort=False)
    lines = [side_line(row) for _, group in groups for row in group.itertuples()]
    return "\n".join([HEADER, *lines, "", provenance(rows)])


def side_line(row: Any) -> str:
    """Return all that was measured of one side."""
    where = [row.work, f"{row.dataset}, {row.edges:,} edges", row.side]
    extra = _number(row.extra_mib, ",.0f")
    if row.status != "completed":
        return table_row(*where, row.status, "", extra, "", "")
    seconds = f"{row.median_s:.3g} [{row.low_s:.3g}, {row.high_s:.3g}], n={row.n}"
    ratio = "" if pd.isna(row.ratio) else f"{row.ratio:.2f} of {row.reference}"
    errors = [_number(row.output_error, ".1e"), _number(row.gradient_error, ".1e")]
    floor = _number(row.median_s / row.floor_s, ".1f")
    return table_row(*where, seconds, ratio, extra, " / ".join(filter(None, errors)), floor)


def provenance(rows: pd.DataFrame) -> str:
    """Return one line: on what machines, with which versions and code."""
    machines = []
    for key, part in rows.groupby(MACHINE, dropna=False):
        name, threads, limit, torch_version, pyg_version = key
        versions = {f"{k} {v}" for text in part.other_versions for k, v in json.loads(text).items()}
        bound = "" if pd.isna(limit) else f", limited to {limit:g} GiB"
        bandwidth = part.copy_gb_s.dropna()
        copied = f", copies at {bandwidth.median():.1f} GB/s" if len(bandwidth) else ""
        machines.append(
            f"{name}, {threads} threads{bound}{copied}; torch {torch_version}, PyG {pyg_version}, "
            f"{', '.join(sorted(versions))}"
        )
    return f"Measured on {'; '.join(machines)}; code: {commits(rows)}."


def _number(value: float, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)


if __name__ == "__main__":
    sys.exit(main())

"""The table of `make bench-parallel`: one process beside several that share a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from scripts.tables.documents import commits, distinct, table_row

FILES = "*-parallel.csv"
NOTHING = "Nothing has been measured yet: `make bench-parallel performance`."
HEAD = (
    *("work", "graph", "processes x threads", "seconds of an epoch", "times the first"),
    *("waiting", "MiB sent a step", "memory, MiB", "of one and private parts"),
)
KEY = ["device_name", "dataset", "work", "side"]
NOTE = """\
Sides take turns, a run of `redditgnn train` each. The first epoch of a run is left out. Medians, in
brackets the quantiles at 20 and 80 %. Waiting: time of rank 0 in collectives over that of the
training. Memory: of all processes together, each page counted once. The last column divides it by
that of one process and its private part for each further process."""


def section(bench: Path) -> str:
    """Return the table of each machine, from the files in `bench`."""
    paths = sorted(bench.glob(FILES))
    if not paths:
        return NOTHING
    rows = pd.concat([pd.read_csv(path, dtype={"commit": str, "note": str}) for path in paths])
    latest = rows.sort_values("measured_at", kind="stable").drop_duplicates(KEY, keep="last")
    machines = latest.sort_index(kind="stable").groupby("device_name", sort=False)
    return "\n\n".join([*(_of_machine(str(name), part) for name, part in machines), NOTE])


def _of_machine(name: str, rows: pd.DataFrame) -> str:
    lines = [table_row(*HEAD), table_row(*("---" for _ in HEAD)), *map(_line, rows.itertuples())]
    origin = f"{name}, {rows.num_threads.max()} cores; torch {distinct(rows.torch_version)}"
    return "\n".join([*lines, "", f"Measured on {origin}; code: {commits(rows)}."])


def _line(row: Any) -> str:
    where = row.work, row.dataset, row.side
    if row.status != "completed":
        return table_row(*where, f"{row.status}: {row.note}", *[""] * (len(HEAD) - 4))
    seconds = f"{row.median_s:.3g} [{row.low_s:.3g}, {row.high_s:.3g}], n={row.n:.0f}"
    return table_row(
        *where,
        seconds,
        _number(row.ratio, ".2f"),
        _number(row.wait_share, ".0%"),
        _number(row.sent_mib, ".3g"),
        _number(row.pss_mib, ",.0f"),
        _number(row.pss_ratio, ".2f"),
    )


def _number(value: float, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)

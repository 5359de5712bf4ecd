"""The section of docs/performance.md about the stages of `make gpu-day`, and what they measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from scripts.bench.gpu_page import HEAD, cells
from scripts.tables.documents import commits, table_row

DAY, PROGRAMS = "gpu-day.csv", ("kernels", "step")
STAGE_HEAD = ("stage", "status", "seconds", "last line")
TITLE = "## A day with a GPU"
NOTHING = "Not measured yet: `make gpu-day` ([how](gpu.md#a-day-with-a-gpu)) has not run on a GPU."
NOTE = """\
Ours is the fastest of our sides, the peer the fastest of PyG's. The ratio says how many times as
long as ours the peer takes. Works without a peer have a line for each side, and the ratio to the
first of them. Verdicts are about Reddit's size."""


def section(bench: Path) -> str:
    """Return the section, from the files in `bench`."""
    path = bench / DAY
    if not path.exists():
        return f"{TITLE}\n\n{NOTHING}"
    stages = pd.read_csv(path, keep_default_na=False, dtype={"commit": str})
    parts = [_of_device(str(name), rows, bench) for name, rows in stages.groupby("device_name")]
    return "\n\n".join([TITLE, *parts, NOTE])


def _of_device(name: str, stages: pd.DataFrame, bench: Path) -> str:
    latest = stages.drop_duplicates(["stage", "scale"], keep="last")
    ended = latest[["stage", "status", "seconds", "note"]].itertuples(index=False)
    paths = [bench / f"{stages.device.iloc[0]}-{program}.csv" for program in PROGRAMS]
    tables = [pd.read_csv(path) for path in paths if path.exists()]
    rows = pd.concat(tables) if tables else pd.DataFrame({"device_name": []})
    measured = rows[rows.device_name == name]
    lines = list(cells(measured)) if len(measured) else []
    parts = [f"### {name}", *([_table(HEAD, lines)] if lines else []), _table(STAGE_HEAD, ended)]
    return "\n\n".join([*parts, f"Code: {commits(latest)}."])


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    lines = [table_row(*head), table_row(*("---" for _ in head))]
    return "\n".join([*lines, *(table_row(*row) for row in rows)])

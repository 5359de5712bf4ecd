"""Scores by age of the model: ages.csv of a run of `protocol=temporal`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from redditgnn.metric.base import METRIC_NAMES, Scores
from redditgnn.record.runs_file import as_csv
from redditgnn.runtime.files import whole_file

FILE = "ages.csv"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgeRow:
    """One line of ages.csv: the scores in one window of time after the end of training.

    `first` and `last` are the times of the window's first and last event, and `age` is from the end
    of training to `last`, in the unit of the times. `edges` are those that the model sees there.
    """

    split: str
    first: int | float
    last: int | float
    age: int | float
    nodes: int
    edges: int
    loss: float
    scores: Scores


def write_ages(rows: Sequence[AgeRow], folder: Path) -> None:
    """Write ages.csv into the folder of a run."""
    names = [field.name for field in fields(AgeRow) if field.name != "scores"]
    columns = [*names, *METRIC_NAMES]
    with whole_file(folder / FILE) as file:
        for number, row in enumerate(rows):
            values = {name: getattr(row, name) for name in names} | row.scores
            file.write(as_csv(columns, values, with_header=number == 0).encode())


def describe_ages(folder: Path, metric: str) -> str | None:
    """Return the ages.csv of a run as a table for the terminal, None if there is none.

    Scores are of the metric of this name.
    """
    if not (folder / FILE).is_file():
        return None
    with (folder / FILE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = [["age", "until", "nodes", "edges", f"test_{metric}"]]
    for row in rows:
        score = f"{float(row[metric]):.4f}" if row[metric] else ""
        sizes = [f"{int(row[key]):,}" for key in ("nodes", "edges")]
        lines.append([row["age"], row["last"], *sizes, score])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)

"""Reading runs.csv as a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from redditgnn.errors import DataError
from redditgnn.record.runs_file import read_rows

NUMBERS = ("test_accuracy", "test_micro_f1", "epoch_median_s")
TEXTS = ("status", "experiment", "seed", "config_hash", "fingerprint")
FILE = "file"  # a column of our own: where a row was read


def files_of(results_dir: Path) -> list[Path]:
    """Return the files of runs that count in `results_dir`: committed ones below it, its own."""
    paths = (results_dir / "reference" / "runs.csv", results_dir / "runs.csv")
    return [path for path in paths if path.exists()]


def read_runs(paths: Iterable[Path]) -> pd.DataFrame:
    """Read all rows as text, for a hash may look like a number, bar what is averaged.

    Raises:
        DataError: a file is no table of runs.
    """
    tables = [_read(path) for path in paths]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*TEXTS, FILE])


def _read(path: Path) -> pd.DataFrame:
    columns, rows = read_rows(path)
    if missing := [name for name in (*TEXTS, *NUMBERS) if name not in columns]:
        raise DataError(f"{path} has no column {missing[0]}: it is no table of runs")
    runs = pd.DataFrame(rows, columns=columns, dtype=str)
    for name in NUMBERS:
        try:
            runs[name] = pd.to_numeric(runs[name])  # NaN where a run did not get that far
        except ValueError as error:  # "Unable to parse string "0,8" at position 3"
            told = str(error).splitlines()[0]
            raise DataError(f"{path}: {name} must be numbers: {told}; mend that row") from error
    return runs.assign(**{FILE: str(path)})

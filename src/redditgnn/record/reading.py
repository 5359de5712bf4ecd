"""Reading runs.csv as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd

from redditgnn.errors import DataError
from redditgnn.metric.base import TEST_SCORES
from redditgnn.record.runs_file import read_rows
from redditgnn.record.splits import split_columns

NUMBERS = (*TEST_SCORES, "epoch_median_s")
TEXTS = ("status", "experiment", "seed", "config_hash", "fingerprint")
REQUIRED = (*TEXTS, "test_micro_f1", "epoch_median_s")
ALWAYS_TEXT = ("run_id", "config_hash", "fingerprint", "commit", "hyperparameters")
FILE = "file"  # a column of our own: where a row was read


def files_of(results_dir: Path) -> list[Path]:
    """Return the files of runs that count in `results_dir`: committed ones below it, its own."""
    paths = (results_dir / "reference" / "runs.csv", results_dir / "runs.csv")
    return [path for path in paths if path.exists()]


def read_runs(paths: Iterable[Path]) -> pd.DataFrame:
    """Read all rows as text, since a hash may look like a number, except the columns in `NUMBERS`.

    A score that did not exist when a file was begun is missing there, and NaN here.

    Raises:
        DataError: a file is no table of runs.
    """
    tables = [_read_table(path) for path in paths]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*TEXTS, FILE])


def load_results(results_dir: str | Path = "results") -> pd.DataFrame:
    """Return the rows of `results_dir/runs.csv` with numbers as numbers.

    The settings in the column `hyperparameters` become columns of their own: `model.heads`,
    `sampler.batch_size`, ... Rows that share the column `configuration` differ only in split and
    seed. `data` is the fingerprint without the split, and `split` is that part of it. Other columns
    are as `results/README.md` explains them.

    Raises:
        DataError: there is no such file, or it is no table of runs.
    """
    path = Path(results_dir) / "runs.csv"
    if not path.exists():
        raise DataError(f"{path} does not exist; results_dir must be the folder of a run")
    return typed_rows(read_rows(path)[1])


def typed_rows(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Return rows of text as a table: numbers where a column holds them, a column a setting."""
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    for name in table.columns.difference(ALWAYS_TEXT):
        with suppress(ValueError):
            table[name] = pd.to_numeric(table[name])
    splits = split_columns(rows)[["configuration", "data", "split"]]
    settings = pd.DataFrame([json.loads(text or "{}") for text in table.pop("hyperparameters")])
    return table.join(splits).join(settings)


def _read_table(path: Path) -> pd.DataFrame:
    columns, rows = read_rows(path)
    if missing := [name for name in REQUIRED if name not in columns]:
        raise DataError(f"{path} has no column {missing[0]}: it is no table of runs")
    runs = pd.DataFrame(rows, columns=columns, dtype=str)
    for name in NUMBERS:
        try:
            # NaN where a run did not get that far
            runs[name] = pd.to_numeric(runs[name]) if name in columns else float("nan")
        except ValueError as error:  # "Unable to parse string "0,8" at position 3"
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: {name} must be numbers: {reason}; mend that row") from error
    return runs.assign(**{FILE: str(path)})

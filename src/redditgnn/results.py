"""Reading runs.csv: which rows repeat one experiment, and what they scored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from redditgnn.errors import DataError
from redditgnn.runs_file import read_rows
from redditgnn.target import Target
from redditgnn.verdict import Sample, sample_of

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


def repetitions(runs: pd.DataFrame, config_hash: str, target: Target) -> pd.DataFrame:
    """Return the completed runs of one configuration on data that `target` is of, a row a seed.

    Where such data have several fingerprints, only the runs of the last row's count; of a seed that
    was run more than once, the first run. Rows of a fingerprint of another form, as older versions
    wrote, never count.
    """
    found = runs[(runs.status == "completed") & (runs.config_hash == config_hash)]
    told = [text for text in found.fingerprint if target.is_of(text)]
    return of_fingerprint(found, told[-1]) if told else found.iloc[:0]


def of_fingerprint(runs: pd.DataFrame, fingerprint: str) -> pd.DataFrame:
    """Return the completed `runs` of one fingerprint, the first of each seed."""
    found = runs[(runs.status == "completed") & (runs.fingerprint == fingerprint)]
    return found.drop_duplicates("seed")


def percents(runs: pd.DataFrame, target: Target) -> Sample:
    """Summarise what at least one run scored in the target's metric, in percent.

    Raises:
        DataError: a completed run has no such score.
    """
    refuse_unscored(runs, target.metric)
    return sample_of(list(100 * runs[target.metric]))


def refuse_unscored(runs: pd.DataFrame, metric: str) -> None:
    """Refuse a completed run that lacks a score.

    Raises:
        DataError: names its row.
    """
    unscored = runs[runs[metric].isna()]
    if len(unscored):
        row = unscored.iloc[0]
        raise DataError(
            f"{row[FILE]}: seed {row.seed} of {row.config_hash} is completed and has no {metric}; "
            "remove that row"
        )


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

"""Which rows of runs.csv repeat one experiment, and what they scored."""

from __future__ import annotations

import pandas as pd

from redditgnn.errors import DataError
from redditgnn.record.reading import FILE
from redditgnn.verify.target import Target
from redditgnn.verify.verdict import Sample, sample_of


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

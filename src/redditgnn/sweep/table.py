"""A sweep from Python: the same as `redditgnn train -m`, with its rows as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from redditgnn.errors import RunFailed
from redditgnn.record.reading import typed_rows
from redditgnn.sweep.sweep import run_sweep


def train_sweep(overrides: Sequence[str]) -> pd.DataFrame:
    """Run every combination of the values that commas separate in `overrides`.

    Runs that runs.csv has as completed are skipped. Returns the rows of the completed runs, as
    `redditgnn.load_results` does.

    Raises:
        UserError: something is wrong with a job or the data. Nothing was run.
        RunFailed: no run completed.
    """
    results = run_sweep(overrides)
    rows = [result.outcome.row for result in results if result.outcome.row]
    if not rows:
        errors = [result.outcome.error for result in results if result.outcome.error]
        raise RunFailed(f"none of {len(results)} runs completed; the first: {errors[0]}")
    return typed_rows(rows)

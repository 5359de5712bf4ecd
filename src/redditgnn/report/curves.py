"""Learning curves from the epochs.csv of each run, with a band over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from redditgnn.record.reading import FILE
from redditgnn.report.grouping import Configuration, Group
from redditgnn.report.plots import PALETTE, Curve, Curves, Missing, slug_of
from redditgnn.report.settings import describe_settings

MOST_CURVES = 6  # the number of colours
MOST_EPOCHS = 300  # points of a curve: a screen has not many more
TITLE = "Learning curves"


def curves_of(group: Group, keys: Sequence[str]) -> Curves | Missing:
    """Return the curves of the best configurations by validation that have epochs.csv."""
    curves: list[Curve] = []
    for configuration in group.scored:
        curve = _build_curve(configuration, group.val_score, keys, PALETTE[len(curves)])
        curves += [curve] if curve else []
        if len(curves) == MOST_CURVES:
            break
    if not curves:
        return Missing(TITLE, _reason_missing(group))
    num_bands = sum(bool(curve.low) for curve in curves)
    one = f"one {group.repeated}"
    bands = f"bands of one standard deviation for {num_bands} of them, the others have {one}"
    if num_bands == len(curves):
        bands = f"bands are one standard deviation over {group.repeated}s"
    elif not num_bands:
        bands = f"no bands, for each has {one}"
    return Curves(
        slug=slug_of(group.name, "curves"),
        title=TITLE,
        sentence=(
            f"Validation {group.metric.title} of {group.name} by epoch, mean over "
            f"{group.repeated}s up to the last epoch that all reached, of the {len(curves)} "
            "best configurations by validation that have epochs.csv "
            f"(of {len(group.scored)} in all); {bands}."
        ),
        x_title="epoch",
        y_title=f"validation {group.metric.title}, %",
        curves=curves,
    )


def _build_curve(
    configuration: Configuration, score: str, keys: Sequence[str], colour: str
) -> Curve | None:
    runs = [
        scores
        for path in _epoch_files(configuration)
        if (scores := _read_scores(path, score)) is not None
    ]
    if not runs:
        return None
    table = pd.concat(runs, axis=1, join="inner")  # the epochs that all of them evaluated
    if table.empty:
        return None
    sampled = table.iloc[np.unique(np.linspace(0, len(table) - 1, MOST_EPOCHS).astype(int))] * 100
    mean, spread = sampled.mean(axis=1), sampled.std(axis=1)
    has_band = len(runs) > 1
    settings = describe_settings(configuration, keys)
    seeds = f" (n={len(runs)})"
    return Curve(
        name=", ".join(part for part in (*configuration.names, settings) if part) + seeds,
        colour=colour,
        epochs=[int(epoch) for epoch in sampled.index],
        mean=_round(mean),
        low=_round(mean - spread) if has_band else [],
        high=_round(mean + spread) if has_band else [],
    )


def _epoch_files(configuration: Configuration) -> list[Path]:
    """Return the epochs.csv of its runs; committed rows have none."""
    rows = configuration.runs
    paths = (
        Path(file).parent / "runs" / run_id / "epochs.csv"
        for file, run_id in zip(rows[FILE], rows.run_id, strict=True)
        if run_id
    )
    return [path for path in paths if path.is_file()]


def _read_scores(path: Path, score: str) -> pd.Series | None:
    """Read the validation scores by epoch, None if the file is not such a table."""
    try:
        table = pd.read_csv(path, usecols=["epoch", score], dtype=float)
    except (ValueError, OSError):
        return None
    scores = table.dropna().drop_duplicates("epoch", keep="last").set_index("epoch")[score]
    return scores if len(scores) else None


def _round(values: pd.Series) -> list[float]:
    return [round(float(value), 3) for value in values]


def _reason_missing(group: Group) -> str:
    if not group.scored:
        return "no run has completed"
    return "no epochs.csv lies beside the runs (runs/RUN_ID/epochs.csv)"

"""Learning curves, and scores by age of the model, with a band over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from redditgnn.record.reading import FILE
from redditgnn.report.grouping import Configuration, Group
from redditgnn.report.plots import PALETTE, Curve, Curves, Missing, slug_of
from redditgnn.report.settings import describe_settings

MOST_CURVES = 6  # the number of colours
MOST_POINTS = 300  # of a curve: a screen has not many more


class _File(NamedTuple):
    """A file in the folders of runs, and the curves that it gives: a score by `x`."""

    name: str
    title: str
    x: str
    x_title: str
    score_title: str


EPOCHS = _File("epochs.csv", "Learning curves", "epoch", "epoch", "validation")
AGES = _File("ages.csv", "Scores by age of the model", "age", "time since training", "test")


def curves_of(group: Group, keys: Sequence[str]) -> Curves | Missing:
    """Return the learning curves of the best configurations by validation."""
    curves = _curves(group, keys, EPOCHS, group.val_score)
    return curves or Missing(EPOCHS.title, _reason_missing(group))


def ages_of(group: Group, keys: Sequence[str]) -> Curves | None:
    """Return the scores by age of the model, None if no run of `protocol=temporal` has some."""
    return _curves(group, keys, AGES, group.metric.name)


def _curves(group: Group, keys: Sequence[str], file: _File, score: str) -> Curves | None:
    """Return curves of the best configurations by validation that have such a file."""
    curves: list[Curve] = []
    for configuration in group.scored:
        curve = _build_curve(configuration, file, score, keys, PALETTE[len(curves)])
        curves += [curve] if curve else []
        if len(curves) == MOST_CURVES:
            break
    if not curves:
        return None
    return Curves(
        slug=slug_of(group.name, "curves" if file is EPOCHS else "ages"),
        title=file.title,
        sentence=(
            f"{file.score_title.capitalize()} {group.metric.title} of {group.name} by "
            f"{file.x_title}, mean over {group.repeated}s up to the last {file.x} that all "
            f"reached, of the {len(curves)} best configurations by validation that have "
            f"{file.name} (of {len(group.scored)} in all); {_describe_bands(group, curves)}."
        ),
        x_title=file.x_title,
        y_title=f"{file.score_title} {group.metric.title}, %",
        curves=curves,
    )


def _describe_bands(group: Group, curves: Sequence[Curve]) -> str:
    num_bands = sum(bool(curve.low) for curve in curves)
    one = f"one {group.repeated}"
    if num_bands == len(curves):
        return f"bands are one standard deviation over {group.repeated}s"
    if not num_bands:
        return f"no bands, for each has {one}"
    return f"bands of one standard deviation for {num_bands} of them, the others have {one}"


def _build_curve(
    configuration: Configuration, file: _File, score: str, keys: Sequence[str], colour: str
) -> Curve | None:
    runs = [
        scores
        for path in _files(configuration, file)
        if (scores := _read_scores(path, file, score)) is not None
    ]
    if not runs:
        return None
    table = pd.concat(runs, axis=1, join="inner")  # what all of them reached
    if table.empty:
        return None
    sampled = table.iloc[np.unique(np.linspace(0, len(table) - 1, MOST_POINTS).astype(int))] * 100
    mean, spread = sampled.mean(axis=1), sampled.std(axis=1)
    has_band = len(runs) > 1
    settings = describe_settings(configuration, keys)
    seeds = f" (n={len(runs)})"
    return Curve(
        name=", ".join(part for part in (*configuration.names, settings) if part) + seeds,
        colour=colour,
        x=[int(x) if x == int(x) else float(x) for x in sampled.index],
        mean=_round(mean),
        low=_round(mean - spread) if has_band else [],
        high=_round(mean + spread) if has_band else [],
    )


def _files(configuration: Configuration, file: _File) -> list[Path]:
    """Return these files of its runs; committed rows have none."""
    rows = configuration.runs
    paths = (
        Path(runs_csv).parent / "runs" / run_id / file.name
        for runs_csv, run_id in zip(rows[FILE], rows.run_id, strict=True)
        if run_id
    )
    return [path for path in paths if path.is_file()]


def _read_scores(path: Path, file: _File, score: str) -> pd.Series | None:
    """Read the scores by `file.x`, None if the file is not such a table."""
    try:
        table = pd.read_csv(path, usecols=[file.x, score], dtype=float)
    except (ValueError, OSError):
        return None
    scores = table.dropna().drop_duplicates(file.x, keep="last").set_index(file.x)[score]
    return scores if len(scores) else None


def _round(values: pd.Series) -> list[float]:
    return [round(float(value), 3) for value in values]


def _reason_missing(group: Group) -> str:
    if not group.scored:
        return "no run has completed"
    return "no epochs.csv lies beside the runs (runs/RUN_ID/epochs.csv)"

"""Scores of the runs that trained on the past of a graph, by the age of their model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import TEMPORAL, Fingerprint
from redditgnn.metric.base import monitored_metric
from redditgnn.record import ages
from redditgnn.record.reading import load_results

COLUMNS = [
    *("configuration", "model", "history", "until", "update", "metric", "runs", "test"),
    *("last", "age", "score"),
]


def scores_by_age(results_dir: Path, graph: GraphData) -> pd.DataFrame:
    """Return a row for each configuration of `protocol=temporal` on this graph, and each window.

    Scores are means over the runs, in the metric that the runs monitor. `last` is the time of the
    last event in a window.

    Raises:
        DataError: results_dir/runs.csv cannot be read.
    """
    parts = [_by_window(results_dir, runs) for runs in _configurations(results_dir, graph)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each configuration, and a column for each of its windows in order."""
    names = COLUMNS[: COLUMNS.index("last")]
    window = "window " + (table.groupby("configuration").cumcount() + 1).astype(str)
    wide = table.assign(window=window).pivot(index=names, columns="window", values="score")
    return wide[window.unique()].reindex(table[names].drop_duplicates()).reset_index()


def _configurations(results_dir: Path, graph: GraphData) -> Iterator[pd.DataFrame]:
    """Yield the completed runs of each configuration that left scores by age."""
    if not (results_dir / "runs.csv").exists():
        return
    runs = load_results(results_dir)
    if runs.empty:
        return
    runs = runs[(runs.status == "completed") & (runs.protocol == TEMPORAL)]
    chosen = [
        _is_of(row.fingerprint, graph) and _path(results_dir, row.run_id).is_file()
        for row in runs.itertuples()
    ]
    for _, same in runs[chosen].groupby("configuration", sort=False):
        yield same


def _is_of(fingerprint: str, graph: GraphData) -> bool:
    run = Fingerprint.parse(fingerprint)
    return (run.edges, run.times) == (graph.fingerprint.edges, graph.fingerprint.times)


def _path(results_dir: Path, run_id: str) -> Path:
    return results_dir / "runs" / run_id / ages.FILE


def _by_window(results_dir: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean score of some runs of one configuration in each window."""
    first = runs.iloc[0]
    metric = monitored_metric(first["trainer.monitor"]).name
    rows = pd.concat(pd.read_csv(_path(results_dir, run_id)) for run_id in runs.run_id)
    table = rows.groupby("last", as_index=False).agg(age=("age", "first"), score=(metric, "mean"))
    history, update = first["protocol.history"], first.get("protocol.update")
    facts = {
        "configuration": first.configuration,
        "model": first.model,
        "history": "all" if pd.isna(history) else str(history),
        "until": str(first["protocol.until"]),
        "update": "frozen" if pd.isna(update) else update,  # earlier rows have no such key
        "metric": metric,
        "runs": len(runs),
        "test": runs[f"test_{metric}"].mean(),
    }
    return table.assign(**facts)[COLUMNS]

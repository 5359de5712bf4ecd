"""The metric contract, and the list of all metrics.

A metric is a line in `METRICS` and a function of its name in `redditgnn.metric.classification`. The
columns of epochs.csv and runs.csv, the choices of `trainer.monitor`, the report and the trackers
follow from the line. This module imports nothing, since reading results must stay fast.
"""

from __future__ import annotations

from typing import NamedTuple

Scores = dict[str, float]
"""The value of every metric by its name."""


class Metric(NamedTuple):
    """A score of predictions on one split, as a fraction.

    Attributes:
        name: As in a column `val_NAME` or `test_NAME`.
        title: As a reader sees it.
        higher_is_better: Whether more is better.
    """

    name: str
    title: str
    higher_is_better: bool = True


METRICS = (
    Metric("accuracy", "accuracy"),
    Metric("micro_f1", "micro-F1"),
    Metric("macro_f1", "macro-F1"),
)
METRIC_NAMES = tuple(metric.name for metric in METRICS)
VAL_SCORES = tuple(f"val_{name}" for name in METRIC_NAMES)
TEST_SCORES = tuple(f"test_{name}" for name in METRIC_NAMES)

"""The metric contract, and the list of all metrics.

A metric is a line in `METRICS` and a function in `redditgnn.metric.classification` or
`redditgnn.metric.ranking`. The columns of epochs.csv and runs.csv, the choices of
`trainer.monitor`, the report and the trackers follow from the line. This module imports nothing,
since reading results must stay fast.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

Scores = dict[str, float]
"""The value of every metric by its name. A metric that is not defined on the nodes is left out."""


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

    def merit(self, score: float) -> float:
        """Return a number that is higher for a better score."""
        return score if self.higher_is_better else -score


METRICS = (
    Metric("accuracy", "accuracy"),
    Metric("micro_f1", "micro-F1"),
    Metric("macro_f1", "macro-F1"),
    Metric("balanced_accuracy", "balanced accuracy"),
    Metric("roc_auc", "ROC-AUC"),
    Metric("average_precision", "average precision"),
    Metric("mcc", "MCC"),
    Metric("ece", "calibration error", higher_is_better=False),
)
BY_NAME = {metric.name: metric for metric in METRICS}
METRIC_NAMES = tuple(BY_NAME)
VAL_SCORES = tuple(f"val_{name}" for name in METRIC_NAMES)
TEST_SCORES = tuple(f"test_{name}" for name in METRIC_NAMES)
DEFAULT = BY_NAME["micro_f1"]
LOSS, AND_LOSS = "val_loss", "_and_loss"
CRITERIA = (LOSS, *(f"{name}{end}" for end in ("", AND_LOSS) for name in VAL_SCORES))


def monitored_metric(criterion: str | None) -> Metric:
    """Return the metric of a `trainer.monitor`, micro-F1 where it is the loss or not known."""
    name = (criterion or "").removeprefix("val_").removesuffix(AND_LOSS)
    return BY_NAME.get(name, DEFAULT)


def common_metric(criteria: Iterable[str | None]) -> Metric:
    """Return the metric of all `criteria`, micro-F1 if they are the loss or differ."""
    metrics = set(map(monitored_metric, criteria))
    return metrics.pop() if len(metrics) == 1 else DEFAULT

"""The metric by which a sweep or a search compares configurations."""

from __future__ import annotations

from collections.abc import Iterable

from redditgnn.metric.base import Metric, common_metric
from redditgnn.sweep.plan import Job


def goal_of(jobs: Iterable[Job]) -> Metric:
    """Return the metric that all jobs monitor, micro-F1 if it is a loss or they differ."""
    return common_metric(job.settings.components["trainer"].get("monitor") for job in jobs)

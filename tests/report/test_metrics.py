"""Every metric of the list is in the report, and rows from before it stay readable."""

from __future__ import annotations

import pytest

from redditgnn.metric.base import METRICS
from redditgnn.report.page_table import table_html
from redditgnn.report.summary import summary_of, table_of


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_summary_csv_and_the_page_have_a_metric(material, row, metric):
    scores = {f"test_{name}": 0.5 for name in ("accuracy", "micro_f1", "macro_f1")}
    rows = [row("a", seed, **{**scores, f"test_{metric.name}": 0.25}) for seed in (0, 1)]
    summary = summary_of(material(rows).groups[0])
    assert table_of([summary])[f"test_{metric.name}_mean"].tolist() == [0.25]
    page = table_html(summary)
    assert f"test {metric.title}, %" in page
    assert "25.00" in page


def test_rows_from_before_a_metric_have_none(material, row):
    summary = summary_of(material([row("a", 0)]).groups[0])
    assert table_of([summary]).test_macro_f1_mean.isna().all()
    assert "25.00" not in table_html(summary)

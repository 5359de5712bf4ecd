"""A metric is listed once; columns and criteria follow from the list."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from redditgnn.metric.base import CRITERIA, METRIC_NAMES
from redditgnn.metric.classification import COMPUTE
from redditgnn.record.rows import COLUMNS, EpochRow, columns_of

RUNS = Path(__file__).parents[2] / "results" / "reference" / "runs.csv"


def test_every_listed_metric_is_computed_and_no_other() -> None:
    assert set(COMPUTE) == set(METRIC_NAMES)


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_a_metric_has_columns_and_can_choose_the_best_epoch(name: str) -> None:
    assert f"val_{name}" in columns_of(EpochRow)
    assert {f"val_{name}", f"test_{name}"} <= set(COLUMNS)
    assert {f"val_{name}", f"val_{name}_and_loss"} <= set(CRITERIA)


def test_the_columns_of_committed_rows_are_still_written_in_their_order() -> None:
    with RUNS.open(newline="") as file:
        committed = next(csv.reader(file))
    assert [name for name in COLUMNS if name in committed] == committed


def test_the_list_of_metrics_is_read_without_torch() -> None:
    program = "import sys, redditgnn.metric.base; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)

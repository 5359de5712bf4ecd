"""Rows are appended to a CSV that has the same columns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet, append
from scripts.bench.timing.memory import CPU

ROW = Row(
    program="p", dataset="d", nodes=1, edges=2, work="w", side="s", reference="s", extra_mib=1 / 3
)


def test_rows_come_below_one_header_with_hardware_and_versions(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.csv"
    for _ in range(2):
        Sheet(path, CPU, memory_limit_gib=4).write(ROW)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:
        assert (row["work"], row["extra_mib"], row["median_s"]) == ("w", "0.333333", "")
        assert (row["device"], row["memory_limit_gib"]) == ("cpu", "4")
        assert row["torch_version"] == torch.__version__
        assert row["measured_at"].endswith("+00:00")


def test_a_file_with_other_columns_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    append(path, {"a": 1})
    with pytest.raises(ValueError, match="has other columns; move it away"):
        append(path, {"a": 1, "b": 2})
    assert path.read_text().split() == ["a", "1"]

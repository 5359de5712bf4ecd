"""docs/columns.md explains every column of the three tables."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from redditgnn.record.rows import EpochRow, HistoryRow, RunRow, columns_of
from scripts import ROOT

PAGE = ROOT / "docs" / "columns.md"
TABLES = {"runs.csv": RunRow, "epochs.csv": EpochRow, "histories.csv": HistoryRow}


def patterns(table: str) -> list[str]:
    """The names in the first cells of the section of a table; `val_*` stands for several."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {table}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([\w*]+)`", cell)]


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_every_column_and_no_other(table: str) -> None:
    columns = columns_of(TABLES[table])
    for column in columns:
        assert any(fnmatch(column, pattern) for pattern in patterns(table)), column
    for pattern in patterns(table):
        assert any(fnmatch(column, pattern) for column in columns), pattern

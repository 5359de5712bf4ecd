"""docs/performance.md and the tables of docs/speed.md: who is faster, and by how much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet
from scripts.bench.timing.memory import CPU
from scripts.tables import performance as table


def a_row(**values: Any) -> Row:
    row = Row(
        program="kernels",
        dataset="sbm 0.2",
        nodes=10,
        edges=1000,
        work="gat 8x8 forward",
        side="ours",
        reference="ours",
        n=3,
        median_s=0.5,
        low_s=0.4,
        high_s=0.6,
        floor_s=0.1,
        copy_gb_s=12.0,
    )
    return replace(row, **values)


PEER = {"side": "pyg edge_index", "median_s": 5.0, "ratio": 10.0, "ratio_low": 9.0}


def checkout(root: Path, *rows: Row) -> Path:
    """Lay out a repository with measurements."""
    sheet = Sheet(root / table.BENCH / "cpu-kernels.csv", CPU)
    for row in rows:
        sheet.write(row)
    (root / "docs").mkdir()
    (root / table.SEVERAL).write_text(f"{table.BEGIN}\n{table.END}\n")
    (root / table.OVERVIEW).write_text(f"# T\n\n{table.BEGIN}\nold\n{table.END}\n\nThe rest.\n")
    return root


def rendered(root: Path) -> tuple[str, str]:
    """Return docs/speed.md and docs/performance.md."""
    assert table.main([], root) == 0
    return (root / table.OVERVIEW).read_text(), (root / table.DOCUMENT).read_text()


def test_the_table_says_who_is_faster_and_by_how_much(tmp_path: Path) -> None:
    peer = a_row(**PEER, ratio_high=12.0, extra_mib=70.0)
    overview, document = rendered(checkout(tmp_path, peer, a_row()))
    rest = "| ours: 0.5 s | pyg edge_index 10 [9, 12] | -, 70 |"
    assert f"| gat 8x8 forward | sbm 0.2 {rest}" in overview
    assert "The rest." in overview
    assert "| 0.5 [0.4, 0.6], n=3 |" in document
    assert "| 10.00 of ours |" in document
    assert f"torch {torch.__version__}" in document


def test_the_table_says_where_we_are_slower(tmp_path: Path) -> None:
    slower = {"side": "dgl", "ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6}
    overview, _ = rendered(checkout(tmp_path, a_row(), a_row(**slower)))
    assert "| dgl **0.5 [0.4, 0.6]** |" in overview


def test_a_peer_without_memory_is_named(tmp_path: Path) -> None:
    peer = a_row(side="pyg edge_index", status="oom", n=0, median_s=None, low_s=None, high_s=None)
    overview, document = rendered(checkout(tmp_path, a_row(), peer))
    assert "| ours: 0.5 s | pyg edge_index oom |" in overview
    assert "| pyg edge_index | oom |" in document


def test_a_reference_that_did_not_complete_has_no_seconds(tmp_path: Path) -> None:
    failed = {"status": "oom", "n": 0, "median_s": None, "low_s": None, "high_s": None}
    peer = a_row(**PEER | {"ratio": None, "ratio_low": None})
    overview, _ = rendered(checkout(tmp_path, a_row(**failed), peer))
    assert "| ours: oom | pyg edge_index ? |" in overview


def test_the_latest_measurement_counts(tmp_path: Path) -> None:
    overview, document = rendered(checkout(tmp_path, a_row(), a_row(median_s=0.25)))
    assert "ours: 0.25 s" in overview
    assert "| 0.25 [" in document
    assert "| 0.5 [" not in document


def test_a_stale_section_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = checkout(tmp_path, a_row())
    assert table.main(["--check"], root) == 1
    assert "run make performance" in capsys.readouterr().err
    assert table.main([], root) == 0
    assert table.main(["--check"], root) == 0


def test_without_measurements_the_section_says_so(tmp_path: Path) -> None:
    overview, document = rendered(checkout(tmp_path))
    assert table.NOTHING in overview
    assert table.NOTHING in document

"""Cost against the size of the graph: what is measured, what is not measured again, and slopes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from scripts.bench import growth
from scripts.bench.growth import GrowthRow, draw, measure, measured, slope, slope_table
from scripts.bench.growth_case import Case, epoch_seconds, parts_at
from scripts.bench.growth_case import measure as measure_case
from scripts.bench.rows.sheet import Sheet

WORKS = ("graph", "metis", "sage cluster")
SETTINGS: dict[str, Any] = {"data_dir": ".", "batches": 1, "rounds": 1, "limit_gib": None}


def row(case: Case, status: str = "completed") -> GrowthRow:
    facts: dict[str, Any] = {"program": "growth", "dataset": "sbm", "reference": "", "nodes": 1}
    edges = int(1e6 * case.scale)
    return GrowthRow(
        **facts,
        edges=edges,
        work=case.work,
        side=case.side,
        status=status,
        settings=case.partition,
        scale=case.scale,
        epoch_s=edges**1.5,
        prepare_s=1.0,
        peak_mib=2.0 * edges,
    )


def test_a_run_resumes_and_a_side_without_memory_is_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = {("metis", 0.2): "oom"}

    def fake(case: Case, timeout_s: float) -> GrowthRow:
        return row(case, statuses.get((case.work, case.scale), "completed"))

    monkeypatch.setattr(growth, "row_of", fake)
    path = tmp_path / "growth.csv"
    sheet = Sheet(path, torch.device("cpu"))
    for scales in ([0.1, 0.2], [0.1, 0.4]):
        for each in measure(WORKS, scales, SETTINGS, 1.0, path):
            sheet.write(replace(each, median_s=1.0, low_s=1.0, high_s=1.0))
    rows = pd.read_csv(path)
    assert [*zip(rows.work, rows.scale, strict=True)] == [
        *((work, 0.1) for work in WORKS),
        *((work, 0.2) for work in WORKS),
        ("graph", 0.4),
        ("sage cluster", 0.4),
    ]
    assert [*rows[rows.work == "sage cluster"].settings] == ["metis", "random", "random"]


def test_slopes_are_of_the_larger_graphs_and_a_picture_is_drawn(tmp_path: Path) -> None:
    cases = [
        Case(work="sage full", side="ours", scale=scale, partition="metis", **SETTINGS)
        for scale in (0.001, 0.1, 0.2, 1.0)
    ]
    rows = [replace(row(case), device_name="CPU", num_threads=1) for case in cases]
    rows[0] = replace(rows[0], epoch_s=1e12)  # of the smallest graph, which does not count
    frame = pd.DataFrame([vars_of(each) for each in rows])
    assert slope(frame, "epoch_s") == pytest.approx(1.5)
    assert "| sage full | ours | 1.50 | 0.00 | 1.00 |" in slope_table(frame)
    draw(frame, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def vars_of(each: GrowthRow) -> dict[str, Any]:
    return {name: getattr(each, name) for name in each.__dataclass_fields__}


def test_nothing_measured_has_no_rows(tmp_path: Path) -> None:
    assert measured(tmp_path / "growth.csv").empty


def test_epochs_end_when_they_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.bench.growth_case.PATIENCE_S", 0.0)
    assert len(epoch_seconds(lambda: None, 5)) <= 1


def test_a_case_has_a_preparation_and_batches(tmp_path: Path) -> None:
    settings = {**SETTINGS, "data_dir": str(tmp_path), "scale": 0.002, "side": "ours"}
    made = [
        measure_case(Case(work=work, partition="metis", **settings))
        for work in ("graph", "graph", "metis", "sage cluster")
    ]
    assert [cost.status for cost in made] == ["completed", "cached", "completed", "completed"]
    assert all(cost.prepare_s for cost in (made[0], made[2], made[3]))
    assert made[3].batch_s is not None
    assert made[3].epoch_batches == parts_at(0.002) / 4

"""Runs that differ only in the number of processes: one configuration, several speeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redditgnn.report.grouping import Material
from redditgnn.report.scaling import lines_of, rows_of, scales_of, scaling_of
from redditgnn.report.writing import write_report

Row = dict[str, Any]


@pytest.fixture
def rows(row: Callable[..., Row]) -> list[Row]:
    """Three seeds on 1 and 2 processes and one on 4, and a configuration on one process."""
    several = [
        row(
            "a",
            seed,
            0.8 + seed / 100,
            run_id=f"run-{processes}-{seed}",
            device="cpu",
            num_threads=2 if processes == 1 else 1,
            processes=processes,
            epoch_median_s=8.0 / processes + 0.5 * (processes > 1) + seed / 10,
            train_s=100.0,
            wait_s="" if processes == 1 else 10.0,
        )
        for processes, seeds in ((1, 3), (2, 3), (4, 1))
        for seed in range(seeds)
    ]
    alone = row("b", 0, 0.7, model="gcn", device="cpu", num_threads=2, processes=1)
    return [*several, {**alone, "train_s": 100.0, "wait_s": ""}]


def test_the_number_of_processes_makes_no_configuration_and_no_repetition(
    material: Callable[[list[Row]], Material], rows: list[Row]
) -> None:
    (group,) = material(rows).groups
    best, other = group.configurations
    assert (len(best.runs), len(other.runs)) == (3, 1)
    assert [cost.device_name for cost in best.costs] == [
        "Some CPU, 2 threads",
        "Some CPU, 2 processes, 1 thread",
        "Some CPU, 4 processes, 1 thread",
    ]
    (scale,) = scales_of(group, [])
    head, *lines = rows_of([scale])
    assert head[-4:] == ["times as fast", "ideal", "waiting, %", "runs"]
    assert [line[2:] for line in lines] == [
        ["1", "2", "8.1", "1.00", "1", "", "3"],
        ["2", "1", "4.6", "1.76", "2", "10", "3"],
        ["4", "1", "2.5", "3.24", "4", "10", "1"],
    ]
    assert lines_of([scale])[2].startswith("gat, full      Some CPU  2          1 ")


def test_the_plot_has_an_ideal_line_beside_each_curve(
    material: Callable[[list[Row]], Material], rows: list[Row]
) -> None:
    (group,) = material(rows).groups
    plot = scaling_of(group, scales_of(group, []))
    assert plot is not None
    ideal, measured = plot.curves
    assert (ideal.x, measured.x) == ([1, 2, 4], [1, 2, 4])
    assert ideal.mean == pytest.approx([8.1, 4.05, 2.025])
    assert measured.mean == pytest.approx([8.1, 4.6, 2.5])
    assert plot.score_range[0] == 0


def test_the_report_has_the_table_only_where_processes_differ(
    write: Callable[[list[Row]], Path], rows: list[Row], tmp_path: Path
) -> None:
    for name, chosen in (("several", rows), ("alone", rows[:3])):
        out = tmp_path / name
        printed = "\n".join(write_report(write(chosen), out))
        page = (out / "index.html").read_text()
        has_table = "One process beside several" in page, "times as fast" in printed
        assert has_table == (name == "several",) * 2
        assert bool(list(out.glob("plots/*processes.svg"))) == (name == "several")

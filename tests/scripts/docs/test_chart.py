"""The chart of README.md: ours beside the fastest of PyG, on one machine."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from scripts.docs import chart

GAT, SAGE = list(chart.LINES)[3], list(chart.LINES)[5]
BASIS = {"edges": 1e6, "n": 3, "extra_mib": 100, "device": "cpu", "num_threads": 2}
BASIS |= {"torch_version": "2", "pyg_version": "2", "status": "completed", "device_name": "A"}


def row(line: tuple[str, str], side: str, median_s: float | None, **values: object) -> dict:
    named = {"dataset": line[0], "work": line[1], "side": side, "median_s": median_s}
    return {**BASIS, **named, "measured_at": "2026-01-01", **values}


def write(root: Path, *rows: dict) -> None:
    folder = root / chart.BENCH
    folder.mkdir(parents=True)
    with (folder / "cpu-kernels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_the_fastest_side_of_pyg_is_beside_ours(tmp_path: Path) -> None:
    write(tmp_path, row(GAT, "ours", 1), row(GAT, "pyg slow", 30), row(GAT, "pyg fast", 20))
    (line,) = chart.read_lines(tmp_path / chart.BENCH)
    assert (line.ours.median_s, line.pyg.side) == (1, "pyg fast")
    assert line.label.endswith("1.0 million edges, A")


def test_both_sides_of_a_line_are_of_one_machine(tmp_path: Path) -> None:
    later = {"device_name": "B", "measured_at": "2026-02-01"}
    sage = row(SAGE, "ours", 1, **later), row(SAGE, "pyg", 2, **later)
    alone = row(GAT, "ours", 0.5, **later)  # has no side of PyG's there
    write(tmp_path, row(GAT, "ours", 1), row(GAT, "pyg", 20), *sage, alone)
    lines = chart.read_lines(tmp_path / chart.BENCH)
    assert [(line.ours.device_name, line.pyg.device_name) for line in lines] == [
        ("A", "A"),
        ("B", "B"),
    ]


def test_lines_of_another_number_of_threads_are_left_out(tmp_path: Path) -> None:
    sage = [row(SAGE, side, 1, num_threads=16) for side in ("ours", "pyg")]
    write(tmp_path, row(GAT, "ours", 1), row(GAT, "pyg", 20), *sage)
    assert len(chart.read_lines(tmp_path / chart.BENCH)) == 1


def test_the_latest_measurement_counts(tmp_path: Path) -> None:
    later = row(GAT, "ours", 0.5, measured_at="2026-02-01")
    write(tmp_path, later, row(GAT, "ours", 1), row(GAT, "pyg", 20))
    assert chart.read_lines(tmp_path / chart.BENCH)[0].ours.median_s == 0.5


def test_the_chart_says_what_did_not_fit_and_on_what_it_was_measured(tmp_path: Path) -> None:
    failed = {"status": "oom", "extra_mib": 133 * 1024}
    write(tmp_path, row(GAT, "ours", 35), row(GAT, "pyg", None, **failed))
    figure = chart.draw(chart.read_lines(tmp_path / chart.BENCH))
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["35 s", "out of memory", "100 MiB", "would need 133 GiB"]
    assert figure.get_suptitle() == "redditgnn beside PyG on two CPU cores"
    assert "2 threads; torch 2, PyG 2" in figure.get_supxlabel()


def test_a_whole_run_of_ours_stands_alone(tmp_path: Path) -> None:
    run = sorted(chart.ALONE)[0]
    write(tmp_path, row(run, "ours", 52), row(GAT, "ours", 1), row(GAT, "pyg", 20))
    figure = chart.draw(chart.read_lines(tmp_path / chart.BENCH))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["52 s", "1 s", "20 s  (×20)"]


def test_without_rows_there_is_no_chart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, row(GAT, "ours", 1))
    assert chart.main(tmp_path) == 1
    assert "no rows" in capsys.readouterr().err

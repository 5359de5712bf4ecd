"""The programs from the command line to their rows."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bench.full_size import needed_mib
from scripts.bench.peers.layers import PLAIN


def run_program(name: str, *options: str, out: Path) -> list[dict[str, str]]:
    """Run a program in a process of its own and return its rows."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-m", f"scripts.bench.{name}"]
    done = subprocess.run(
        [*command, *options, "--out", str(out)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


SMALL = ("--scale", "0.003", "--repeats", "2", "--budget-s", "0", "--data-dir")


@pytest.mark.slow
def test_layers_are_measured_end_to_end(tmp_path: Path) -> None:
    options = (*SMALL, str(tmp_path), "--only", "gatv2 8x8")
    rows = run_program("kernels", *options, out=tmp_path / "k.csv")
    phases = {row["work"] for row in rows}
    assert phases == {"gatv2 8x8 forward", "gatv2 8x8 forward_backward"}
    assert {"ours", PLAIN} <= {row["side"] for row in rows}
    assert {row["status"] for row in rows} == {"completed"}
    for row in rows:
        assert row["side"] == "ours" or float(row["ratio"]) > 0
    both = [row for row in rows if row["work"].endswith("backward")]
    assert all(float(row["gradient_error"]) < 1e-4 for row in both)


@pytest.mark.slow
def test_steps_are_measured_end_to_end(tmp_path: Path) -> None:
    options = (*SMALL, str(tmp_path), "--batches", "1", "--num-workers", "0")
    rows = run_program(
        "step", *options, "--only", "saint_edge batches,gas epoch", out=tmp_path / "s.csv"
    )
    sides = [row["side"] for row in rows if row["work"] == "gas epoch"]
    assert sides == ["without histories", "gas", "cluster"]
    assert all(float(row["median_s"]) > 0 for row in rows if row["status"] == "completed")


@pytest.mark.slow
def test_the_matrix_has_a_row_a_cell(tmp_path: Path) -> None:
    options = ("--scale", "0.003", "--epochs", "1", "--models", "gcn", "--samplers", "full")
    rows = run_program("matrix", *options, "--data-dir", str(tmp_path), out=tmp_path / "m.csv")
    assert [(row["model"], row["sampler"], row["status"]) for row in rows] == [
        ("gcn", "full", "completed")
    ]
    assert rows[0]["dataset"] == "sbm 0.003"


@pytest.mark.slow
def test_scaling_is_measured_and_drawn_end_to_end(tmp_path: Path) -> None:
    options = ("--scales", "0.002,0.003", "--only", "sage 64", *SMALL, str(tmp_path))
    rows = run_program("scaling", *options, out=tmp_path / "s.csv")
    assert {row["dataset"] for row in rows} == {"sbm 0.002", "sbm 0.003"}
    assert {row["work"] for row in rows} == {"sage 64 forward_backward"}
    assert (tmp_path / "s.svg").stat().st_size > 10_000
    assert (tmp_path / "s.png").stat().st_size > 10_000


@pytest.mark.slow
def test_memory_is_measured_and_drawn_end_to_end(tmp_path: Path) -> None:
    options = ("--scales", "0.01", "--models", "gcn", "--graphs", "sbm", "--only", "full,gas")
    rows = run_program("memory", *options, "--data-dir", str(tmp_path), out=tmp_path / "m.csv")
    assert [(row["side"], row["status"]) for row in rows] == [
        ("full", "completed"),
        ("gas", "completed"),
    ]
    assert all(float(row["extra_mib"]) > 0 for row in rows)
    assert (tmp_path / "m.png").stat().st_size > 10_000


@pytest.mark.slow
def test_training_at_full_size_is_measured_end_to_end(tmp_path: Path) -> None:
    works = "gat full epoch,gat saint_rw run"
    rows = run_program(
        "full_size", *SMALL, str(tmp_path), "--only", works, out=tmp_path / "full.csv"
    )
    sides = [(row["work"], row["side"], row["status"]) for row in rows]
    assert sides == [
        ("gat full epoch", "ours", "completed"),
        ("gat full epoch", "pyg", "completed"),
        ("gat saint_rw run", "ours", "completed"),
    ]
    assert float(rows[1]["train_loss"]) == pytest.approx(float(rows[0]["train_loss"]), rel=0.1)
    assert all(float(row["extra_mib"]) > 0 for row in rows)


def test_what_does_not_fit_is_reckoned_from_smaller_graphs() -> None:
    points = [(100, 12.0), (200, 22.0), (400, 42.0)]
    assert needed_mib(points, 1000) == pytest.approx(102.0)

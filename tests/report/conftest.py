"""Rows of runs.csv for reports, and a browser to look at the page with."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from redditgnn.record.reading import files_of, read_runs
from redditgnn.report.grouping import Material, material_of
from redditgnn.report.writing import write_report

DATA = "edges=10:aaaaaaaa features=3:bbbbbbbb protocol=transductive evaluator=exact"
NO_BROWSER = "no browser"
Row = dict[str, Any]


@pytest.fixture(scope="session")
def row() -> Callable[..., Row]:
    """Make a completed run (None: no scores); keywords replace cells and `settings`."""

    def made(name: str, seed: int, test: float | None = 0.8, **cells: Any) -> Row:
        settings = {"model.heads": 1, "model.dropout": 0.5, **cells.pop("settings", {})}
        return {
            "run_id": f"run-{name}-{seed}",
            "status": "completed",
            "dataset": "toy",
            "model": "gat",
            "sampler": "full",
            "experiment": "",
            "seed": seed,
            "protocol": "transductive",
            "fingerprint": DATA,
            "config_hash": f"hash-{name}",
            "device_name": "Some CPU",
            "val_micro_f1": "" if test is None else test + 0.01,
            "test_micro_f1": "" if test is None else test,
            "test_accuracy": "" if test is None else test,
            "epoch_median_s": 0.5,
            "peak_cuda_allocated_mib": "",
            "peak_rss_mib": 600.0,
            "hyperparameters": json.dumps(settings),
            **cells,
        }

    return made


def write_runs(results_dir: Path, rows: list[Row]) -> Path:
    """Write rows to results_dir/runs.csv, and return results_dir."""
    with (results_dir / "runs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return results_dir


@pytest.fixture
def write(tmp_path: Path) -> Callable[[list[Row]], Path]:
    """Write rows to runs.csv of the test's own results_dir, which is returned."""
    return lambda rows: write_runs(tmp_path, rows)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: Any, row: Any, epochs: Any) -> Path:
    """Two settings crossed, three seeds, another model with a failure, curves, and the report."""
    rows = [
        row(
            f"{heads}-{dropout}",
            seed,
            0.7 + heads / 100 + dropout / 10 + seed * dropout / 1000,
            settings={"model.heads": heads, "model.dropout": dropout},
            epoch_median_s=heads,
        )
        for heads in (2, 10)
        for dropout in (0.3, 0.6)
        for seed in range(3)
    ]
    rows += [row("gcn", seed, 0.6, model="gcn_50%", sampler="gas") for seed in range(3)]
    rows += [row("gcn", 3, None, model="gcn_50%", sampler="gas", status="oom")]
    results_dir = write_runs(tmp_path_factory.mktemp("sweep"), rows)
    for seed in range(3):
        epochs(results_dir, f"run-10-0.6-{seed}", [0.1, 0.5 + seed / 100])
    list(write_report(results_dir, results_dir / "report"))
    return results_dir


@pytest.fixture
def material(write: Callable[[list[Row]], Path]) -> Callable[[list[Row]], Material]:
    """Read rows as a report does."""
    return lambda rows: material_of(read_runs(files_of(write(rows))))


@pytest.fixture(scope="session")
def epochs() -> Callable[[Path, str, list[float]], None]:
    """Write epochs.csv of a run."""

    def written(results_dir: Path, run_id: str, scores: list[float]) -> None:
        folder = results_dir / "runs" / run_id
        folder.mkdir(parents=True)
        table = pd.DataFrame({"epoch": range(1, len(scores) + 1), "val_micro_f1": scores})
        table.to_csv(folder / "epochs.csv", index=False)

    return written

"""The benchmark of memory: what a point counts, and that a picture can be made of the rows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import torch

from scripts.bench import memory as bench_memory
from scripts.bench import staleness as plot_staleness
from scripts.bench import step_memory as memory_point

CPU = torch.device("cpu")


@pytest.mark.parametrize("device", ["auto", "disk"])
def test_a_point_counts_batch_halo_and_histories(device: str, tmp_path: Path) -> None:
    overrides = [
        *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=8"),
        *("model=gcn", "model.num_layers=3", "model.hidden_channels=32"),
        *("sampler=gas", "sampler.num_parts=4", "sampler.batch_size=1"),
        f"sampler.history_device={device}",
    ]
    found = memory_point.measured(overrides, tmp_path, CPU)
    assert found.status == "completed"
    assert 0 < found.halo < found.batch_nodes <= found.nodes
    assert found.batch_edges < found.edges
    assert found.histories_mib == found.nodes * 32 * 4 * 2 / 2**20  # two layers of float32
    assert found.peak_mib > found.extra_mib


def test_communities_grow_in_number_not_in_size() -> None:
    small, large = (bench_memory.graph_overrides("communities", scale) for scale in (0.01, 0.1))
    assert "dataset.num_classes=5" in small
    assert "dataset.num_classes=47" in large
    assert bench_memory.graph_overrides("sbm", 0.1) == ["dataset=sbm", "dataset.scale=0.1"]


def test_a_picture_is_drawn_of_the_points(tmp_path: Path) -> None:
    facts = {"program": "memory", "edges": 1, "reference": "", "num_parts": 2, "batch_nodes": 5}
    facts |= {"batch_edges": 9, "halo": 1, "dataset": "", "work": "gcn"}
    points = [
        bench_memory.Point(
            **facts, nodes=n, side=side, graph="sbm", scale=n, histories_mib=n, extra_mib=n
        )
        for n in (100, 2000)
        for side in ("full", "gas")
    ]
    rows = pd.DataFrame([asdict(point) for point in points])
    bench_memory.draw(rows, tmp_path / "memory.png")
    assert (tmp_path / "memory.png").stat().st_size > 10_000


def test_a_picture_is_drawn_of_ages_and_errors(tmp_path: Path) -> None:
    facts = dict.fromkeys(plot_staleness.FACTS, "x")
    rows = pd.DataFrame(
        {
            **{"epoch": epoch, "layer": layer, "variant": variant, "pulled_rows": 5},
            **{"mean_age_epochs": 0.5, "mean_relative_error": 0.1 * epoch, **facts},
        }
        for epoch in (1, 2)
        for layer in (0, 1)
        for variant in plot_staleness.VARIANTS
    )
    plot_staleness.draw(rows, tmp_path / "staleness.png")
    assert (tmp_path / "staleness.png").stat().st_size > 10_000

"""The memory of one training step."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench.step_memory import measure_here
from scripts.bench.timing.memory import CPU


@pytest.mark.parametrize("device", ["auto", "disk"])
def test_a_point_counts_batch_halo_and_histories(device: str, tmp_path: Path) -> None:
    overrides = [
        *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=8"),
        *("model=gcn", "model.num_layers=3", "model.hidden_channels=32"),
        *("sampler=gas", "sampler.num_parts=4", "sampler.batch_size=1"),
        f"sampler.history_device={device}",
    ]
    memory = measure_here(overrides, tmp_path, CPU)
    assert memory.status == "completed"
    assert 0 < memory.halo < memory.batch_nodes <= memory.nodes
    assert memory.batch_edges < memory.edges
    assert memory.histories_mib == memory.nodes * 32 * 4 * 2 / 2**20  # two layers of float32
    assert memory.peak_mib > memory.extra_mib

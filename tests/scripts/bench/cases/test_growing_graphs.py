"""Graphs of growing size."""

from __future__ import annotations

from scripts.bench.cases.growing_graphs import graph_overrides


def test_communities_grow_in_number_not_in_size() -> None:
    small, large = (graph_overrides("communities", scale) for scale in (0.01, 0.1))
    assert "dataset.num_classes=5" in small
    assert "dataset.num_classes=47" in large
    assert graph_overrides("sbm", 0.1) == ["dataset=sbm", "dataset.scale=0.1"]

"""The benchmarks train as `redditgnn train` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from redditgnn.graph import GraphData
from scripts.bench.cases.training import OurTraining

MakeGraph = Callable[..., GraphData]


def test_every_benchmarked_epoch_trains_on(make_graph: MakeGraph, tmp_path: Path) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    overrides = ["model=sage", "sampler=full", "device=cpu", "optimizer.lr=0.01"]
    training = OurTraining(graph, overrides, torch.device("cpu"), tmp_path)
    for _ in range(20):
        training.epoch()
    assert len(training.losses) == 20
    assert training.losses[-1] < training.losses[0]

"""The benchmarks train as `redditgnn train` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from redditgnn.graph.data import GraphData
from scripts.bench.cases.training import OurTraining, ZeroHalo, first_targets

MakeGraph = Callable[..., GraphData]


def test_every_benchmarked_epoch_trains_on(make_graph: MakeGraph, tmp_path: Path) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    overrides = ["model=sage", "sampler=full", "device=cpu", "optimizer.lr=0.01"]
    training = OurTraining(graph, overrides, torch.device("cpu"), tmp_path)
    for _ in range(20):
        training.epoch()
    assert len(training.losses) == 20
    assert training.losses[-1] < training.losses[0]


def test_without_histories_the_halo_is_zero() -> None:
    h, node_ids = torch.ones(2, 3), torch.arange(5)
    states = ZeroHalo().exchange(0, h, node_ids)
    assert torch.equal(states, torch.cat([h, torch.zeros(3, 3)]))


def test_an_epoch_of_some_batches_has_that_many_training_nodes(make_graph: MakeGraph) -> None:
    graph = make_graph(num_nodes=60)
    fewer = first_targets(graph, 7)
    assert int(fewer.train_mask.sum()) == 7
    assert not (fewer.train_mask & ~graph.train_mask).any()

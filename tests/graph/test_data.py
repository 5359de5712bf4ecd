"""What a graph and a batch hand out, and what they keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from redditgnn.graph import data
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData

META = torch.device("meta")


def test_a_graph_is_copied_to_a_device_once(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph()
    assert graph.to(torch.device("cpu")) is graph
    assert graph.to(META) is graph.to(META)
    assert graph.to(META).col.device == META


def test_a_changed_graph_has_copies_of_its_own(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_features=5)
    graph.to(META)
    assert replace(graph, x=torch.ones(20, 7)).to(META).x.shape == (20, 7)
    assert graph.subgraph(graph.train_mask).to(META).num_nodes == int(graph.train_mask.sum())


def test_known_numbers_of_edges_give_the_same_blocks(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph()
    batch = Batch(
        features=graph.rows(),
        y=graph.y[:4],
        loss_weight=torch.ones(4),
        node_ids=torch.arange(20),
        rowptr=graph.rowptr,
        col=graph.col,
        degree=graph.degree,
        num_dst=(12, 4),
    )
    moved = batch.to(META)  # block() could not read rowptr there
    edges = (int(graph.rowptr[12]), int(graph.rowptr[4]))
    with_count = replace(batch, num_edges=edges, _blocks={})
    for layer in range(2):
        assert torch.equal(batch.block(layer).col, with_count.block(layer).col)
        assert moved.block(layer).col.shape == with_count.block(layer).col.shape


def test_a_subgraph_is_the_same_in_pieces(
    make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = make_graph(num_nodes=30, num_edges=200)
    graph = replace(graph, edge_weight=torch.rand(graph.num_edges))
    keep = torch.arange(30) % 3 > 0
    whole = graph.subgraph(keep)
    monkeypatch.setattr(data, "ROWS_AT_ONCE", 3)
    pieces = graph.subgraph(keep)
    for name in ("rowptr", "col", "edge_weight", "x", "y"):
        assert torch.equal(getattr(pieces, name), getattr(whole, name))
    assert graph.subgraph(torch.zeros(30, dtype=torch.bool)).num_edges == 0

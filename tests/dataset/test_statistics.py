"""Homophily and constant features, against their dense definitions and published numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from redditgnn.dataset import statistics
from redditgnn.graph.data import GraphData


def dense_homophily(graph: GraphData) -> tuple[float, float]:
    """Eq. 1 and 3 of Platonov et al. 2023 on a matrix of undirected edges with labelled ends."""
    adjacency = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=torch.float64)
    rows = torch.arange(graph.num_nodes).repeat_interleave(graph.degree)
    adjacency[rows, graph.col.long()] = 1
    known = graph.y >= 0
    adjacency = (adjacency + adjacency.T) * known * known[:, None]
    same = graph.y[:, None] == graph.y
    share = (adjacency * same).sum() / adjacency.sum()
    degree = adjacency.sum(1)
    classes = torch.stack([degree[graph.y == k].sum() for k in range(graph.num_classes)])
    by_chance = (classes / adjacency.sum()).square().sum()
    return float(share), float((share - by_chance) / (1 - by_chance))


@pytest.mark.parametrize("block", [1, 7, 1 << 22])
@pytest.mark.parametrize("kind", ["symmetric", "directed", "partly labelled"])
def test_homophily_is_that_of_the_dense_definition(
    kind: str, block: int, make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_BLOCK_EDGES", block)
    graph = make_graph(num_nodes=40, num_edges=150)
    if kind == "directed":
        rows = torch.arange(40).repeat_interleave(graph.degree)
        kept = (rows < graph.col) | (rows % 3 == 0)
        counts = rows[kept].bincount(minlength=40)
        rowptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        graph = replace(graph, rowptr=rowptr, col=graph.col[kept])
    if kind == "partly labelled":
        graph = replace(graph, y=torch.where(torch.arange(40) % 4 == 0, -1, graph.y))
    edges = statistics.edge_statistics(graph)
    assert (edges.homophily, edges.adjusted_homophily) == pytest.approx(dense_homophily(graph))
    linked = {*graph.col.tolist(), *graph.degree.nonzero().flatten().tolist()}
    assert edges.isolated == 40 - len(linked)


def test_one_class_and_no_edges_have_no_homophily(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph()
    one = statistics.edge_statistics(replace(graph, y=torch.zeros_like(graph.y)))
    assert (one.homophily, one.adjusted_homophily) == (1.0, None)
    empty = replace(graph, rowptr=torch.zeros_like(graph.rowptr), col=graph.col[:0])
    none = statistics.edge_statistics(empty)
    assert (none.homophily, none.isolated) == (None, graph.num_nodes)


def test_constant_features_are_those_that_no_node_changes(
    make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_BLOCK_NUMBERS", 10)
    x = make_graph().x.clone()
    x[:, 1], x[:, 3] = 5.0, 0.0
    x[-1, 3] = 1.0
    graph = replace(make_graph(), x=x)
    assert statistics.constant_features(graph).tolist() == [False, True, False, False, False]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("folder", "name", "published"),
    [  # Platonov et al. 2023, arXiv:2302.11640 and arXiv:2209.06177
        ("minesweeper", "minesweeper", ("0.68", "0.01")),
        ("Cora", "cora", ("0.81", "0.77")),
        ("CiteSeer", "citeseer", ("0.74", "0.67")),
    ],
)
def test_homophily_is_the_published_one(
    folder: str, name: str, published: tuple[str, str], link_raw: Callable[[str], Path], build
) -> None:
    edges = statistics.edge_statistics(build(link_raw(folder), f"dataset={name}"))
    assert (f"{edges.homophily:.2f}", f"{edges.adjusted_homophily:.2f}") == published

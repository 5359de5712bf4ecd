"""What an embedding sees of a graph: its edges, both ways, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from redditgnn.embedding.adjacency import adjacency_of
from redditgnn.errors import ConfigError
from redditgnn.graph import undirected
from redditgnn.graph.csr import CSR


@pytest.fixture
def compiled(request, monkeypatch):
    monkeypatch.setattr(undirected, "numba_works", lambda: request.param)


both_ways = pytest.mark.parametrize("compiled", [True, False], indirect=True)


def with_edges(graph, pairs):
    csr = CSR.from_edge_index(torch.tensor(pairs).T, graph.num_nodes, graph.num_nodes)
    return replace(graph, rowptr=csr.rowptr, col=csr.col.int())


@both_ways
def test_the_edges_of_a_symmetric_graph_are_not_copied(compiled, make_graph):
    graph = make_graph()
    edges = adjacency_of(graph)
    assert not edges.was_directed
    assert np.shares_memory(edges.col, graph.col.numpy())
    assert np.shares_memory(edges.matrix().indices, graph.col.numpy())


@both_ways
@pytest.mark.parametrize(
    "pairs",
    [
        [(0, 1)],
        [(0, 1), (1, 2), (2, 0)],
        [(0, 1), (1, 0), (2, 1)],
        [(2, 0), (1, 0), (0, 1), (0, 2)],
    ],
    ids=["one edge", "a circle", "one of three", "rows that do not ascend"],
)
def test_directed_edges_are_read_both_ways(compiled, make_graph, pairs):
    graph = with_edges(make_graph(num_nodes=4), pairs)
    edges = adjacency_of(graph)
    dense = torch.zeros(4, 4)
    for source, destination in pairs:
        dense[source, destination] = dense[destination, source] = 1
    assert torch.equal(torch.from_numpy(edges.matrix().toarray()), dense)
    assert all(np.all(np.diff(row) > 0) for row in np.split(edges.col, edges.rowptr[1:-1]))


def test_nodes_without_edges_are_counted(make_graph):
    assert adjacency_of(with_edges(make_graph(num_nodes=5), [(0, 1), (1, 0)])).num_isolated == 3


def test_edge_weights_are_refused_with_a_way_out(make_graph):
    graph = make_graph()
    weighted = replace(graph, edge_weight=torch.ones(graph.num_edges))
    with pytest.raises(ConfigError, match=r"dataset\.edge_weight=false"):
        adjacency_of(weighted)

"""The same graph without any drift: its times are dealt out again at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray

from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.data import GraphData


def shuffled(graph: GraphData, seed: int) -> GraphData:
    """Return the graph with the times of its nodes and edges permuted.

    The two directions of an edge keep the same time if every edge has its reverse at its time.
    """
    generator, node_time, edge_time = np.random.default_rng(seed), graph.node_time, graph.edge_time
    if node_time is not None:
        node_time = node_time[torch.from_numpy(generator.permutation(len(node_time)))]
    if edge_time is not None:
        edge_time = edge_time[torch.from_numpy(_permuted_edges(graph, generator))]
    return replace(graph, node_time=node_time, edge_time=edge_time)


def _permuted_edges(graph: GraphData, generator: np.random.Generator) -> Int64[ndarray, " edges"]:
    """Return for each edge the one whose time it takes."""
    assert graph.edge_time is not None
    col, time = graph.col.numpy(), graph.edge_time.numpy()
    row = row_of_edge(graph.rowptr, graph.num_edges).numpy()
    forward, backward = np.flatnonzero(row < col), np.flatnonzero(row > col)
    forward = forward[np.lexsort((time[forward], col[forward], row[forward]))]
    backward = backward[np.lexsort((time[backward], row[backward], col[backward]))]
    there, back = (np.stack([row, col])[:, edges] for edges in (forward, backward))
    if not np.array_equal(there, back[::-1]) or not np.array_equal(time[forward], time[backward]):
        return generator.permutation(len(col))
    source = np.empty(len(col), np.int64)
    source[forward] = source[backward] = generator.permutation(forward)
    return source

"""Whether a graph is undirected, and the edges of a directed one in both directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int32, Int64
from numpy import ndarray

from redditgnn.graph.data import GraphData
from redditgnn.graph.times import merge_repeated
from redditgnn.runtime.numba_threads import numba_works


def is_undirected(graph: GraphData) -> bool:
    """Whether every edge has its reverse, of the same weight, and sources ascend in every row."""
    rowptr, col = graph.rowptr.numpy(), graph.col.numpy()
    weight = np.empty(0, np.float32) if graph.edge_weight is None else graph.edge_weight.numpy()
    if numba_works():
        from redditgnn.graph.undirected_numba import is_symmetric

        return bool(is_symmetric(rowptr, col, weight))
    from scipy import sparse

    values, shape = np.ones(len(col), np.int8), (graph.num_nodes, graph.num_nodes)
    matrix = sparse.csr_matrix((weight if len(weight) else values, col, rowptr), shape)
    return bool(matrix.has_sorted_indices) and (matrix != matrix.T).nnz == 0


def symmetric_csr(
    graph: GraphData,
) -> tuple[Int64[ndarray, " nodes_plus_1"], Int32[ndarray, " edges"]]:
    """Return row pointers and ascending columns with every edge once in both directions.

    They are the graph's own, without a copy, if it is undirected.
    """
    if graph.edge_time is not None:
        graph = merge_repeated(graph, counts=False)
    if is_undirected(replace(graph, edge_weight=None)):
        return graph.rowptr.numpy(), graph.col.numpy()
    from scipy import sparse

    ones, shape = np.ones(graph.num_edges, np.int8), (graph.num_nodes, graph.num_nodes)
    matrix = sparse.csr_matrix((ones, graph.col.numpy(), graph.rowptr.numpy()), shape)
    matrix = matrix.maximum(matrix.T).tocsr()
    matrix.sort_indices()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)

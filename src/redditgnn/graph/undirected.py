"""Edges of a directed graph in both directions."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from jaxtyping import Int32, Int64
from numpy import ndarray

from redditgnn.graph.data import GraphData


def symmetric_csr(
    graph: GraphData,
) -> tuple[Int64[ndarray, " nodes_plus_1"], Int32[ndarray, " edges"]]:
    """Return row pointers and ascending columns with every edge once in both directions."""
    ones, shape = np.ones(graph.num_edges, np.int8), (graph.num_nodes, graph.num_nodes)
    matrix = scipy.sparse.csr_matrix((ones, graph.col.numpy(), graph.rowptr.numpy()), shape)
    matrix = matrix.maximum(matrix.T).tocsr()
    matrix.sort_indices()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)

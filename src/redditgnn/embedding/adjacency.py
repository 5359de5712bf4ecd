"""The edges of a graph without weights or directions: all that an embedding sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Float32, Int32, Int64
from numpy import ndarray

from redditgnn.errors import require
from redditgnn.graph.data import GraphData
from redditgnn.graph.undirected import symmetric_csr
from redditgnn.runtime.numba_threads import numba_works


@dataclass(frozen=True, slots=True)
class Adjacency:
    """A symmetric CSR with ascending rows and no self-loops.

    `was_directed`: it is a copy to which the missing reverse edges were added. Otherwise the
    arrays are those of the graph, which may be mapped from files.
    """

    rowptr: Int64[ndarray, " nodes_plus_1"]
    col: Int32[ndarray, " edges"]
    was_directed: bool = False

    @property
    def num_nodes(self) -> int:
        return len(self.rowptr) - 1

    @property
    def num_edges(self) -> int:
        return len(self.col)

    @property
    def degree(self) -> Int64[ndarray, " nodes"]:
        return np.diff(self.rowptr)

    @property
    def num_isolated(self) -> int:
        """The number of nodes without edges."""
        return int((self.degree == 0).sum())

    def matrix(self, values: Float32[ndarray, " edges"] | None = None) -> scipy.sparse.csr_matrix:
        """Return the edges as a matrix of these values, or of ones. The indices are not copied."""
        values = np.ones(self.num_edges, np.float32) if values is None else values
        matrix = scipy.sparse.csr_matrix((self.num_nodes, self.num_nodes), dtype=np.float32)
        rowptr = self.rowptr.astype(np.int32) if self.num_edges < 2**31 else self.rowptr
        matrix.data, matrix.indices, matrix.indptr = values, self.col, rowptr
        return matrix


def adjacency_of(graph: GraphData) -> Adjacency:
    """Return the edges of `graph`. Those of a directed graph are copied and made symmetric.

    Raises:
        ConfigError: the edges have weights, which no method reads.
    """
    require(
        graph.edge_weight is None,
        f"embeddings do not read the edge weights of dataset={graph.name}; set "
        "dataset.edge_weight=false to count all edges alike",
    )
    rowptr, col = graph.rowptr.numpy(), graph.col.numpy()
    if _is_symmetric(rowptr, col):
        return Adjacency(rowptr, col)
    return Adjacency(*symmetric_csr(graph), was_directed=True)


def _is_symmetric(rowptr: Int64[ndarray, " n"], col: Int32[ndarray, " edges"]) -> bool:
    """Whether rows ascend and every edge has its reverse. Ascending rows make walks repeatable."""
    if numba_works():
        from redditgnn.embedding.adjacency_numba import is_symmetric

        return bool(is_symmetric(rowptr, col))
    size = len(rowptr) - 1
    matrix = scipy.sparse.csr_matrix((np.ones(len(col), np.int8), col, rowptr), (size, size))
    return bool(matrix.has_sorted_indices) and (matrix != matrix.T).nnz == 0

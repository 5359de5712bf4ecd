"""The edges of an undirected graph, as community detection reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse
from jaxtyping import Float, Float64, UInt32, UInt64
from numpy import ndarray

from redditgnn.errors import require
from redditgnn.graph.data import GraphData
from redditgnn.graph.times import merge_repeated
from redditgnn.graph.undirected import is_undirected, symmetric_csr
from redditgnn.runtime.numba_threads import numba_works

NO_WEIGHTS = np.empty(0)  # of float64, as the weights between sets of nodes: one compilation


@dataclass(frozen=True, kw_only=True)
class Adjacency:
    """A CSR in which every edge is there in both directions. There are no self-loops.

    `weight` is empty if all edges count 1. `was_directed`: edges of the graph lacked their reverse.
    """

    rowptr: UInt64[ndarray, " nodes_plus_1"]
    col: UInt32[ndarray, " edges"]
    weight: Float[ndarray, " weights"]
    was_directed: bool = False

    @property
    def num_nodes(self) -> int:
        return len(self.rowptr) - 1

    @cached_property
    def degree(self) -> Float64[ndarray, " nodes"]:
        """Number of edges of each node."""
        return np.diff(self.rowptr.view(np.int64)).astype(np.float64)

    @cached_property
    def strength(self) -> Float64[ndarray, " nodes"]:
        """Sum of the weights of each node's edges."""
        from redditgnn.partition.quotient_numba import row_sums

        return row_sums(self.rowptr, self.weight) if len(self.weight) else self.degree

    @cached_property
    def log_weight(self) -> Float[ndarray, " weights"]:
        """Logarithms of the weights. That of 0 is that of the smallest weight above it."""
        positive = self.weight[self.weight > 0]
        return np.log(np.maximum(self.weight, positive.min() if len(positive) else 1))

    def without_weights(self) -> Adjacency:
        """Return the same edges, which all count 1."""
        return replace(self, weight=NO_WEIGHTS)

    @cached_property
    def total(self) -> float:
        """Twice the sum of the weights of all edges."""
        return float(self.strength.sum())


def undirected(graph: GraphData) -> Adjacency:
    """Return the edges of `graph`, without a copy if every edge has its reverse.

    Otherwise an edge in either direction joins its ends, and the weights of both are added up.
    Contacts of a pair at several times are one edge, and their number is its weight.

    Raises:
        ConfigError: Numba does not work here.
    """
    require(numba_works(), "communities need Numba, which does not work here; pip install numba")
    if graph.edge_time is not None:
        graph = merge_repeated(graph, counts=True)
    weight = NO_WEIGHTS if graph.edge_weight is None else graph.edge_weight.numpy()
    if is_undirected(graph):
        return _unsigned(graph.rowptr.numpy(), graph.col.numpy(), weight)
    if len(weight):
        shape = (graph.num_nodes, graph.num_nodes)
        matrix = scipy.sparse.csr_matrix((weight, graph.col.numpy(), graph.rowptr.numpy()), shape)
        matrix = (matrix + matrix.T).tocsr()
        return _unsigned(matrix.indptr, matrix.indices, matrix.data, was_directed=True)
    return _unsigned(*symmetric_csr(graph), NO_WEIGHTS, was_directed=True)


def _unsigned(
    rowptr: ndarray, col: ndarray, weight: ndarray, *, was_directed: bool = False
) -> Adjacency:
    return Adjacency(
        rowptr=rowptr.astype(np.int64, copy=False).view(np.uint64),
        col=col.astype(np.int32, copy=False).view(np.uint32),
        weight=weight,
        was_directed=was_directed,
    )

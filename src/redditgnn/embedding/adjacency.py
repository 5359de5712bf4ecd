"""The edges of a graph without weights or directions, and features: all that an embedding sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64
from numpy import ndarray
from torch import Tensor

from redditgnn.errors import require
from redditgnn.graph.data import GraphData
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.graph.times import merge_repeated
from redditgnn.graph.undirected import is_undirected, symmetric_csr


class Training(NamedTuple):
    """The training nodes, in ascending order the nodes of `edges`: the edges among them."""

    mask: Bool[ndarray, " nodes"]
    edges: Adjacency


@dataclass(frozen=True, slots=True)
class Adjacency:
    """A symmetric CSR with ascending rows and no self-loops.

    `was_directed`: it is a copy to which the missing reverse edges were added. Otherwise the
    arrays are those of the graph, which may be mapped from files. `features` are those of the
    nodes, for the methods that read them. `training` is there under `protocol=inductive`: vectors
    of training nodes must depend on the edges among them alone.
    """

    rowptr: Int64[ndarray, " nodes_plus_1"]
    col: Int32[ndarray, " edges"]
    was_directed: bool = False
    features: Tensor | SparseFeatures | None = None
    training: Training | None = None

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

    def matrix(self, values: Float32[ndarray, " edges"] | None = None) -> Any:
        """Return a csr_matrix of SciPy with these values, or ones. The indices are not copied."""
        from scipy import sparse

        values = np.ones(self.num_edges, np.float32) if values is None else values
        matrix = sparse.csr_matrix((self.num_nodes, self.num_nodes), dtype=np.float32)
        rowptr = self.rowptr.astype(np.int32) if self.num_edges < 2**31 else self.rowptr
        matrix.data, matrix.indices, matrix.indptr = values, self.col, rowptr
        return matrix


def inductive_adjacency_of(graph: GraphData) -> Adjacency:
    """Return the edges of `graph`, and those among its training nodes.

    Raises:
        ConfigError: there are no training nodes, or the edges have weights.
    """
    require(
        bool(graph.train_mask.any()),
        f"protocol=inductive needs training nodes, and dataset={graph.name} has none; use "
        "protocol=transductive",
    )
    inner = adjacency_of(graph.subgraph(graph.train_mask))
    return replace(adjacency_of(graph), training=Training(graph.train_mask.numpy(), inner))


def adjacency_of(graph: GraphData, *, with_features: bool = False) -> Adjacency:
    """Return the edges of `graph`. Those of a directed graph are copied and made symmetric.

    Contacts of a pair at several times are one edge.

    Raises:
        ConfigError: the edges have weights, which no method reads.
    """
    require(
        graph.edge_weight is None,
        f"embeddings do not read the edge weights of dataset={graph.name}; set "
        "dataset.edge_weight=false to count all edges alike",
    )
    features = graph.x if with_features else None
    if graph.edge_time is not None:
        graph = merge_repeated(graph, counts=False)
    if is_undirected(graph):
        return Adjacency(graph.rowptr.numpy(), graph.col.numpy(), features=features)
    return Adjacency(*symmetric_csr(graph), was_directed=True, features=features)

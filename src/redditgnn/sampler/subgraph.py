"""Batches cut out of the graph: induced subgraphs, and rows with their halo.

Here and in the samplers, `index_select` reads vectors. `vector[ids]` would hand even a short one to
all of torch's threads, and a sampler would wait long for threads that training uses.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int32, Int64, Real
from torch import Tensor

from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.runtime.numba_threads import numba_works


@runtime_checkable
class Subgraphs(Protocol):
    """Cuts pieces out of one graph: `NumbaSubgraphs`, or `TorchSubgraphs` where Numba is missing.

    Both give the same pieces, bit by bit. The cost of a piece depends on the rows of its nodes, not
    on the edges of the graph.
    """

    def distinct(self, draws: Int64[Tensor, " draws"]) -> Int64[Tensor, " nodes"]:
        """Return the nodes in `draws` once each, in ascending order."""
        ...

    def edges(
        self, node_ids: Int64[Tensor, " nodes"]
    ) -> tuple[Int64[Tensor, " nodes_plus_1"], Int32[Tensor, " edges"]]:
        """Return the CSR of the edges among `node_ids`, in local indices."""
        ...

    def weights(self, node_ids: Int64[Tensor, " nodes"]) -> Float[Tensor, " edges"] | None:
        """Return the weights of the edges that `edges` gives, None in a graph without weights."""
        ...

    def scaled_edges(
        self, node_ids: Int64[Tensor, " nodes"], inclusions: Inclusions
    ) -> tuple[Int64[Tensor, " nodes_plus_1"], Int32[Tensor, " edges"], Float[Tensor, " edges"]]:
        """Return the edges among `node_ids`, and each one's inverse share.

        The inverse share is the number of subgraphs with the destination over those with the edge.
        """
        ...

    def include(self, node_ids: Int64[Tensor, " nodes"], inclusions: Inclusions) -> None:
        """Add the subgraph of `node_ids` to `inclusions`."""
        ...

    def neighborhood(
        self, node_ids: Int64[Tensor, " rows"]
    ) -> tuple[Int64[Tensor, " local"], Int64[Tensor, " rows_plus_1"], Int32[Tensor, " edges"]]:
        """Return the same as `GraphData.neighborhood`."""
        ...


def build_subgraphs(graph: GraphData) -> Subgraphs:
    """Return `Subgraphs` of `graph`, which must be on the CPU."""
    if numba_works():
        from redditgnn.sampler.subgraph_numba import NumbaSubgraphs

        return NumbaSubgraphs(graph)
    from redditgnn.sampler.subgraph_torch import TorchSubgraphs

    return TorchSubgraphs(graph)


def subgraph_batch(
    graph: GraphData,
    node_ids: Int64[Tensor, " nodes"],
    rowptr: Int64[Tensor, " nodes_plus_1"],
    col: Int32[Tensor, " edges"],
    *,
    num_layers: int,
    loss_weight: Float[Tensor, " nodes"],
    degree: Real[Tensor, " nodes"],
    edge_weight: Float[Tensor, " edges"] | None = None,
    edge_scale: Float[Tensor, " edges"] | None = None,
) -> Batch:
    """Build a batch from a subgraph, in which every layer computes every node."""
    return Batch(
        features=graph.rows(node_ids),
        y=graph.y.index_select(0, node_ids),
        loss_weight=loss_weight,
        node_ids=node_ids,
        rowptr=rowptr,
        col=col,
        degree=degree,
        edge_weight=edge_weight,
        edge_scale=edge_scale,
        num_dst=(len(node_ids),) * num_layers,
    )


class Inclusions:
    """Counts of the subgraphs drawn so far that contain each node and each edge.

    Attributes:
        node_counts: Number of subgraphs with each node.
        edge_counts: Number of subgraphs with each edge, in the order of `graph.col`.
    """

    def __init__(self, graph: GraphData) -> None:
        self.node_counts = torch.zeros(graph.num_nodes, dtype=torch.int32)
        self.edge_counts = torch.zeros(graph.num_edges, dtype=torch.int32)

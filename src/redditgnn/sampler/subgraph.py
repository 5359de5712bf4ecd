"""Batches that are induced subgraphs: some nodes and all edges among them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from redditgnn.csr import pointers
from redditgnn.graph import Batch, GraphData


class Subgraphs:
    """Cuts induced subgraphs out of one graph."""

    def __init__(self, graph: GraphData) -> None:
        self._rowptr, self._col = graph.rowptr.numpy(), graph.col.numpy()
        self._local_id = np.full(graph.num_nodes, -1, np.int32)

    def edges(
        self, node_ids: Int64[Tensor, " nodes"]
    ) -> tuple[Int64[Tensor, " nodes_plus_1"], Int32[Tensor, " edges"], Int64[Tensor, " edges"]]:
        """Return the CSR of the edges among `node_ids`, and each one's position in `graph.col`."""
        from redditgnn.sampler.csr_numba import induced_edges

        nodes = node_ids.numpy()
        self._local_id[nodes] = np.arange(len(nodes), dtype=np.int32)
        counts, sources, positions = induced_edges(self._rowptr, self._col, nodes, self._local_id)
        self._local_id[nodes] = -1
        return (
            pointers(torch.from_numpy(counts)),
            torch.from_numpy(sources),
            torch.from_numpy(positions),
        )


def subgraph_batch(
    graph: GraphData,
    node_ids: Int64[Tensor, " nodes"],
    rowptr: Int64[Tensor, " nodes_plus_1"],
    col: Int32[Tensor, " edges"],
    *,
    num_layers: int,
    loss_weight: Float[Tensor, " nodes"],
    degree: Int64[Tensor, " nodes"],
    edge_weight: Float[Tensor, " edges"] | None = None,
) -> Batch:
    """Complete a subgraph to a batch in which every layer computes every node."""
    return Batch(
        features=graph.rows(node_ids),
        y=graph.y[node_ids],
        loss_weight=loss_weight,
        node_ids=node_ids,
        rowptr=rowptr,
        col=col,
        degree=degree,
        edge_weight=edge_weight,
        num_dst=(len(node_ids),) * num_layers,
    )

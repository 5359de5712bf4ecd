"""Pieces of a graph by tensor operations, where Numba does not work."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from redditgnn.graph.csr import entries_of_rows, pointers, row_of_edge
from redditgnn.graph.data import GraphData
from redditgnn.sampler.subgraph import Inclusions


class TorchSubgraphs:
    """The readable `Subgraphs`: every entry of the rows takes part in several operations."""

    def __init__(self, graph: GraphData) -> None:
        self._graph = graph
        self._local_id = torch.full((graph.num_nodes,), -1, dtype=torch.int32)

    def distinct(self, draws: Int64[Tensor, " draws"]) -> Int64[Tensor, " nodes"]:
        return draws.unique()

    def edges(
        self, node_ids: Int64[Tensor, " nodes"]
    ) -> tuple[Int64[Tensor, " nodes_plus_1"], Int32[Tensor, " edges"]]:
        rowptr, col, _ = self._inside(node_ids)
        return rowptr, col

    def weights(self, node_ids: Int64[Tensor, " nodes"]) -> Float[Tensor, " edges"] | None:
        weight = self._graph.edge_weight
        return None if weight is None else weight[self._inside(node_ids)[2]]

    def scaled_edges(
        self, node_ids: Int64[Tensor, " nodes"], inclusions: Inclusions
    ) -> tuple[Int64[Tensor, " nodes_plus_1"], Int32[Tensor, " edges"], Float[Tensor, " edges"]]:
        rowptr, col, positions = self._inside(node_ids)
        row_counts = inclusions.node_counts[node_ids].clamp(min=1)[row_of_edge(rowptr)]
        return rowptr, col, 1 / (inclusions.edge_counts[positions].clamp(min=1) / row_counts)

    def include(self, node_ids: Int64[Tensor, " nodes"], inclusions: Inclusions) -> None:
        _, _, positions = self._inside(node_ids)
        inclusions.node_counts[node_ids] += 1
        inclusions.edge_counts[positions] += 1

    def neighborhood(
        self, node_ids: Int64[Tensor, " rows"]
    ) -> tuple[Int64[Tensor, " local"], Int64[Tensor, " rows_plus_1"], Int32[Tensor, " edges"]]:
        return self._graph.neighborhood(node_ids)

    def _inside(
        self, node_ids: Int64[Tensor, " nodes"]
    ) -> tuple[Int64[Tensor, " nodes_plus_1"], Int32[Tensor, " edges"], Int64[Tensor, " edges"]]:
        """Return the edges among `node_ids`, and each one's position in `graph.col`."""
        _, rows, positions = entries_of_rows(self._graph.rowptr, node_ids)
        self._local_id[node_ids] = torch.arange(len(node_ids), dtype=torch.int32)
        sources = self._local_id[self._graph.col[positions]]
        self._local_id[node_ids] = -1
        inside = sources >= 0
        counts = torch.bincount(rows[inside], minlength=len(node_ids))
        return pointers(counts), sources[inside], positions[inside]

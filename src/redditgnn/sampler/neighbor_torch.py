"""Neighbour sampling with tensor operations, on whichever device the graph is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from redditgnn.graph.csr import pointers, row_of_edge


class TorchNeighborhoods:
    """Samples neighbourhoods of one graph, with the interface of `NumbaNeighborhoods`."""

    def __init__(
        self, rowptr: Int64[Tensor, " nodes_plus_1"], col: Int32[Tensor, " edges"]
    ) -> None:
        self._rowptr, self._col = rowptr, col
        self._local_id = torch.full((len(rowptr) - 1,), -1, dtype=torch.int64, device=rowptr.device)

    def sample(
        self, targets: Int64[Tensor, " targets"], num_neighbors: Sequence[int], key: int
    ) -> tuple[Int64[Tensor, " nodes"], Int64[Tensor, " rows_plus_1"], Int32[Tensor, " edges"]]:
        """Sample `num_neighbors[h]` in-neighbours of the nodes at hop h, without replacement.

        Returns:
            Global node ids in breadth-first order, and the CSR of all but the last hop's nodes.
        """
        return self.sample_with_entries(targets, num_neighbors, key)[:3]

    def sample_with_entries(
        self, targets: Int64[Tensor, " targets"], num_neighbors: Sequence[int], key: int
    ) -> tuple[
        Int64[Tensor, " nodes"],
        Int64[Tensor, " rows_plus_1"],
        Int32[Tensor, " edges"],
        Int64[Tensor, " edges"],
    ]:
        """Sample as `sample`, and return the position of each edge in the graph's `col`."""
        generator = torch.Generator(self._rowptr.device).manual_seed(key)
        nodes, start = targets, 0
        self._local_id[nodes] = torch.arange(len(nodes), device=nodes.device)
        counts, sources, entries = [], [], []
        for fanout in num_neighbors:
            hop = nodes[start:]
            start = len(nodes)
            hop_counts, hop_entries = self._pick(hop, fanout, generator)
            neighbors = self._col[hop_entries].long()
            nodes = torch.cat([nodes, self._number_new_nodes(neighbors, start)])
            counts.append(hop_counts)
            sources.append(self._local_id[neighbors])
            entries.append(hop_entries)
        self._local_id[nodes] = -1
        rowptr, col = pointers(torch.cat(counts)), torch.cat(sources).to(torch.int32)
        return nodes, rowptr, col, torch.cat(entries)

    def _pick(
        self, nodes: Tensor, fanout: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the number of sampled neighbours of each node, and their positions in `col`.

        The total is the size of the tensors that follow: this waits for the device.
        """
        first = self._rowptr[nodes]
        degree = self._rowptr[nodes + 1] - first
        counts = degree if fanout < 0 else degree.clamp(max=fanout)
        rowptr = pointers(counts)
        rows = row_of_edge(rowptr, int(rowptr[-1]))
        offset = torch.arange(len(rows), device=nodes.device) - rowptr[:-1][rows]
        if fanout > 0:
            picks = draw_distinct(degree, fanout, generator)
            offset = torch.where((degree > fanout)[rows], picks[offset, rows], offset)
        return counts, first[rows] + offset

    def _number_new_nodes(self, neighbors: Tensor, num_nodes: int) -> Tensor:
        """Number the new nodes in order of first occurrence, and return them.

        Their count is not known before: this is the second wait of a hop.
        """
        position = torch.arange(len(neighbors), device=neighbors.device)
        first = torch.full_like(self._local_id, len(neighbors))
        first.scatter_reduce_(0, neighbors, position, "amin")
        is_new = (self._local_id[neighbors] < 0) & (first[neighbors] == position)
        new_ids = neighbors[is_new]
        self._local_id[new_ids] = num_nodes + torch.arange(len(new_ids), device=new_ids.device)
        return new_ids


def draw_distinct(
    degree: Int64[Tensor, " rows"], fanout: int, generator: torch.Generator
) -> Int64[Tensor, "fanout rows"]:
    """Draw `fanout` distinct numbers below each degree, uniformly (Floyd's algorithm).

    Draw j is uniform up to the bound `degree - fanout + j`, and becomes that bound if it repeats an
    earlier draw. Columns of rows with `degree <= fanout` hold no valid draw.
    """
    number = torch.arange(fanout, device=degree.device)[:, None]
    bound = (degree - fanout + number).clamp(min=0)
    uniform = torch.rand(
        bound.shape, generator=generator, dtype=torch.float64, device=degree.device
    )
    picks = (uniform * (bound + 1)).long()
    for row in range(1, fanout):
        is_repeat = (picks[:row] == picks[row]).any(0)
        picks[row] = torch.where(is_repeat, bound[row], picks[row])
    return picks

"""Neighbour sampling on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from redditgnn.graph.csr import pointers
from redditgnn.runtime.numba_threads import run_on_rows
from redditgnn.sampler.csr_numba import (
    append_new_nodes,
    forget_nodes,
    number_nodes,
    pick_entries,
    pick_neighbors,
    row_pointers,
)

PICKS_A_TASK = 16_384  # about 0.1 ms of drawing, where handing over a task takes 0.01 ms


class NumbaNeighborhoods:
    """Samples neighbourhoods of one graph with the kernels of `csr_numba`."""

    def __init__(
        self, rowptr: Int64[Tensor, " nodes_plus_1"], col: Int32[Tensor, " edges"]
    ) -> None:
        self._rowptr, self._col = rowptr.numpy(), col.numpy().view(np.uint32)
        self._local_id = np.full(len(rowptr) - 1, -1, np.int32)

    def sample(
        self, targets: Int64[Tensor, " targets"], num_neighbors: Sequence[int], key: int
    ) -> tuple[Int64[Tensor, " nodes"], Int64[Tensor, " rows_plus_1"], Int32[Tensor, " edges"]]:
        """Sample `num_neighbors[h]` in-neighbours of the nodes at hop h, without replacement.

        Returns:
            Global node ids in breadth-first order, and the CSR of all but the last hop's nodes.
        """
        nodes, start = targets.numpy(), 0
        number_nodes(nodes, self._local_id)
        counts, sources = [], []
        for fanout in num_neighbors:
            hop, start = nodes[start:], len(nodes)
            hop_rowptr, neighbors = self._neighbors(hop, fanout, np.uint64(key))
            nodes = append_new_nodes(nodes, neighbors, self._local_id)
            counts.append(np.diff(hop_rowptr))
            sources.append(neighbors)
        forget_nodes(nodes, self._local_id)
        rowptr = pointers(torch.from_numpy(np.concatenate(counts)))
        return torch.from_numpy(nodes), rowptr, torch.from_numpy(np.concatenate(sources))

    def sample_with_entries(
        self, targets: Int64[Tensor, " targets"], num_neighbors: Sequence[int], key: int
    ) -> tuple[
        Int64[Tensor, " nodes"],
        Int64[Tensor, " rows_plus_1"],
        Int32[Tensor, " edges"],
        Int64[Tensor, " edges"],
    ]:
        """Sample as `sample`, and find the position of each edge in the graph's `col`.

        The neighbours of a node depend on its number of them and the key alone: they are picked
        again.
        """
        node_ids, rowptr, col = self.sample(targets, num_neighbors, key)
        pointers, entries = rowptr.numpy(), np.empty(len(col), np.int64)
        nodes = node_ids.numpy()[: len(pointers) - 1]
        picked = pointers, self._rowptr, nodes, np.uint64(key), entries
        run_on_rows(pick_entries, *picked, entries_a_task=PICKS_A_TASK)
        return node_ids, rowptr, col, torch.from_numpy(entries)

    def _neighbors(
        self, nodes: np.ndarray, fanout: int, key: np.uint64
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return row pointers to the neighbours of each of `nodes`, and their global ids."""
        rowptr = row_pointers(self._rowptr, nodes, fanout)
        neighbors = np.empty(rowptr[-1], np.int32)
        run_on_rows(
            pick_neighbors,
            rowptr,
            self._rowptr,
            self._col,
            nodes,
            key,
            neighbors,
            entries_a_task=PICKS_A_TASK,
        )
        return rowptr, neighbors

"""Neighbour sampling on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from redditgnn.csr import pointers
from redditgnn.sampler.csr_numba import sample_hop


class NumbaNeighborhoods:
    """Samples neighbourhoods of one graph with the kernels of `csr_numba`."""

    def __init__(
        self, rowptr: Int64[Tensor, " nodes_plus_1"], col: Int32[Tensor, " edges"]
    ) -> None:
        self._rowptr, self._col = rowptr.numpy(), col.numpy()
        self._local_id = np.full(len(rowptr) - 1, -1, np.int32)

    def sample(
        self, targets: Int64[Tensor, " targets"], num_neighbors: Sequence[int], key: int
    ) -> tuple[Int64[Tensor, " nodes"], Int64[Tensor, " rows_plus_1"], Int32[Tensor, " edges"]]:
        """Sample `num_neighbors[h]` in-neighbours of the nodes found at hop h, without replacement.

        Returns:
            Global node ids in breadth-first order, and the CSR of all but the last hop's nodes.
        """
        nodes, start = targets.numpy(), 0
        self._local_id[nodes] = np.arange(len(nodes), dtype=np.int32)
        counts, sources = [], []
        for fanout in num_neighbors:
            found = len(nodes)
            nodes, hop_counts, hop_sources = sample_hop(
                self._rowptr, self._col, nodes, start, fanout, np.uint64(key), self._local_id
            )
            start = found
            counts.append(hop_counts)
            sources.append(hop_sources)
        self._local_id[nodes] = -1
        rowptr = pointers(torch.from_numpy(np.concatenate(counts)))
        return torch.from_numpy(nodes), rowptr, torch.from_numpy(np.concatenate(sources))

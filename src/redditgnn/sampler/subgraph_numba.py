"""Pieces of a graph by compiled kernels, the rows shared out among threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from redditgnn.graph.data import GraphData
from redditgnn.runtime.numba_threads import run_on_rows
from redditgnn.sampler.csr_numba import (
    add_inside,
    count_inside,
    forget_nodes,
    list_inside,
    list_inside_scaled,
    list_inside_weights,
    list_sources,
    mark_sources,
    number_nodes,
    row_pointers,
)
from redditgnn.sampler.subgraph import Inclusions

ENTRIES_A_TASK = 131_072  # about 0.1 ms of reading, where handing over a task takes 0.01 ms
SORTS_BELOW = 1 / 256  # draws per node of the graph: sorting is then faster than marking nodes


class NumbaSubgraphs:
    """`Subgraphs` with the kernels of `csr_numba`, each of which reads the rows' entries once."""

    def __init__(self, graph: GraphData) -> None:
        self._rowptr, self._col = graph.rowptr.numpy(), graph.col.numpy().view(np.uint32)
        self._weight = None if graph.edge_weight is None else graph.edge_weight.numpy()
        self._local_id = np.full(graph.num_nodes, -1, np.int32)
        self._is_marked = np.zeros(graph.num_nodes, np.bool_)

    def distinct(self, draws: Int64[Tensor, " draws"]) -> Int64[Tensor, " nodes"]:
        if len(draws) < SORTS_BELOW * len(self._is_marked):
            return draws.unique()
        self._is_marked[draws.numpy()] = True
        return torch.from_numpy(self._unmark())

    def edges(
        self, node_ids: Int64[Tensor, " nodes"]
    ) -> tuple[Int64[Tensor, " nodes_plus_1"], Int32[Tensor, " edges"]]:
        nodes = node_ids.numpy()
        number_nodes(nodes, self._local_id)
        rowptr, pointers = self._find_pointers(nodes)
        sources = np.empty(pointers[-1], np.int32)
        self._run(list_inside, rowptr, nodes, self._local_id, pointers, sources)
        forget_nodes(nodes, self._local_id)
        return torch.from_numpy(pointers), torch.from_numpy(sources)

    def weights(self, node_ids: Int64[Tensor, " nodes"]) -> Float[Tensor, " edges"] | None:
        if self._weight is None:
            return None
        nodes = node_ids.numpy()
        number_nodes(nodes, self._local_id)
        rowptr, pointers = self._find_pointers(nodes)
        weights = np.empty(pointers[-1], np.float32)
        self._run(
            list_inside_weights, rowptr, nodes, self._local_id, pointers, self._weight, weights
        )
        forget_nodes(nodes, self._local_id)
        return torch.from_numpy(weights)

    def scaled_edges(
        self, node_ids: Int64[Tensor, " nodes"], inclusions: Inclusions
    ) -> tuple[Int64[Tensor, " nodes_plus_1"], Int32[Tensor, " edges"], Float[Tensor, " edges"]]:
        nodes = node_ids.numpy()
        number_nodes(nodes, self._local_id)
        rowptr, pointers = self._find_pointers(nodes)
        sources, scales = np.empty(pointers[-1], np.int32), np.empty(pointers[-1], np.float32)
        counts = inclusions.node_counts.numpy(), inclusions.edge_counts.numpy()
        self._run(
            list_inside_scaled, rowptr, nodes, self._local_id, pointers, sources, *counts, scales
        )
        forget_nodes(nodes, self._local_id)
        return torch.from_numpy(pointers), torch.from_numpy(sources), torch.from_numpy(scales)

    def include(self, node_ids: Int64[Tensor, " nodes"], inclusions: Inclusions) -> None:
        nodes = node_ids.numpy()
        number_nodes(nodes, self._local_id)
        rowptr = row_pointers(self._rowptr, nodes, -1)
        self._run(add_inside, rowptr, nodes, self._local_id, inclusions.edge_counts.numpy())
        forget_nodes(nodes, self._local_id)
        inclusions.node_counts.numpy()[nodes] += 1

    def neighborhood(
        self, node_ids: Int64[Tensor, " rows"]
    ) -> tuple[Int64[Tensor, " local"], Int64[Tensor, " rows_plus_1"], Int32[Tensor, " edges"]]:
        nodes = node_ids.numpy()
        pointers = row_pointers(self._rowptr, nodes, -1)
        self._run(mark_sources, pointers, nodes, self._is_marked)
        self._is_marked[nodes] = False
        local_nodes = np.concatenate([nodes, self._unmark()])
        number_nodes(local_nodes, self._local_id)
        sources = np.empty(pointers[-1], np.int32)
        self._run(list_sources, pointers, nodes, self._local_id, sources)
        forget_nodes(local_nodes, self._local_id)
        return torch.from_numpy(local_nodes), torch.from_numpy(pointers), torch.from_numpy(sources)

    def _find_pointers(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return row pointers to all entries of `nodes`, and to those with a numbered source."""
        rowptr = row_pointers(self._rowptr, nodes, -1)
        pointers = np.zeros(len(nodes) + 1, np.int64)
        self._run(count_inside, rowptr, nodes, self._local_id, pointers[1:])
        return rowptr, pointers.cumsum()

    def _run(self, kernel: Callable[..., None], rowptr: np.ndarray, *args: Any) -> None:
        run_on_rows(kernel, rowptr, self._rowptr, self._col, *args, entries_a_task=ENTRIES_A_TASK)

    def _unmark(self) -> np.ndarray:
        """Return the marked nodes in ascending order, and clear the marks."""
        nodes = self._is_marked.nonzero()[0]
        self._is_marked[nodes] = False
        return nodes

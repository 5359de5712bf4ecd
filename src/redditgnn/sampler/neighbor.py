"""Uniform neighbour sampling without replacement (Hamilton et al. 2017, arXiv:1706.02216).

A node's neighbours are sampled once a batch and used by every layer that computes the node, as in
PyG's NeighborLoader. The paper samples again for every layer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.graph.packed import Packing
from redditgnn.graph.placement import FeatureTier, place
from redditgnn.runtime.numba_threads import numba_works
from redditgnn.sampler.base import IsChosen, build_chosen, every_batch
from redditgnn.sampler.side_stream import SideStream

log = logging.getLogger(__name__)


@runtime_checkable
class Neighborhoods(Protocol):
    """Samples neighbours: `NumbaNeighborhoods` on a CPU with Numba, else `TorchNeighborhoods`."""

    def sample(
        self, targets: Tensor, num_neighbors: Sequence[int], key: int
    ) -> tuple[Tensor, Tensor, Tensor]: ...

    def sample_with_entries(
        self, targets: Tensor, num_neighbors: Sequence[int], key: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]: ...


class NeighborSampler:
    """Batches of training nodes, with `num_neighbors[h]` in-neighbours sampled per node at hop h.

    -1 takes all neighbours. `feature_tier` says where graph and features live with CUDA, see
    `redditgnn.graph.placement`. A batch is the same in all tiers except `mmap` and `packed`, where
    the CPU draws it. `packed` may take `pack_gib` of disk, see `redditgnn.graph.packed`.
    """

    has_halo = True
    gives_edge_weight = True

    def __init__(
        self,
        graph: GraphData,
        *,
        num_layers: int,
        device: torch.device,
        seed: int,
        num_neighbors: list[int],
        batch_size: int,
        feature_tier: FeatureTier,
        pack_gib: int | float | None,
    ) -> None:
        check_num_neighbors(num_neighbors, num_layers)
        require_positive("sampler.batch_size", batch_size)
        self._placed, self._stream = place(graph, device, feature_tier), SideStream(device)
        self._pack = _packing(graph, feature_tier, pack_gib)
        self._neighborhoods = self._build_neighborhoods(self._placed.graph)
        self._num_neighbors, self._batch_size = num_neighbors, batch_size
        self._weight = self._placed.graph.edge_weight
        self._degree = None if self._weight is None else self._placed.graph.weighted_degree
        self._targets = graph.train_mask.nonzero().view(-1)
        self._generator = torch.Generator().manual_seed(seed)
        self.generators = (self._generator,)

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return self.select(every_batch)

    def select(self, is_chosen: IsChosen) -> Iterator[Batch]:
        """Draw an epoch, and build the chosen ones of its batches."""
        batches = build_chosen(self._plan(), self._batch, is_chosen)
        return self._stream.build(batches if self._pack is None else self._pack(batches))

    def _plan(self) -> Iterator[tuple[Tensor, int]]:
        """Draw the targets of each batch, and the key that its neighbours are sampled with."""
        order = torch.randperm(len(self._targets), generator=self._generator)
        for targets in self._targets[order].split(self._batch_size):
            yield targets, self._draw_key()

    def batch_of(self, targets: Int64[Tensor, " targets"]) -> Batch:
        """Sample the neighbourhoods of these nodes, which must be distinct, into a batch."""
        return self._batch((targets, self._draw_key()))

    def _draw_key(self) -> int:
        return int(torch.randint(2**62, (), generator=self._generator))

    def _batch(self, record: tuple[Tensor, int]) -> Batch:
        targets, key = record[0].to(self._placed.device), record[1]
        node_ids, rowptr, col, weights = self._sample(targets, key)
        batch = sampled_batch(
            self._placed.graph,
            node_ids,
            rowptr,
            col,
            num_targets=len(targets),
            num_layers=len(self._num_neighbors),
            loss_weight=len(self) / len(self._targets),
        )
        return replace(batch, features=self._placed.rows(node_ids), **weights)

    def _sample(
        self, targets: Int64[Tensor, " targets"], key: int
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        """Sample, and return what a batch holds of edge weights."""
        if self._weight is None or self._degree is None:
            return *self._neighborhoods.sample(targets, self._num_neighbors, key), {}
        *piece, entries = self._neighborhoods.sample_with_entries(targets, self._num_neighbors, key)
        node_ids, rowptr, col = piece
        degree = self._degree.index_select(0, node_ids)
        weight = self._weight.index_select(0, entries)
        return node_ids, rowptr, col, {"degree": degree, "edge_weight": weight}

    @staticmethod
    def _build_neighborhoods(graph: GraphData) -> Neighborhoods:
        if not _uses_numba(graph):
            from redditgnn.sampler.neighbor_torch import TorchNeighborhoods

            return TorchNeighborhoods(graph.rowptr, graph.col)
        from redditgnn.sampler.neighbor_numba import NumbaNeighborhoods

        return NumbaNeighborhoods(graph.rowptr, graph.col)


def sampled_batch(
    graph: GraphData,
    node_ids: Tensor,
    rowptr: Tensor,
    col: Tensor,
    *,
    num_targets: int,
    num_layers: int,
    loss_weight: float,
) -> Batch:
    """Build a batch from a sampled neighbourhood. All its targets weigh `loss_weight`."""
    degree = graph.rowptr.index_select(0, node_ids + 1) - graph.rowptr.index_select(0, node_ids)
    num_sampled = rowptr.diff()
    targets = node_ids[:num_targets]
    return Batch(
        features=graph.rows(node_ids),
        y=graph.y.index_select(0, targets),
        loss_weight=torch.full((num_targets,), loss_weight, device=node_ids.device),
        node_ids=node_ids,
        rowptr=rowptr,
        col=col,
        degree=degree,
        row_scale=degree[: len(num_sampled)] / num_sampled.clamp(min=1),
        num_dst=rows_per_layer(rowptr, col, num_targets, num_layers),
    )


def _packing(graph: GraphData, tier: FeatureTier, gib: int | float | None) -> Packing | None:
    require(
        gib is None or tier == "packed",
        f"sampler.pack_gib={gib} needs sampler.feature_tier=packed, got {tier}",
    )
    if tier != "packed":
        return None
    packing = Packing(graph.x, graph.writable_cache_dir, gib)
    log.info(packing.describe())
    return packing


def _uses_numba(graph: GraphData) -> bool:
    return not graph.rowptr.is_cuda and numba_works()


def rows_per_layer(
    rowptr: Tensor, col: Tensor, num_targets: int, num_layers: int
) -> tuple[int, ...]:
    """Count the rows that each layer computes: targets in the last, one hop more in each before."""
    rows = [num_targets]
    for _ in range(num_layers - 1):
        sources = col[: rowptr[rows[-1]]]
        furthest = int(sources.max()) + 1 if len(sources) else 0
        rows.append(max(rows[-1], furthest))
    return tuple(reversed(rows))


def check_num_neighbors(num_neighbors: list[int], num_layers: int) -> None:
    """Refuse a list of fanouts that does not fit the model."""
    require(
        len(num_neighbors) == num_layers,
        f"sampler.num_neighbors must have one entry for each of model.num_layers={num_layers}, "
        f"got {num_neighbors}; "
        f"try 'sampler.num_neighbors={format_fanouts(num_neighbors, num_layers)}'",
    )
    require(
        all(fanout > 0 or fanout == -1 for fanout in num_neighbors),
        f"sampler.num_neighbors must be positive, or -1 for all neighbours, got {num_neighbors}",
    )


def format_fanouts(num_neighbors: list[int], num_layers: int) -> str:
    """Write the list with `num_layers` entries: cut, or continued with its last entry."""
    last = num_neighbors[-1:] or [10]
    entries = (num_neighbors + last * num_layers)[:num_layers]
    return "[" + ",".join(map(str, entries)) + "]"

"""The part of the whole graph that a rank trains on, for `parallel=partition`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from redditgnn.distributed.boundary import Boundary
from redditgnn.distributed.exchange import ExactHalo, StaleHalo
from redditgnn.distributed.halo import HaloSettings, Route, part_of, route_of
from redditgnn.distributed.team import Team
from redditgnn.graph.batch import Batch, Histories
from redditgnn.graph.data import GraphData
from redditgnn.partition.parts import Cut, owners_of


class PartSampler:
    """A batch for each rank: the nodes that it owns, with all their in-edges.

    Each rank can build only its own. The mean of the ranks' losses is the loss of `sampler=full`,
    and so with the gradients. All ranks need the same `seed` and `owner`, the rank of each node.
    """

    has_halo = True
    gives_edge_weight = True

    def __init__(
        self,
        graph: GraphData,
        owner: Int64[Tensor, " nodes"],
        team: Team,
        halo: HaloSettings,
        *,
        num_layers: int,
        device: torch.device,
        seed: int,
    ) -> None:
        self._graph, self._team, self._settings, self._device = graph, team, halo, device
        self.batches_per_step = team.size
        self._generator = torch.Generator().manual_seed(seed)
        self.generators = (self._generator,)
        self.part = part_of(graph, owner, team.rank, team.size)
        self.route = route_of(self.part, team)
        self._boundary = Boundary(self.part, self.route, team.rank, halo.boundary_rate)
        self._degree, mask = graph.weighted_degree, graph.train_mask
        own, node_ids = self.part.own, self.part.node_ids
        self._batch = Batch(
            features=graph.rows(node_ids),
            y=graph.y[own],
            loss_weight=mask[own] * (team.size / mask.sum()),
            node_ids=node_ids,
            rowptr=self.part.rowptr,
            col=self.part.col,
            degree=self._degree[node_ids],
            num_dst=(len(own),) * num_layers,
            edge_weight=graph.weights_of_rows(own),
            histories=self._histories(self.route),
        )
        if not halo.samples:
            self._batch = self._batch.to(device)

    def __len__(self) -> int:
        return self._team.size

    def __iter__(self) -> Iterator[Batch]:
        return self.select(lambda number: number == self._team.rank)

    def select(self, is_chosen: Callable[[int], bool]) -> Iterator[Batch]:
        """Yield the batch of this rank if it is chosen."""
        key = int(torch.randint(2**62, (), generator=self._generator))
        if is_chosen(self._team.rank):
            yield self._drawn(key) if self._settings.samples else self._batch

    def _histories(self, route: Route) -> Histories:
        route, dtype = route.to(self._device), self._settings.dtype
        if self._settings.staleness:
            return StaleHalo(self._team, route, dtype, self._settings.smoothing)
        return ExactHalo(self._team, route, dtype)

    def _drawn(self, key: int) -> Batch:
        """Return the batch that reads a share of the halo, drawn with `key`."""
        drawn, route = self._boundary.draw(key)
        edges = self._boundary.edges(drawn)
        node_ids = torch.cat([self.part.own, self.part.halo[drawn]])
        weight = self._batch.edge_weight
        return replace(
            self._batch,
            features=self._graph.rows(node_ids),
            node_ids=node_ids,
            rowptr=edges.rowptr,
            col=edges.col,
            degree=self._degree[node_ids],
            edge_weight=None if weight is None else weight[edges.positions],
            halo_scale=1 / self._settings.boundary_rate,
            histories=self._histories(route),
            _blocks={},
        )


def part_sampler(
    graph: GraphData, team: Team, partition: Cut, halo: HaloSettings, **facts: Any
) -> PartSampler:
    """Return the sampler of this rank. Rank 0 cuts the graph into parts; see `owners_of`."""
    first = team.rank == 0
    owner = owners_of(graph, team.size, partition, facts["seed"]) if first else None
    return PartSampler(graph, team.broadcast(owner), team, halo, **facts)

"""The part of the whole graph that a rank trains on, for `parallel=partition`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from redditgnn.distributed.boundary import Boundary
from redditgnn.distributed.exchange import ExactHalo, StaleHalo
from redditgnn.distributed.halo import HaloSettings, Route, route_of
from redditgnn.distributed.part_files import PartData, data_of, folder_of, load, save
from redditgnn.distributed.team import Team
from redditgnn.graph.batch import Batch, Histories
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows
from redditgnn.partition.parts import Cut, owners_of


class PartSampler:
    """A batch for each rank: the nodes that it owns, with all their in-edges.

    Each rank can build only its own. The mean of the ranks' losses is the loss of `sampler=full`,
    and so with the gradients. All ranks need the same `seed`, and parts of the same graph.
    """

    has_halo = True
    has_one_step = True
    gives_edge_weight = True

    def __init__(
        self,
        graph: GraphData,
        data: PartData,
        team: Team,
        halo: HaloSettings,
        *,
        num_layers: int,
        device: torch.device,
        seed: int,
    ) -> None:
        self._data, self._team, self._settings, self._device = data, team, halo, device
        self.part = data.part
        self._generator = torch.Generator().manual_seed(seed)
        self.generators = (self._generator,) if halo.samples else ()
        self.route = route_of(self.part, team)
        self._boundary = Boundary(self.part, self.route, team.rank, halo.boundary_rate)
        own, mask = self.part.own, graph.train_mask
        self._batch = Batch(
            features=Rows(data.x),
            y=graph.y[own],
            loss_weight=mask[own] * (team.size / mask.sum()),
            node_ids=self.part.node_ids,
            rowptr=self.part.rowptr,
            col=self.part.col,
            degree=data.degree,
            num_dst=(len(own),) * num_layers,
            edge_weight=data.edge_weight,
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

    @property
    def owns_state(self) -> bool:
        """Whether steps read what arrived a step ago."""
        return bool(self._settings.staleness)

    def own_state(self) -> dict[str, Any]:
        """Return what the next step reads of other ranks."""
        assert isinstance(self._batch.histories, StaleHalo)
        return self._batch.histories.state_dict()

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Restore what the next step reads of other ranks."""
        assert isinstance(self._batch.histories, StaleHalo)
        self._batch.histories.load_state_dict(state, self._device)

    def _histories(self, route: Route) -> Histories:
        route, dtype = route.to(self._device), self._settings.dtype
        if self._settings.staleness:
            return StaleHalo(self._team, route, dtype, self._settings.smoothing)
        return ExactHalo(self._team, route, dtype)

    def _drawn(self, key: int) -> Batch:
        """Return the batch that reads a share of the halo, drawn with `key`."""
        drawn, route = self._boundary.draw(key)
        edges, num_own = self._boundary.edges(drawn), len(self.part.own)
        nodes, weight = torch.cat([torch.arange(num_own), num_own + drawn]), self._data.edge_weight
        return replace(
            self._batch,
            features=Rows(self._data.x, nodes),
            node_ids=self._batch.node_ids[nodes],
            rowptr=edges.rowptr,
            col=edges.col,
            degree=self._data.degree[nodes],
            edge_weight=None if weight is None else weight[edges.positions],
            halo_scale=1 / self._settings.boundary_rate,
            histories=self._histories(route),
            _blocks={},
        )


def part_data(graph: GraphData, team: Team, cut: Cut, seed: int, *, stored: bool) -> PartData:
    """Return the part of this rank. Rank 0 cuts the graph; see `owners_of`.

    `stored`: the features are the dataset's own, so that files may hold the part from now on.
    """
    name = f"{cut} {seed}" if cut == "random" else cut
    folder = folder_of(graph, team.rank, team.size, name) if stored else None
    data = None if folder is None else load(folder)
    own_id = torch.tensor([-1 if data is None else data.cut_id])
    cut_ids = torch.cat(team.gather_equal(own_id))
    if data is not None and bool((cut_ids == own_id).all()):
        return data
    owner = torch.empty(0) if team.rank else owners_of(graph, team.size, cut, seed)
    data = data_of(graph, team.broadcast(owner), team.rank, team.size)
    if folder is not None:
        save(data, folder)
    return data

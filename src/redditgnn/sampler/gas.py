"""GNNAutoScale: clusters with their halo, read from histories (Fey et al. 2021, arXiv:2106.05609).

A batch holds some parts of the graph with all their in-edges. States of nodes outside (the halo)
are not computed but read from a table that every layer's output was last written to.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Batch, Histories
from redditgnn.graph.data import GraphData
from redditgnn.histories.host import HostHistories, in_memory, on_disk
from redditgnn.histories.lipschitz import LipschitzHistories
from redditgnn.histories.staleness import AgedHistories, Ages
from redditgnn.histories.table import HistoryStore, HistoryTable
from redditgnn.record.rows import HistoryRow
from redditgnn.sampler.base import Listener
from redditgnn.sampler.cluster import PartDrawer
from redditgnn.sampler.subgraph import subgraphs_of

HistoryDevice = Literal["auto", "cpu", "disk"]


class GASSampler:
    """Batches of `batch_size` parts, complete neighbourhoods, histories for the halo.

    Args:
        partition: `metis`: few edges leave a part. `random`: parts of equal size, drawn from the
            run's seed, to see what METIS is worth.
        history_device: Where the histories live. `auto`: on the device that trains. `cpu`: in host
            memory, for a CUDA device page-locked and copied on a stream of its own from when a
            batch's forward pass begins. `disk`: memory-mapped, beside the dataset's cache, for as
            long as the process lives.
        max_steps: Most batches an epoch; None: all parts once. See `PartDrawer`.
        refresh_every: Epochs between two times that the exact states of all nodes are put into the
            histories, beginning before the first epoch; 0: never. pyg_autoscale does so at every
            evaluation and before the first epoch, as its inference pushes what it computes.
        lipschitz_weight: Of the auxiliary loss that keeps layers from amplifying the error of
            histories; 0: none.
        lipschitz_noise: Standard deviation of the noise that the loss is computed with.
        log_staleness: Write age and error of the histories to histories.csv of the run.
    """

    has_halo = True

    def __init__(
        self,
        graph: GraphData,
        *,
        num_layers: int,
        device: torch.device,
        seed: int,
        num_parts: int,
        batch_size: int,
        partition: Literal["metis", "random"],
        history_device: HistoryDevice,
        max_steps: int | None,
        refresh_every: int,
        lipschitz_weight: int | float,
        lipschitz_noise: int | float,
        log_staleness: bool,
    ) -> None:
        require(
            max_steps is None or max_steps > 0,
            f"sampler.max_steps must be positive, or null for all parts, got {max_steps}",
        )
        at_least_0 = {"refresh_every": refresh_every, "lipschitz_weight": lipschitz_weight}
        for key, value in at_least_0.items():
            require(value >= 0, f"sampler.{key} must be at least 0, got {value}")
        require_positive("sampler.lipschitz_noise", lipschitz_noise)
        self._drawer = PartDrawer(
            graph,
            num_parts=num_parts,
            batch_size=batch_size,
            partition=partition,
            max_steps=max_steps,
            seed=seed,
        )
        self.graph, self._num_layers, self._refresh_every = graph, num_layers, refresh_every
        self._subgraphs, self._degree = subgraphs_of(graph), graph.degree
        self._lipschitz_weight, self._lipschitz_noise = lipschitz_weight, lipschitz_noise
        self._ages = Ages(graph.num_nodes) if log_staleness else None
        self._found: list[HistoryRow] = []
        self.generators = self._drawer.generators
        self.histories = history_store(graph, device, history_device)

    def __len__(self) -> int:
        return len(self._drawer)

    def __iter__(self) -> Iterator[Batch]:
        for node_ids in self._drawer:
            yield self._batch(node_ids)

    def listener(self, epoch: int) -> Listener | None:
        """Return what refreshes the histories or measures their error, in epochs that do."""
        refreshes = self._refresh_every > 0 and epoch % self._refresh_every == 0
        measures = self._ages is not None and epoch > 0
        if self._ages is not None:
            self._ages.epoch = epoch
        return partial(self._hear, refreshes, measures) if refreshes or measures else None

    def staleness(self) -> Iterator[HistoryRow]:
        """Give away what `log_staleness` found out behind the last epoch."""
        found, self._found = self._found, []
        yield from found

    def state_dict(self) -> dict[str, Any]:
        """Return the histories, and their ages where those are logged."""
        self.histories.settle()
        ages = None if self._ages is None else self._ages.state_dict()
        return {"histories": dict(self.histories.states), "ages": ages}

    def load_state_dict(self, state: dict[str, Any], num_epochs: int) -> None:
        """Become what `state_dict` told, when `num_epochs` epochs were over."""
        for layer, states in state["histories"].items():
            self.histories.overwrite(layer, states)
        if self._ages is not None:
            self._ages.load_state_dict(state["ages"], num_epochs)

    def _hear(
        self, refreshes: bool, measures: bool, layer: int, exact: Float[Tensor, "nodes width"]
    ) -> None:
        if layer == self._num_layers - 1:  # nobody reads what the last one gives
            return
        if measures and self._ages is not None:
            self.histories.settle()
            self._found.append(self._ages.row(layer, self.histories.states[layer], exact))
        if refreshes:
            self.histories.overwrite(layer, exact)
            if self._ages is not None:
                self._ages.count_refresh(layer)

    def _batch(self, inside: Int64[Tensor, " inside"]) -> Batch:
        node_ids, rowptr, col = self._subgraphs.neighborhood(inside)
        return Batch(
            features=self.graph.rows(node_ids),
            y=self.graph.y.index_select(0, inside),
            loss_weight=self._drawer.loss_weight.index_select(0, inside),
            node_ids=node_ids,
            rowptr=rowptr,
            col=col,
            degree=self._degree.index_select(0, node_ids),
            num_dst=(len(inside),) * self._num_layers,
            histories=self._histories(node_ids, len(inside)),
        )

    def _histories(self, node_ids: Int64[Tensor, " nodes"], num_inside: int) -> Histories:
        histories = self.histories.of_batch(node_ids, num_inside)
        if self._ages is not None:
            histories = AgedHistories(histories, self._ages, node_ids, num_inside)
        if self._lipschitz_weight > 0:
            weight, noise = self._lipschitz_weight, self._lipschitz_noise
            histories = LipschitzHistories(histories, weight, noise)
        return histories


def history_store(
    graph: GraphData, device: torch.device, history_device: HistoryDevice
) -> HistoryStore:
    """Make what keeps the histories of a model that trains on `device`."""
    if history_device == "disk":
        return HostHistories(graph.num_nodes, device, on_disk(graph.writable_cache_dir))
    if history_device == "cpu" and device.type == "cuda":
        return HostHistories(graph.num_nodes, device, in_memory(device))
    return HistoryTable(graph.num_nodes, device)

"""GNNAutoScale: clusters with their halo, read from histories (Fey et al. 2021, arXiv:2106.05609).

A batch holds some parts of the graph with all their in-edges. States of nodes outside (the halo)
are not computed. They are read from a table, which holds the last output of every layer.
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
from redditgnn.sampler.cluster import PartDrawer, Partition
from redditgnn.sampler.subgraph import build_subgraphs

HistoryDevice = Literal["auto", "cpu", "disk"]


class GASSampler:
    """Batches of `batch_size` parts, complete neighbourhoods, histories for the halo.

    Args:
        partition: `metis`: few edges leave a part. `leiden`: parts are pieces of communities.
            `random`: parts of equal size, drawn from the run's seed, to measure the benefit.
            `order`: ranges of node ids of equal size, to measure what an order loses.
        history_device: Where the histories live. `auto`: on the training device. `cpu`: in host
            memory. For a CUDA device that memory is page-locked, and a separate stream copies it
            from the start of a batch's forward pass. `disk`: memory-mapped, next to the dataset's
            cache, until the process ends.
        max_steps: The most batches an epoch. None: all parts once. See `PartDrawer`.
        refresh_every: Number of epochs between two refreshes of the histories with the exact states
            of all nodes. The first is before the first epoch. 0: no refreshes. pyg_autoscale
            refreshes before the first epoch and at every evaluation, since its inference pushes
            its states.
        lipschitz_weight: Weight of the auxiliary loss that keeps layers from amplifying the error
            of histories. 0: no such loss.
        lipschitz_noise: Standard deviation of that loss's noise.
        log_staleness: Write age and error of the histories to histories.csv of the run.

    Attributes:
        stored_layers: The layers whose outputs are stored. Nothing reads those of the last layer.
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
        num_parts: int,
        batch_size: int,
        partition: Partition,
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
        nonnegative = {"refresh_every": refresh_every, "lipschitz_weight": lipschitz_weight}
        for key, value in nonnegative.items():
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
        self.stored_layers = range(num_layers - 1)
        self._subgraphs, self._degree = build_subgraphs(graph), graph.weighted_degree
        self._lipschitz_weight, self._lipschitz_noise = lipschitz_weight, lipschitz_noise
        self._ages = Ages(graph.num_nodes) if log_staleness else None
        self._staleness_rows: list[HistoryRow] = []
        self.generators = self._drawer.generators
        self.histories = history_store(graph, device, history_device)

    def __len__(self) -> int:
        return len(self._drawer)

    def __iter__(self) -> Iterator[Batch]:
        return (self._batch(self._drawer.nodes(numbers)) for numbers in self._drawer.plan())

    @property
    def most_targets(self) -> int:
        """The most nodes that a batch can compute."""
        return self._drawer.most_nodes

    def listener(self, epoch: int) -> Listener | None:
        """Return a listener that refreshes the histories or measures their error, if due."""
        refreshes = self._refresh_every > 0 and epoch % self._refresh_every == 0
        measures = self._ages is not None and epoch > 0
        if self._ages is not None:
            self._ages.epoch = epoch
        return partial(self._on_layer, refreshes, measures) if refreshes or measures else None

    def staleness(self) -> Iterator[HistoryRow]:
        """Return the rows of `log_staleness` after the last epoch, once."""
        rows, self._staleness_rows = self._staleness_rows, []
        yield from rows

    def state_dict(self) -> dict[str, Any]:
        """Return the histories, and their ages where they are logged."""
        self.histories.settle()
        ages = None if self._ages is None else self._ages.state_dict()
        return {"histories": dict(self.histories.states), "ages": ages}

    def load_state_dict(self, state: dict[str, Any], num_epochs: int) -> None:
        """Restore a `state_dict` taken after `num_epochs` epochs."""
        for layer in self.stored_layers:
            if layer in state["histories"]:
                self.histories.overwrite(layer, state["histories"][layer])
        if self._ages is not None:
            self._ages.load_state_dict(state["ages"], num_epochs)

    def _on_layer(
        self, refreshes: bool, measures: bool, layer: int, exact: Float[Tensor, "nodes width"]
    ) -> None:
        if layer not in self.stored_layers:
            return
        if measures and self._ages is not None:
            self.histories.settle()
            self._staleness_rows.append(self._ages.row(layer, self.histories.states[layer], exact))
        if refreshes:
            self.histories.overwrite(layer, exact)
            if self._ages is not None:
                self._ages.count_refresh(layer)

    def _batch(self, part_nodes: Int64[Tensor, " part_nodes"]) -> Batch:
        node_ids, rowptr, col = self._subgraphs.neighborhood(part_nodes)
        return Batch(
            features=self.graph.rows(node_ids),
            y=self.graph.y.index_select(0, part_nodes),
            loss_weight=self._drawer.loss_weight.index_select(0, part_nodes),
            node_ids=node_ids,
            rowptr=rowptr,
            col=col,
            degree=self._degree.index_select(0, node_ids),
            num_dst=(len(part_nodes),) * self._num_layers,
            edge_weight=self.graph.weights_of_rows(part_nodes),
            histories=self._histories(node_ids, len(part_nodes)),
        )

    def _histories(self, node_ids: Int64[Tensor, " nodes"], num_part_nodes: int) -> Histories:
        histories = self.histories.of_batch(node_ids, num_part_nodes)
        if self._ages is not None:
            histories = AgedHistories(histories, self._ages, node_ids, num_part_nodes)
        if self._lipschitz_weight > 0:
            weight, noise = self._lipschitz_weight, self._lipschitz_noise
            histories = LipschitzHistories(histories, weight, noise)
        return histories


def history_store(
    graph: GraphData, device: torch.device, history_device: HistoryDevice
) -> HistoryStore:
    """Build the store for the histories of a model that trains on `device`."""
    if history_device == "disk":
        return HostHistories(graph.num_nodes, device, on_disk(graph.writable_cache_dir))
    if history_device == "cpu" and device.type == "cuda":
        return HostHistories(graph.num_nodes, device, in_memory(device))
    return HistoryTable(graph.num_nodes, device)

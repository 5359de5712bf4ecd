"""GNNAutoScale: clusters with their halo, read from histories (Fey et al. 2021, arXiv:2106.05609).

A batch holds some METIS parts with all their in-edges. States of nodes outside (the halo) are not
computed but read from a table that every layer's output was last written to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.errors import require, require_positive
from redditgnn.graph import Batch, GraphData
from redditgnn.histories import Listener
from redditgnn.sampler.cluster import PartDrawer
from redditgnn.sampler.subgraph import subgraphs_of


class HistoryTable:
    """The last known output of every layer but the last, for all nodes; zeros at first.

    Attributes:
        states: Layer -> [num_nodes, width], made when that layer first gives something.
    """

    def __init__(self, num_nodes: int, device: torch.device) -> None:
        self._num_nodes, self._device = num_nodes, device
        self.states: dict[int, Float[Tensor, "nodes width"]] = {}

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Push `h`, the states of the first rows of `node_ids`; append the pulled rest."""
        history, node_ids = self._table(layer, h), node_ids.to(self._device)
        inside, halo = node_ids[: len(h)], node_ids[len(h) :]
        history.index_copy_(0, inside, h.detach().to(history))
        return _Appended.apply(h, history, halo)  # type: ignore[no-untyped-call]

    def overwrite(self, layer: int, states: Float[Tensor, "nodes width"]) -> None:
        """Store the states of all nodes."""
        self._table(layer, states).copy_(states)

    def _table(self, layer: int, h: Float[Tensor, "_ width"]) -> Float[Tensor, "nodes width"]:
        if layer not in self.states:
            self.states[layer] = torch.zeros(
                self._num_nodes, h.size(1), dtype=h.dtype, device=self._device
            )
        return self.states[layer]


class _Appended(torch.autograd.Function):
    """`torch.cat([h, history[halo]])`, which would write the halo's rows twice."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, history: Tensor, halo: Tensor) -> Tensor:
        ctx.num_rows = len(h)
        joined = h.new_empty(len(h) + len(halo), h.size(1))
        joined[: len(h)] = h
        if (history.device, history.dtype) == (h.device, h.dtype):
            torch.index_select(history, 0, halo, out=joined[len(h) :])
        else:
            joined[len(h) :] = history.index_select(0, halo)
        return joined

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad[: ctx.num_rows], None, None


class GASSampler:
    """Batches of `batch_size` METIS parts, complete neighbourhoods, histories for the halo.

    Args:
        partition: `metis`: few edges leave a part. `random`: parts of equal size, drawn from the
            run's seed, to see what METIS is worth.
        history_device: Where the histories live; `auto` is the device that trains.
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
        history_device: Literal["auto", "cpu", "disk"],
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
        for key, value in (
            ("refresh_every", refresh_every),
            ("lipschitz_weight", lipschitz_weight),
        ):
            require(value >= 0, f"sampler.{key} must be at least 0, got {value}")
        require_positive("sampler.lipschitz_noise", lipschitz_noise)
        require(history_device != "disk", "sampler.history_device=disk is not there yet; use cpu")
        require(lipschitz_weight == 0, "sampler.lipschitz_weight is not there yet; set it to 0")
        require(not log_staleness, "sampler.log_staleness is not there yet; set it to false")
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
        place = device if history_device == "auto" else torch.device(history_device)
        self.histories = HistoryTable(graph.num_nodes, place)

    def __len__(self) -> int:
        return len(self._drawer)

    def __iter__(self) -> Iterator[Batch]:
        for node_ids in self._drawer:
            yield self._batch(node_ids)

    def listener(self, epoch: int) -> Listener | None:
        """Return what overwrites the histories, in the epochs that refresh them."""
        if self._refresh_every and epoch % self._refresh_every == 0:
            return self._refresh
        return None

    def _refresh(self, layer: int, states: Float[Tensor, "nodes width"]) -> None:
        if layer < self._num_layers - 1:
            self.histories.overwrite(layer, states)

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
            histories=self.histories,
        )

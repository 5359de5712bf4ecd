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

from redditgnn.graph import Batch, GraphData
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
        if layer not in self.states:
            self.states[layer] = torch.zeros(
                self._num_nodes, h.size(1), dtype=h.dtype, device=self._device
            )
        history, node_ids = self.states[layer], node_ids.to(self._device)
        inside, halo = node_ids[: len(h)], node_ids[len(h) :]
        history.index_copy_(0, inside, h.detach().to(history))
        return _Appended.apply(h, history, halo)  # type: ignore[no-untyped-call]


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

    `history_device`: where the histories live; `auto` is the device that trains.
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
        history_device: Literal["auto", "cpu"],
    ) -> None:
        self._drawer = PartDrawer(graph, num_parts=num_parts, batch_size=batch_size, seed=seed)
        self._graph, self._num_layers = graph, num_layers
        self._subgraphs, self._degree = subgraphs_of(graph), graph.degree
        place = device if history_device == "auto" else torch.device(history_device)
        self.histories = HistoryTable(graph.num_nodes, place)

    def __len__(self) -> int:
        return len(self._drawer)

    def __iter__(self) -> Iterator[Batch]:
        for node_ids in self._drawer:
            yield self._batch(node_ids)

    def _batch(self, inside: Int64[Tensor, " inside"]) -> Batch:
        node_ids, rowptr, col = self._subgraphs.neighborhood(inside)
        return Batch(
            features=self._graph.rows(node_ids),
            y=self._graph.y.index_select(0, inside),
            loss_weight=self._drawer.loss_weight.index_select(0, inside),
            node_ids=node_ids,
            rowptr=rowptr,
            col=col,
            degree=self._degree.index_select(0, node_ids),
            num_dst=(len(inside),) * self._num_layers,
            histories=self.histories,
        )

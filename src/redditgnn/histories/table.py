"""Histories in the memory of the device that trains."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.graph.batch import Histories


@runtime_checkable
class HistoryStore(Protocol):
    """The last known output of every layer except the last, for all nodes. Initially zeros.

    `states`: Layer -> [num_nodes, width], created at the layer's first push.
    """

    states: dict[int, Tensor]

    def of_batch(self, node_ids: Int64[Tensor, " nodes"], num_inside: int) -> Histories:
        """Return the view of a batch of these nodes. `node_ids` are on the CPU."""
        ...

    def overwrite(self, layer: int, states: Float[Tensor, "nodes width"]) -> None:
        """Store the states of all nodes."""
        ...

    def settle(self) -> None:
        """Wait until `states` holds everything that was pushed."""
        ...


class HistoryTable:
    """A `HistoryStore` on the device that trains."""

    def __init__(self, num_nodes: int, device: torch.device) -> None:
        self._num_nodes, self._device = num_nodes, device
        self.states: dict[int, Tensor] = {}

    def of_batch(self, node_ids: Int64[Tensor, " nodes"], num_inside: int) -> Histories:
        return self

    def begin(self) -> None:
        """Do nothing: all rows are on the device."""

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Push `h`, the states of the first rows of `node_ids`, and append the pulled rest."""
        history, node_ids = self._table(layer, h), node_ids.to(self._device)
        inside, halo = node_ids[: len(h)], node_ids[len(h) :]
        history.index_copy_(0, inside, h.detach().to(history))
        return _AppendHalo.apply(h, history, halo)  # type: ignore[no-untyped-call]

    def penalty(self, model: Any, batch: Any) -> None:
        return None

    def with_states_of(self, other: Histories) -> Histories:
        return other

    def overwrite(self, layer: int, states: Float[Tensor, "nodes width"]) -> None:
        self._table(layer, states).copy_(states)

    def settle(self) -> None:
        """Do nothing: pushes are immediate."""

    def _table(self, layer: int, h: Float[Tensor, "_ width"]) -> Float[Tensor, "nodes width"]:
        if layer not in self.states:
            self.states[layer] = torch.zeros(
                self._num_nodes, h.size(1), dtype=h.dtype, device=self._device
            )
        return self.states[layer]


class _AppendHalo(torch.autograd.Function):
    """`torch.cat([h, history[halo]])`, without writing the halo's rows twice."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, history: Tensor, halo: Tensor) -> Tensor:
        ctx.num_rows = len(h)
        out = h.new_empty(len(h) + len(halo), h.size(1))
        out[: len(h)] = h
        if (history.device, history.dtype) == (h.device, h.dtype):
            torch.index_select(history, 0, halo, out=out[len(h) :])
        else:
            out[len(h) :] = history.index_select(0, halo)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad[: ctx.num_rows], None, None

"""How a part's batch gets the states of its halo: exactly, or as they were a step ago.

All of them are `Histories`, so that no model knows of them.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.distributed.halo import Route, append_halo, send_gradients, send_states
from redditgnn.distributed.team import Team
from redditgnn.graph.batch import Histories


class ExactHalo:
    """The halo's states of this very step, and their gradients."""

    def __init__(self, team: Team, route: Route, dtype: torch.dtype) -> None:
        self._team, self._route, self._dtype = team, route, dtype

    def begin(self) -> None:
        """Do nothing: the states do not exist yet."""

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Append the halo's states, which their owners send."""
        return append_halo(h, self._team, self._route, self._dtype)

    def penalty(self, model: Any, batch: Any) -> None:
        return None

    def with_states_of(self, other: Histories) -> Histories:
        return other


class StaleHalo(ExactHalo):
    """States and gradients of the step before: PipeGCN (Wan et al. 2022, arXiv:2203.10428).

    The first step is exact. PipeGCN's code begins with zeros instead. `smoothing` is the share of
    what was there before, in a moving average of what arrives. It starts from the first arrival.
    """

    def __init__(
        self, team: Team, route: Route, dtype: torch.dtype, smoothing: int | float
    ) -> None:
        super().__init__(team, route, dtype)
        self._smoothing = smoothing
        self.states: dict[int, Tensor] = {}
        self.gradients: dict[int, Tensor] = {}
        self._states_sent: dict[int, Tensor] = {}

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Append the states that arrived in the step before, and send those of this one."""
        return _AppendStaleHalo.apply(h, self, layer)  # type: ignore[no-untyped-call]

    def next_states(self, layer: int, h: Float[Tensor, "own width"]) -> Float[Tensor, "halo width"]:
        """Send the states of `h`, and return those that arrived before."""
        arrived = send_states(h, self._team, self._route, self._dtype)
        return self._replace(self.states, layer, arrived)

    def next_gradients(
        self, layer: int, grad: Float[Tensor, "halo width"]
    ) -> tuple[Int64[Tensor, " sent"], Float[Tensor, "sent width"]]:
        """Send the halo's gradients; return rows, and their gradients that arrived before."""
        arrived = send_gradients(grad, self._team, self._route, self._dtype)
        return self._route.rows, self._replace(self.gradients, layer, arrived)

    def _replace(self, stored: dict[int, Tensor], layer: int, arrived: Tensor) -> Tensor:
        """Store what arrived, and return what was there before; the first time, what arrived."""
        before = stored.get(layer, arrived)
        stored[layer] = torch.lerp(arrived, before, self._smoothing)
        return before


class _AppendStaleHalo(torch.autograd.Function):
    """The halo of the step before. Its gradients of the step before come home, too."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, halo: StaleHalo, layer: int) -> Tensor:
        ctx.num_own, ctx.halo, ctx.layer = len(h), halo, layer
        return torch.cat([h, halo.next_states(layer, h)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows, arrived = ctx.halo.next_gradients(ctx.layer, grad[ctx.num_own :].contiguous())
        return grad[: ctx.num_own].index_add(0, rows, arrived), None, None

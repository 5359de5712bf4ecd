"""How a part's batch gets the states of its halo: exactly, or as they were a step ago.

All of them are `Histories`, so that no model knows of them.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.distributed.halo import Arrival, Route, append_halo, send_gradients, send_states
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

    They travel while this step computes. The first step is exact. PipeGCN's code begins with zeros
    instead. `smoothing` is the share of what was there before in a moving average of what arrives.
    It starts from the first arrival.
    """

    def __init__(
        self, team: Team, route: Route, dtype: torch.dtype, smoothing: int | float
    ) -> None:
        super().__init__(team, route, dtype)
        self._states: dict[int, _Arrivals] = defaultdict(partial(_Arrivals, smoothing))
        self._gradients: dict[int, _Arrivals] = defaultdict(partial(_Arrivals, smoothing))

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Append the states of the step before, and send those of this one."""
        return _AppendStaleHalo.apply(h, self, layer)  # type: ignore[no-untyped-call]

    def states_before(
        self, layer: int, h: Float[Tensor, "own width"]
    ) -> Float[Tensor, "halo width"]:
        """Send the states of `h`, and return the halo's of the step before."""
        coming = send_states(h, self._team, self._route, self._dtype)
        return self._states[layer].replace(coming)

    def gradients_before(
        self, layer: int, grad: Float[Tensor, "halo width"]
    ) -> tuple[Int64[Tensor, " sent"], Float[Tensor, "sent width"]]:
        """Send the halo's gradients; return the rows that were sent, and their gradients before."""
        coming = send_gradients(grad, self._team, self._route, self._dtype)
        return self._route.rows, self._gradients[layer].replace(coming)

    def state_dict(self) -> dict[str, dict[int, Tensor]]:
        """Return what the next step reads, by layer. Waits for what is on its way."""
        kinds = {"states": self._states, "gradients": self._gradients}
        return {
            name: {layer: arrivals.settled() for layer, arrivals in kind.items()}
            for name, kind in kinds.items()
        }

    def load_state_dict(self, state: dict[str, dict[int, Tensor]], device: torch.device) -> None:
        """Restore a `state_dict` of this rank."""
        for name, kind in (("states", self._states), ("gradients", self._gradients)):
            for layer, latest in state[name].items():
                kind[layer].latest = latest.to(device)


class _Arrivals:
    """What arrives in every step, and is read a step later."""

    def __init__(self, smoothing: int | float) -> None:
        self.latest: Tensor | None = None
        self._smoothing = smoothing
        self._coming: Arrival | None = None

    def replace(self, coming: Arrival) -> Tensor:
        """Return what the step before sent. In the first step it is what comes now."""
        if self.latest is None:
            self.latest = coming()
            return self.latest
        latest, self._coming = self.settled(), coming
        return latest

    def settled(self) -> Tensor:
        """Wait for what comes, and return what the next step reads."""
        assert self.latest is not None
        if self._coming is not None:
            self.latest = torch.lerp(self._coming(), self.latest, self._smoothing)
            self._coming = None
        return self.latest


class _AppendStaleHalo(torch.autograd.Function):
    """The halo of the step before. Its gradients of the step before come home, too."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, halo: StaleHalo, layer: int) -> Tensor:
        ctx.num_own, ctx.halo, ctx.layer = len(h), halo, layer
        return torch.cat([h, halo.states_before(layer, h)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows, arrived = ctx.halo.gradients_before(ctx.layer, grad[ctx.num_own :])
        return grad[: ctx.num_own].index_add(0, rows, arrived), None, None

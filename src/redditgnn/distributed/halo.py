"""The part of a graph that a rank owns, its halo, and the exchange of the halo's states.

A rank owns some nodes and has all their in-edges. The sources among other ranks' nodes are its
halo. Between two layers each owner sends the states of its rows to the ranks that read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from redditgnn.distributed.team import Team
from redditgnn.graph.data import GraphData

Arrival = Callable[[], Tensor]
"""Waits for what other ranks send, and returns it."""

WireDtype = Literal["fp32", "bf16"]
DTYPES: dict[WireDtype, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True, slots=True)
class HaloSettings:
    """How exact the halo's states are. The defaults are those of one process.

    Args:
        staleness: Age in steps of the halo's states and gradients.
        smoothing: Share of the earlier ones in the stale states and gradients.
        boundary_rate: Share of the halo that a step reads.
        wire_dtype: What states and gradients are rounded to while they travel.
    """

    staleness: Literal[0, 1] = 0
    smoothing: int | float = 0.0
    boundary_rate: int | float = 1.0
    wire_dtype: WireDtype = "fp32"

    @property
    def samples(self) -> bool:
        """Whether steps read different rows of the halo."""
        return self.boundary_rate < 1

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.wire_dtype]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The nodes that a rank owns, in ascending order, and their in-edges.

    `halo`: the sources that other ranks own, ordered by owner, `halo_sizes[r]` of rank r. The CSR
    of the owned rows counts owned nodes first, then the halo.
    """

    own: Int64[Tensor, " own"]
    halo: Int64[Tensor, " halo"]
    halo_sizes: tuple[int, ...]
    rowptr: Int64[Tensor, " own_plus_1"]
    col: Int32[Tensor, " edges"]

    @property
    def node_ids(self) -> Int64[Tensor, " nodes"]:
        """The nodes that the part's features and states belong to."""
        return torch.cat([self.own, self.halo])


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Which rows travel between two layers.

    `rows`: positions of the states to send, `sent[r]` of them to rank r, in the order of ranks.
    `received`: how many rows arrive from each rank.
    """

    rows: Int64[Tensor, " sent"]
    sent: tuple[int, ...]
    received: tuple[int, ...]

    def to(self, device: torch.device) -> Route:
        """Return the route for states on `device`."""
        return replace(self, rows=self.rows.to(device))


def part_of(graph: GraphData, owner: Int64[Tensor, " nodes"], rank: int, size: int) -> Part:
    """Return the part of `graph` whose nodes have the `owner` `rank`. A part may be empty."""
    own = (owner == rank).nonzero().view(-1)
    node_ids, rowptr, col = graph.neighborhood(own)
    halo = node_ids[len(own) :]
    order = owner[halo].argsort(stable=True)
    position = torch.arange(len(node_ids), dtype=torch.int32)
    position[len(own) + order] = position[len(own) :].clone()
    halo = halo[order]
    sizes = torch.bincount(owner[halo], minlength=size).tolist()
    return Part(own=own, halo=halo, halo_sizes=tuple(sizes), rowptr=rowptr, col=position[col])


def route_of(part: Part, team: Team) -> Route:
    """Tell the owners of the halo which rows this rank reads, and learn what others read."""
    sizes = torch.tensor(part.halo_sizes)
    ones = (1,) * team.size
    sent = tuple(team.exchange(sizes, ones, ones).tolist())
    wanted = team.exchange(part.halo, part.halo_sizes, sent)
    rows = torch.searchsorted(part.own, wanted)
    return Route(rows=rows, sent=sent, received=part.halo_sizes)


def append_halo(
    h: Float[Tensor, "own width"], team: Team, route: Route, dtype: torch.dtype
) -> Float[Tensor, "nodes width"]:
    """Append the halo's states to those of the owned rows. `dtype` is what travels."""
    return _AppendHalo.apply(h, team, route, dtype)  # type: ignore[no-untyped-call]


class _AppendHalo(torch.autograd.Function):
    """The backward pass sends the gradients of the halo to its owners, which add them up."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, team: Team, route: Route, dtype: torch.dtype) -> Tensor:
        ctx.num_own, ctx.team, ctx.route, ctx.dtype = len(h), team, route, dtype
        return torch.cat([h, send_states(h, team, route, dtype)()])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        halo = grad[ctx.num_own :]
        arrived = send_gradients(halo, ctx.team, ctx.route, ctx.dtype)()
        own = grad[: ctx.num_own].index_add(0, ctx.route.rows, arrived)
        return own, None, None, None


def send_states(
    h: Float[Tensor, "own width"], team: Team, route: Route, dtype: torch.dtype
) -> Arrival:
    """Begin to send the rows that others read. The halo's arrive."""
    return _send(h.index_select(0, route.rows), team, route.sent, route.received, dtype)


def send_gradients(
    grad: Float[Tensor, "halo width"], team: Team, route: Route, dtype: torch.dtype
) -> Arrival:
    """Begin to send the halo's gradients to its owners. Those of `route.rows` arrive."""
    return _send(grad, team, route.received, route.sent, dtype)


def _send(
    rows: Tensor, team: Team, sent: Sequence[int], received: Sequence[int], dtype: torch.dtype
) -> Arrival:
    narrow = rows.to(dtype) if dtype.itemsize < rows.dtype.itemsize else rows
    arrival = team.begin_exchange(narrow, sent, received)
    return lambda: arrival().to(rows.dtype)

"""Boundary sampling: a step reads only a share of the halo (BNS-GCN, Wan et al. 2022).

Every row of the halo is drawn with the probability `rate`, the same rows in all layers of a step
(arXiv:2203.10983). Owner and reader draw alike from a seed that both know. No index travels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int32, Int64
from torch import Tensor

from redditgnn.distributed.halo import Part, Route
from redditgnn.graph.csr import pointers


class Edges(NamedTuple):
    """The edges of a part that a step reads, and their positions among all of them."""

    rowptr: Int64[Tensor, " own_plus_1"]
    col: Int32[Tensor, " edges"]
    positions: Int64[Tensor, " edges"]


class Boundary:
    """Draws the rows of the halo that a step reads, and those that it sends."""

    def __init__(self, part: Part, route: Route, rank: int, rate: int | float) -> None:
        self._part, self._route, self._rank, self._rate = part, route, rank, rate

    def draw(self, key: int) -> tuple[Int64[Tensor, " drawn"], Route]:
        """Return the positions of the drawn rows in the halo, and how they travel."""
        ranks, rate = range(len(self._route.sent)), self._rate
        arriving = [
            drawn_rows(number, rate, f"{key} {owner} {self._rank}")
            for owner, number in zip(ranks, self._route.received, strict=True)
        ]
        leaving = [
            drawn_rows(number, rate, f"{key} {self._rank} {reader}")
            for reader, number in zip(ranks, self._route.sent, strict=True)
        ]
        rows = self._route.rows[_joined(leaving, self._route.sent)]
        route = Route(rows=rows, sent=_sizes(leaving), received=_sizes(arriving))
        return _joined(arriving, self._route.received), route

    def edges(self, drawn: Int64[Tensor, " drawn"]) -> Edges:
        """Return the edges from owned nodes and from the `drawn` rows of the halo."""
        num_own = len(self._part.own)
        is_read = torch.zeros(num_own + len(self._part.halo), dtype=torch.bool)
        is_read[:num_own] = True
        is_read[num_own + drawn] = True
        return _edges_from(is_read, self._part.rowptr, self._part.col)


def drawn_rows(number: int, rate: int | float, seed: str) -> Int64[Tensor, " drawn"]:
    """Draw positions below `number`, each with the probability `rate`, in ascending order.

    Their number is `rate` times `number`, rounded up or down at random.
    """
    digest = hashlib.blake2b(seed.encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
    rounded = rate * number + torch.rand((), generator=generator, dtype=torch.float64).item()
    return torch.randperm(number, generator=generator)[: int(rounded)].sort().values


def _edges_from(
    is_read: Bool[Tensor, " sources"], rowptr: Int64[Tensor, " _"], col: Int32[Tensor, " _"]
) -> Edges:
    position = is_read.cumsum(0, dtype=torch.int32) - 1
    positions = is_read[col].nonzero().view(-1)
    return Edges(torch.searchsorted(positions, rowptr), position[col[positions]], positions)


def _joined(pieces: Sequence[Tensor], sizes: Sequence[int]) -> Int64[Tensor, " drawn"]:
    """Concatenate positions in consecutive lists of these sizes into positions in all of them."""
    starts = pointers(torch.tensor(sizes)).tolist()
    return torch.cat([piece + start for piece, start in zip(pieces, starts, strict=False)])


def _sizes(pieces: Sequence[Tensor]) -> tuple[int, ...]:
    return tuple(map(len, pieces))

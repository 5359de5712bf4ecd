"""The edges between communities, and the scores of a partition that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, UInt32
from numpy import ndarray
from scipy.special import gammaln

from redditgnn.partition.adjacency import Adjacency


class WeightLogs(NamedTuple):
    """Sums of the logarithms of the weights of each pair, and of their squares."""

    total: Float64[ndarray, " pairs"]
    squares: Float64[ndarray, " pairs"]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Pairs of communities with edges, each pair in both directions.

    An edge inside of a community counts twice in `edges` and `weight`, once for each end.

    Attributes:
        sizes: Number of nodes of each community.
        first, second: The communities of each pair, in ascending order.
        edges, weight: Number of edges of each pair, and the sum of their weights.
        degree_entropy: Sum of log(degree!) over the nodes.
        logs: None if all edges count 1.
    """

    sizes: Int64[ndarray, " communities"]
    first: Int64[ndarray, " pairs"]
    second: UInt32[ndarray, " pairs"]
    edges: Float64[ndarray, " pairs"]
    weight: Float64[ndarray, " pairs"]
    degree_entropy: float
    logs: WeightLogs | None

    def without_weights(self) -> Blocks:
        """Return the same with every edge counting 1."""
        return replace(self, weight=self.edges, logs=None)

    def merged(self) -> Blocks:
        """Return the same graph as one community."""

        def added(values: ndarray) -> ndarray:
            return values.sum(keepdims=True)

        return replace(
            self,
            sizes=added(self.sizes),
            first=np.zeros(1, np.int64),
            second=np.zeros(1, np.uint32),
            edges=added(self.edges),
            weight=added(self.weight),
            logs=None if self.logs is None else WeightLogs(*map(added, self.logs)),
        )

    def inside(self, values: Float64[ndarray, " pairs"]) -> Float64[ndarray, " communities"]:
        """Return the `values` of the pairs that are one community, 0 where it has no edge."""
        own = self.first == self.second
        return self._added(self.first[own], values[own])

    def volume(self, values: Float64[ndarray, " pairs"]) -> Float64[ndarray, " communities"]:
        """Return the sum of `values` over the pairs of each community."""
        return self._added(self.first, values)

    def _added(self, community: ndarray, values: ndarray) -> Float64[ndarray, " communities"]:
        added = np.bincount(community, values, len(self.sizes))
        return added.astype(np.float64)  # of nothing they are integers


def blocks_of(adjacency: Adjacency, membership: UInt32[ndarray, " nodes"]) -> Blocks:
    """Add up the edges between communities, which are numbered from 0 without gaps."""
    from redditgnn.partition.quotient_numba import quotient

    sizes = np.bincount(membership)

    def pairs(values: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        return quotient(adjacency.rowptr, adjacency.col, values, membership, len(sizes))

    rowptr, col, edges = pairs(adjacency.weight[:0])
    weight, logs = edges, None
    if len(adjacency.weight):
        weight, log = pairs(adjacency.weight)[2], adjacency.log_weight
        logs = WeightLogs(pairs(log)[2], pairs(np.square(log))[2])
    return Blocks(
        sizes=sizes,
        first=np.repeat(np.arange(len(sizes)), np.diff(rowptr)),
        second=col,
        edges=edges,
        weight=weight,
        degree_entropy=float(gammaln(adjacency.degree + 1.0).sum()),
        logs=logs,
    )


def modularity(blocks: Blocks, resolution: float = 1.0) -> float:
    """Return the modularity (Newman and Girvan 2004; with a resolution Reichardt, Bornholdt 2006).

    The weight inside of communities minus what is expected for the same degrees, as shares of all.
    """
    total = blocks.weight.sum()
    if total == 0:
        return 0.0
    expected = np.square(blocks.volume(blocks.weight) / total).sum()
    return float(blocks.inside(blocks.weight).sum() / total - resolution * expected)


def constant_potts(blocks: Blocks, resolution: float) -> float:
    """Return the quality of the constant Potts model (Traag, Van Dooren and Nesterov 2011).

    The weight inside of communities, minus `resolution` for each pair of nodes inside.
    """
    sizes = blocks.sizes.astype(np.float64)
    pairs = (sizes * (sizes - 1) / 2).sum()
    return float(blocks.inside(blocks.weight).sum() / 2 - resolution * pairs)

"""Label propagation (Raghavan et al. 2007), with a queue (Traag and Subelj 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt32
from numpy import ndarray

from redditgnn.partition.adjacency import Adjacency
from redditgnn.partition.base import Candidate, check_starts
from redditgnn.partition.blocks import Blocks, modularity
from redditgnn.partition.optimization import random_order


class LabelPropagation:
    """Every node takes the label that most of its neighbours have, until all have it.

    It maximises nothing. Of several starts the one of largest modularity is taken.

    Args:
        weights: Whether a neighbour counts by the weight of the edge to it.
        restarts: How many times it is run.
        seed: Of the random order of nodes, and of ties.
    """

    def __init__(self, *, weights: bool, restarts: int, seed: int) -> None:
        check_starts(restarts, seed)
        self._weights, self.restarts, self.seed = weights, restarts, seed

    def candidates(self, adjacency: Adjacency) -> Sequence[Candidate]:
        """Return the only way: there is no resolution."""
        return [Candidate(None, self._weights and len(adjacency.weight) > 0)]

    def partition(
        self, adjacency: Adjacency, resolution: float | None, generator: np.random.Generator
    ) -> UInt32[ndarray, " nodes"]:
        """Start with a label for every node."""
        from redditgnn.partition.spread_numba import spread_labels

        order = random_order(adjacency.num_nodes, generator)
        key = generator.integers(2**64, dtype=np.uint64)
        return spread_labels(adjacency.rowptr, adjacency.col, adjacency.weight, order, key)

    def quality(self, blocks: Blocks, resolution: float | None) -> float:
        """Return the modularity."""
        return modularity(blocks)

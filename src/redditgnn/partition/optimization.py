"""The search of Louvain and Leiden: moves of nodes, then of sets of nodes, level by level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, UInt32, UInt64
from numpy import ndarray

from redditgnn.partition.adjacency import Adjacency

TOLERANCE = 1e-10  # of a mean edge's weight: gains below it are rounding


class Level(NamedTuple):
    """A weighted graph of nodes, or of sets of nodes. `weight` is empty if all edges count 1."""

    rowptr: UInt64[ndarray, " nodes_plus_1"]
    col: UInt32[ndarray, " edges"]
    weight: ndarray
    mass: Float64[ndarray, " nodes"]

    @classmethod
    def of(cls, adjacency: Adjacency, mass: Float64[ndarray, " nodes"]) -> Level:
        return cls(adjacency.rowptr, adjacency.col, adjacency.weight, mass)

    def joined(self, subset: UInt32[ndarray, " nodes"], num_subsets: int) -> Level:
        """Return the graph whose nodes are these subsets."""
        from redditgnn.partition.quotient_numba import quotient

        rowptr, col, weight = quotient(*self[:3], subset, num_subsets)
        mass = np.bincount(subset, weights=self.mass, minlength=num_subsets)
        return Level(rowptr.view(np.uint64), col, weight, mass)


def optimize(
    level: Level,
    rate: float,
    tolerance: float,
    start: UInt32[ndarray, " nodes"],
    generator: np.random.Generator,
    *,
    refines: bool,
) -> UInt32[ndarray, " nodes"]:
    """Improve the partition `start` of the nodes of `level`; return the better one.

    `refines`: sets of nodes that move as one are parts of a community, as in Leiden. Otherwise they
    are whole communities, as in Louvain.
    """
    from redditgnn.partition.moves_numba import move_nodes, refine
    from redditgnn.partition.quotient_numba import number_in_order

    community, subset_of = start.copy(), None
    while True:
        num_nodes = len(level.mass)
        move_nodes(*level, rate, tolerance, random_order(num_nodes, generator), community)
        community, num_subsets = number_in_order(community)
        subset = community
        if refines and num_subsets < num_nodes:
            order = random_order(num_nodes, generator)
            subset, num_subsets = number_in_order(refine(*level, rate, community, order))
        if num_subsets == num_nodes:
            return community if subset_of is None else community[subset_of]
        level = level.joined(subset, num_subsets)
        subset_of = subset if subset_of is None else subset[subset_of]
        parent = np.empty(num_subsets, np.uint32)
        parent[subset] = community
        community = parent


def random_order(num_nodes: int, generator: np.random.Generator) -> UInt32[ndarray, " nodes"]:
    """Return all nodes in a random order."""
    order = np.arange(num_nodes, dtype=np.uint32)
    generator.shuffle(order)
    return order

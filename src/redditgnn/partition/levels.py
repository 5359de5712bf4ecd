"""Louvain and Leiden: what they have in common is all but one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, UInt32
from numpy import ndarray

from redditgnn.errors import require, require_positive
from redditgnn.partition.adjacency import Adjacency
from redditgnn.partition.base import Candidate, check_starts
from redditgnn.partition.blocks import Blocks, constant_potts, modularity
from redditgnn.partition.optimization import TOLERANCE, Level, optimize

AUTO = "auto"
Resolution = Literal["auto"] | int | float | list[int | float]


class Objective(NamedTuple):
    """A quality of partitions, and how the gain of a move follows from it.

    Attributes:
        mass: Return the mass of each node.
        unit: Return what a resolution of 1 is multiplied with in the gain of a move.
        typical: Return the resolutions that `auto` compares.
    """

    mass: Callable[[Adjacency], Float64[ndarray, " nodes"]]
    unit: Callable[[Adjacency], float]
    quality: Callable[[Blocks, float], float]
    typical: Callable[[Adjacency], Sequence[float]]


def _typical_densities(adjacency: Adjacency) -> Sequence[float]:
    """Return multiples of the density: in communities it has to be higher than in the graph."""
    n = adjacency.num_nodes
    density = adjacency.total / max(1, n * (n - 1))
    return [density * 2**power for power in range(9)]


OBJECTIVES = {
    "modularity": Objective(
        mass=lambda adjacency: adjacency.strength,
        unit=lambda adjacency: 1 / max(adjacency.total, np.finfo(np.float64).tiny),
        quality=modularity,
        typical=lambda _: (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0),
    ),
    "cpm": Objective(
        mass=lambda adjacency: np.ones(adjacency.num_nodes),
        unit=lambda _: 1.0,
        quality=constant_potts,
        typical=_typical_densities,
    ),
}


class LevelMethod:
    """Moves nodes, then sets of nodes as one, and so on, until nothing gains.

    Args:
        objective: `modularity`, or `cpm`, the constant Potts model.
        resolution: The higher, the more communities. `auto` compares typical ones by description
            length, and a list those that it holds.
        weights: Whether edge weights count. `auto`: yes, and where resolutions are compared, both
            ways are.
        iterations: How many times all is done, each from the result before.
        restarts: How many times it is run. The result of best quality is taken.
        seed: Of the random orders in which nodes are looked at.
    """

    refines: ClassVar[bool]

    def __init__(
        self,
        *,
        objective: Literal["modularity", "cpm"],
        resolution: Resolution,
        weights: Literal["auto"] | bool,
        iterations: int,
        restarts: int,
        seed: int,
    ) -> None:
        check_starts(restarts, seed)
        require_positive("communities.iterations", iterations)
        for value in () if resolution == AUTO else _listed(resolution):
            require_positive("communities.resolution", value)
        require(
            resolution != [],
            "communities.resolution must hold at least one number, got []; try auto",
        )
        self._objective, self._resolution, self._weights = (
            OBJECTIVES[objective],
            resolution,
            weights,
        )
        self._iterations, self.restarts, self.seed = iterations, restarts, seed

    def candidates(self, adjacency: Adjacency) -> Sequence[Candidate]:
        """Return the resolutions to compare, with weights and without if that is left open."""
        has_weights = len(adjacency.weight) > 0
        ways = [has_weights if self._weights == AUTO else has_weights and bool(self._weights)]
        if self._weights == AUTO and has_weights and isinstance(self._resolution, (str, list)):
            ways.append(False)
        pairs = ((value, way) for way in ways for value in self._resolutions(adjacency, way))
        return [Candidate(*pair) for pair in pairs]

    def _resolutions(self, adjacency: Adjacency, weighted: bool) -> Sequence[float]:
        if self._resolution != AUTO:
            return [float(value) for value in _listed(self._resolution)]
        return self._objective.typical(adjacency if weighted else adjacency.without_weights())

    def partition(
        self,
        adjacency: Adjacency,
        resolution: float | None,
        generator: np.random.Generator,
        start: UInt32[ndarray, " nodes"] | None = None,
    ) -> UInt32[ndarray, " nodes"]:
        """Start with these communities, or with every node alone, and iterate."""
        assert resolution is not None
        level = Level.of(adjacency, self._objective.mass(adjacency))
        rate = resolution * self._objective.unit(adjacency)
        tolerance = TOLERANCE * adjacency.total / max(1, len(adjacency.col))
        alone = np.arange(adjacency.num_nodes, dtype=np.uint32)
        membership = alone if start is None else start
        for _ in range(self._iterations):
            membership = optimize(
                level, rate, tolerance, membership, generator, refines=self.refines
            )
        return membership

    def quality(self, blocks: Blocks, resolution: float | None) -> float:
        """Return modularity or the quality of the constant Potts model."""
        assert resolution is not None
        return self._objective.quality(blocks, resolution)


def _listed(resolution: Resolution) -> list[int | float]:
    assert not isinstance(resolution, str)
    return resolution if isinstance(resolution, list) else [resolution]

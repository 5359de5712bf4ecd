"""What a method that finds communities has to be. An option of conf/communities names one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt32
from numpy import ndarray

from redditgnn.errors import require, require_positive
from redditgnn.partition.adjacency import Adjacency
from redditgnn.partition.blocks import Blocks


class Candidate(NamedTuple):
    """A way to run a method: its resolution, None if it has none, and whether weights count."""

    resolution: float | None
    weighted: bool


@runtime_checkable
class Method(Protocol):
    """A method that finds communities.

    Attributes:
        restarts: How many times it runs, with other random numbers. The best result is taken.
        seed: Of the random numbers.
    """

    restarts: int
    seed: int

    def candidates(self, adjacency: Adjacency) -> Sequence[Candidate]:
        """Return what is compared by description length. A single one is taken as it is."""

    def partition(
        self, adjacency: Adjacency, resolution: float | None, generator: np.random.Generator
    ) -> UInt32[ndarray, " nodes"]:
        """Return the community of each node, from random numbers of `generator` alone.

        The numbers of communities are below that of nodes. Communities may be unconnected.
        """

    def quality(self, blocks: Blocks, resolution: float | None) -> float:
        """Return what the method maximises."""


def check_starts(restarts: int, seed: int) -> None:
    """Refuse numbers that a method cannot start with."""
    require_positive("communities.restarts", restarts)
    require(0 <= seed < 2**63, f"communities.seed must be in [0, 2**63), got {seed}")

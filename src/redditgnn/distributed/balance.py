"""How evenly a graph is dealt to ranks, and how many bytes a step sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from redditgnn.distributed.halo import HaloSettings, Part, part_of
from redditgnn.graph.data import GraphData


@dataclass(frozen=True, slots=True)
class Balance:
    """The sizes of the parts, by rank."""

    nodes: tuple[int, ...]
    edges: tuple[int, ...]
    halo: tuple[int, ...]

    def sent_bytes(self, state_bytes: int | float, halo: HaloSettings) -> float:
        """Return the bytes that all ranks send in a step, forward and backward.

        `state_bytes`: what the states between layers take for a node, in float32.
        """
        share = halo.boundary_rate * halo.dtype.itemsize / 4
        return 2 * state_bytes * sum(self.halo) * share


def balance_of(graph: GraphData, owner: Int64[Tensor, " nodes"], size: int) -> Balance:
    """Measure the parts of `graph`, one after another."""
    sizes = [_sizes(part_of(graph, owner, rank, size)) for rank in range(size)]
    return Balance(*zip(*sizes, strict=True))


def _sizes(part: Part) -> tuple[int, int, int]:
    return len(part.own), len(part.col), len(part.halo)


def imbalance(sizes: Sequence[int]) -> float:
    """Return the largest size divided by their mean, 1 where all are zero."""
    return max(sizes) * len(sizes) / sum(sizes) if any(sizes) else 1.0

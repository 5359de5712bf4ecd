"""The stages of a pipeline: which layers each rank computes, and when it waits for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from redditgnn.errors import require

Schedule = Literal["gpipe", "1f1b"]
"""When a stage begins with backward passes: after all forward passes, or as soon as it can."""


@dataclass(frozen=True, slots=True)
class Stages:
    """Deals `num_layers` layers to `size` ranks, in their order.

    Where they do not come out even, earlier ranks have one layer more: the first rank stores the
    outputs of one layer less than it has.
    """

    num_layers: int
    size: int
    schedule: Schedule

    def __post_init__(self) -> None:
        require(
            self.size <= self.num_layers,
            "parallel.processes must be at most the number of layers with parallel=pipeline, which "
            f"is {self.num_layers}, got {self.size}; use fewer processes, or a deeper model",
        )

    def layers(self, rank: int) -> range:
        """Return the layers that a rank computes."""
        start, stop = (-(-self.num_layers * place // self.size) for place in (rank, rank + 1))
        return range(start, stop)

    def stored_layers(self, rank: int) -> range:
        """Return the layers whose outputs are in the histories of a rank: it reads those."""
        layers = self.layers(rank)
        return range(max(0, layers.start - 1), layers.stop - 1)

    @property
    def share_of_histories(self) -> float:
        """The largest share of all histories that a rank has."""
        most = max(len(self.stored_layers(rank)) for rank in range(self.size))
        return most / max(1, self.num_layers - 1)

    def share_of_step(self, num_chunks: int) -> float:
        """The activations that a rank keeps, divided by those of one chunk in all layers."""
        num_kept = num_chunks if self.schedule == "gpipe" else min(num_chunks, self.size)
        return num_kept * len(self.layers(0)) / self.num_layers

    def bubble(self, num_chunks: int) -> float:
        """Return the share of a step in which a rank is idle, if all take equally long."""
        return (self.size - 1) / (num_chunks + self.size - 1)

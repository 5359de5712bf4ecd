"""What a sampler that keeps histories and the rest of the program know of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

Listener = Callable[[int, Tensor], None]
"""Is told a layer's number and its outputs [nodes, width] for all nodes, layer after layer."""


@runtime_checkable
class Histories(Protocol):
    """Where `sampler=gas` keeps the last known hidden states of all nodes."""

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Store `h`, the states of the first rows of `node_ids`; append the stored rest."""
        ...


@runtime_checkable
class KeepsHistories(Protocol):
    """A sampler that asks for the exact states of `graph` at the end of some epochs.

    `graph`: the one that training sees.
    """

    graph: Any

    def listener(self, epoch: int) -> Listener | None:
        """Return what is to be told the exact states behind `epoch`; None: not wanted.

        Epoch 0 is over before the first step.
        """
        ...

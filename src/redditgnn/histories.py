"""What a sampler that keeps histories and the rest of the program know of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor, nn

Listener = Callable[[int, Tensor], None]
"""Is told a layer's number and its outputs [nodes, width] for all nodes, layer after layer."""

BetweenEpochs = Callable[[int, nn.Module], AbstractContextManager[None]]
"""Entered behind an epoch (number, model), and as 0 before the first; encloses its evaluation."""


def nothing_between_epochs(epoch: int, model: nn.Module) -> AbstractContextManager[None]:
    """Do nothing: what most samplers need."""
    return nullcontext()


@runtime_checkable
class Histories(Protocol):
    """Where `sampler=gas` keeps the last known hidden states of all nodes, as one batch sees it."""

    def begin(self) -> None:
        """Start to fetch what `exchange` will append: the forward pass of the batch begins."""
        ...

    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Store `h`, the states of the first rows of `node_ids`; append the stored rest."""
        ...

    def penalty(self, model: Any, batch: Any) -> Float[Tensor, ""] | None:
        """Return what is to be added to the loss of `batch`, behind its forward pass."""
        ...

    def on(self, other: Histories) -> Histories:
        """Return what does the same with the states that `other` keeps."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryRow:
    """One line of histories.csv: how old and how wrong the outputs of one layer were in an epoch.

    A row's age when it is pulled is the number of epochs since it was pushed: 0 in the same one.
    What was never pushed is still zero; it has no age and no error, and is counted apart.
    `mean_relative_error` is that of ||history - exact|| / ||exact|| over `error_rows` nodes at the
    end of the epoch, before a refresh; nodes whose exact state is zero are left out.
    """

    epoch: int
    layer: int
    pulled_rows: int
    pulled_never_pushed: int
    mean_age_epochs: float | None
    max_age_epochs: int | None
    nodes_never_pushed: int
    error_rows: int
    mean_relative_error: float | None


@runtime_checkable
class KeepsHistories(Protocol):
    """A sampler that asks for the exact states of `graph` behind some epochs.

    `graph`: the one that training sees.
    """

    graph: Any

    def listener(self, epoch: int) -> Listener | None:
        """Return what is to be told the exact states behind `epoch`; None: not wanted.

        Epoch 0 is over before the first step.
        """
        ...

    def staleness(self) -> Iterable[HistoryRow]:
        """Return what the last listener found out, once."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what training has written so far, as tensors and numbers."""
        ...

    def load_state_dict(self, state: dict[str, Any], num_epochs: int) -> None:
        """Become what `state_dict` told, when `num_epochs` epochs were over."""
        ...

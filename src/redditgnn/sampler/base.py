"""The sampler contract: what every sampler is, and what some do besides.

Every sampler is a `Sampler`. One whose position can be saved is `Resumable`, one that keeps hidden
states is `KeepsHistories`, one whose batches have a fixed shape is a `StaticSampler`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from redditgnn.errors import require
from redditgnn.graph.batch import Batch
from redditgnn.record.rows import HistoryRow


@runtime_checkable
class Sampler(Protocol):
    """Built as `Cls(graph, num_layers=.., device=.., seed=.., **yaml)`; an iteration is an epoch.

    `has_halo`: some nodes of a batch come without their in-edges, only to be read by others.
    """

    has_halo: bool

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


Listener = Callable[[int, Tensor], None]
"""Is told a layer's number and its outputs [nodes, width] for all nodes, layer after layer."""


BetweenEpochs = Callable[[int, nn.Module], AbstractContextManager[None]]
"""Entered behind an epoch (number, model), and as 0 before the first; encloses its evaluation."""


def nothing_between_epochs(epoch: int, model: nn.Module) -> AbstractContextManager[None]:
    """Do nothing: what most samplers need."""
    return nullcontext()


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


@runtime_checkable
class Resumable(Protocol):
    """A sampler whose next epochs are decided by its configuration and the states of `generators`.

    What training writes into a sampler (histories) comes on top, see `KeepsHistories`.
    """

    generators: tuple[torch.Generator, ...]


@contextmanager
def preserved_position(sampler: Sampler) -> Iterator[None]:
    """Let something draw from `sampler` that its training is not to notice."""
    positions = sampler_position(sampler)
    try:
        yield
    finally:
        set_sampler_position(sampler, positions)


def _generators(sampler: Sampler) -> tuple[torch.Generator, ...]:
    return sampler.generators if isinstance(sampler, Resumable) else ()


def sampler_position(sampler: Sampler) -> list[Tensor]:
    """Return the states of the sampler's generators; none if it is not `Resumable`."""
    return [generator.get_state() for generator in _generators(sampler)]


def set_sampler_position(sampler: Sampler, positions: Sequence[Tensor]) -> None:
    """Set the states of the sampler's generators to what `sampler_position` returned."""
    for generator, position in zip(_generators(sampler), positions, strict=True):
        generator.set_state(position)


@runtime_checkable
class StaticSampler(Protocol):
    """A sampler whose batches all have the same shape.

    `cuda_graph`: whether steps are to be captured, `auto` if they can be; `generator`: what `draw`
    draws with, None if it draws nothing.
    """

    cuda_graph: bool | Literal["auto"]
    generator: torch.Generator | None

    def __len__(self) -> int: ...

    def epoch(self) -> tuple[Tensor, Tensor]:
        """Return targets and loss weights of the epoch's batches, one batch a row."""
        ...

    def draw(self, targets: Tensor, loss_weight: Tensor) -> Batch:
        """Make the batch of these targets, without waiting for the device."""
        ...


CudaGraph = bool | Literal["auto"]
"""True: a step that cannot be captured is an error. `auto`: then it is taken as elsewhere."""


def capture(
    cuda_graph: CudaGraph, *, possible: bool, worth_it: bool = True, needs: str
) -> CudaGraph:
    """Return whether to capture steps, given what the setting says and what can be done here.

    `worth_it`: what `auto` does where it is possible. `needs` says what makes it so.

    Raises:
        ConfigError: it has to be, and is not possible.
    """
    require(
        possible or cuda_graph is not True,
        f"sampler.cuda_graph=true needs {needs}; use sampler.cuda_graph=auto",
    )
    if cuda_graph == "auto":
        return "auto" if possible and worth_it else False
    return cuda_graph

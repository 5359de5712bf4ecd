"""The sampler contract, and the abilities that only some samplers have.

Every sampler is a `Sampler`. One whose position can be saved is `Resumable`, one that keeps hidden
states is `KeepsHistories`, one whose batches have a fixed shape is a `StaticSampler`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from redditgnn.errors import ConfigError, require
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.record.rows import HistoryRow


@runtime_checkable
class Sampler(Protocol):
    """Built as `Cls(graph, num_layers=.., device=.., seed=.., **yaml)`. One iteration is an epoch.

    `has_halo`: a batch has nodes without their in-edges, which other nodes only read.
    """

    has_halo: bool

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


Listener = Callable[[int, Tensor], None]
"""Receives a layer's number and its outputs [nodes, width] for all nodes, layer after layer."""


BetweenEpochs = Callable[[int, nn.Module], AbstractContextManager[None]]
"""Called with (epoch, model) after an epoch, 0 before the first. Encloses its evaluation."""


def nothing_between_epochs(epoch: int, model: nn.Module) -> AbstractContextManager[None]:
    """Do nothing, as most samplers need."""
    return nullcontext()


@runtime_checkable
class KeepsHistories(Protocol):
    """A sampler that asks for the exact states of `graph` after some epochs.

    `graph`: the one that training uses.
    """

    graph: Any

    def listener(self, epoch: int) -> Listener | None:
        """Return a listener for the exact states after `epoch`, or None to skip them.

        Epoch 0 is over before the first step.
        """
        ...

    def staleness(self) -> Iterable[HistoryRow]:
        """Return the measurements of the last listener, once."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the states that training has written so far, as tensors and numbers."""
        ...

    def load_state_dict(self, state: dict[str, Any], num_epochs: int) -> None:
        """Restore a `state_dict` taken after `num_epochs` epochs."""
        ...


@runtime_checkable
class GivesChunks(Protocol):
    """A sampler whose batches can be the chunks of a pipeline.

    `graph`: the one that training uses. `stored_layers`: those whose outputs are stored here.
    """

    graph: GraphData
    stored_layers: range

    @property
    def most_targets(self) -> int:
        """The most nodes that a batch can compute."""
        ...


IsChosen = Callable[[int], bool]
"""Whether the batch of this number, counted from 0 in its epoch, is to be built."""


def every_batch(number: int) -> bool:
    """Choose all batches of an epoch."""
    return True


@runtime_checkable
class Divisible(Protocol):
    """A sampler whose batches can be built apart from each other, in several processes."""

    def select(self, is_chosen: IsChosen) -> Iterator[Batch]:
        """Draw an epoch as iteration does, and build only the chosen ones of its batches."""
        ...


@runtime_checkable
class OneStep(Protocol):
    """A sampler whose batches are all of one step, one of each process."""

    has_one_step: Literal[True]


@runtime_checkable
class OwnsState(Protocol):
    """A sampler whose next steps also depend on what this process alone has.

    `owns_state`: whether that is so with its settings.
    """

    owns_state: bool

    def own_state(self) -> dict[str, Any]:
        """Return what this process has, as tensors and numbers."""
        ...

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Restore an `own_state` of the same process of as many."""
        ...


Record = TypeVar("Record")


def build_chosen(
    plan: Iterable[Record], build: Callable[[Record], Batch], is_chosen: IsChosen
) -> Iterator[Batch]:
    """Build the chosen batches of an epoch from `plan`, which has a small record of each."""
    return (build(record) for number, record in enumerate(plan) if is_chosen(number))


@runtime_checkable
class Resumable(Protocol):
    """A sampler whose next epochs are decided by its configuration and the states of `generators`.

    The histories that training writes are extra state, see `KeepsHistories`.
    """

    generators: tuple[torch.Generator, ...]


@contextmanager
def preserved_position(sampler: Sampler) -> Iterator[None]:
    """Restore the position of `sampler` afterwards, so that training does not notice the draws."""
    positions = sampler_position(sampler)
    try:
        yield
    finally:
        set_sampler_position(sampler, positions)


def _generators(sampler: Sampler) -> tuple[torch.Generator, ...]:
    return sampler.generators if isinstance(sampler, Resumable) else ()


def sampler_position(sampler: Sampler) -> list[Tensor]:
    """Return the states of the sampler's generators, or none if it is not `Resumable`."""
    return [generator.get_state() for generator in _generators(sampler)]


def set_sampler_position(sampler: Sampler, positions: Sequence[Tensor]) -> None:
    """Set the states of the sampler's generators to those of `sampler_position`."""
    for generator, position in zip(_generators(sampler), positions, strict=True):
        generator.set_state(position)


@runtime_checkable
class StaticSampler(Protocol):
    """A sampler whose batches all have the same shape.

    `cuda_graph`: whether to capture steps, `auto` where possible. `generator`: the generator of
    `draw`, None if it draws nothing.
    """

    cuda_graph: bool | Literal["auto"]
    generator: torch.Generator | None

    def __len__(self) -> int: ...

    def epoch(self) -> tuple[Tensor, Tensor]:
        """Return targets and loss weights of the epoch's batches, one row per batch."""
        ...

    def draw(self, targets: Tensor, loss_weight: Tensor) -> Batch:
        """Build the batch of these targets, without waiting for the device."""
        ...


CudaGraph = bool | Literal["auto"]
"""True: a step that cannot be captured is an error. `auto`: such a step runs without capture."""


def resolve_capture(
    cuda_graph: CudaGraph, *, possible: bool, worth_it: bool = True, needs: str
) -> CudaGraph:
    """Return whether to capture steps, given the setting and what is possible here.

    `worth_it`: whether `auto` captures where it is possible. `needs` names the requirements.

    Raises:
        ConfigError: the setting is true, and capturing is not possible.
    """
    require(
        possible or cuda_graph is not True,
        f"sampler.cuda_graph=true needs {needs}; use sampler.cuda_graph=auto",
    )
    if cuda_graph == "auto":
        return "auto" if possible and worth_it else False
    return cuda_graph


def refuse_missing_edges(sampler: Sampler, name: str | None) -> None:
    """Refuse a sampler that leaves out edges, for a model that needs those of every node.

    `name`: its option.
    """
    chosen = "parallel=partition" if isinstance(sampler, OneStep) else f"sampler={name}"
    require(
        not sampler.has_halo,
        f"{chosen} would give wrong numbers: this convolution reads more than a node's own "
        "in-edges (degrees of its sources, or several hops), and the outermost nodes of a batch "
        "have none; use sampler=full, sampler=cluster or sampler=saint_rw, and not "
        "parallel=partition",
    )


KNOWS_WEIGHTS = {
    "model": "model=gcn, gcn2, appnp, dagnn, cheb, sgc, sign, gin or sage with model.aggr=mean",
    "sampler": "sampler=full",
}


def refuse_weights(graph: GraphData, group: str, option: str | None) -> None:
    """Refuse a graph with edge weights, which the `option` of a group does not use."""
    if graph.edge_weight is not None:
        raise ConfigError(
            f"{group}={option} as it is set cannot use the edge weights of "
            f"dataset={graph.name}; choose {KNOWS_WEIGHTS[group]}, or set "
            "dataset.edge_weight=false to count all edges alike"
        )

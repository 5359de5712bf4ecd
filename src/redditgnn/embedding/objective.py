"""The contract of a self-supervised loss, and the one loop that minimises it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from redditgnn.embedding.encoder import Encoder
from redditgnn.errors import TrainingDiverged


@runtime_checkable
class Batches(Protocol):
    """What a loss reads, a sampler of `redditgnn.sampler` or one built on it."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


class Objective(nn.Module, ABC):
    """A loss over batches without labels. It holds the encoder and all else that is trained."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    @abstractmethod
    def forward(self, batch: Any, generator: Generator) -> Float[Tensor, ""]:
        """Return the loss of a batch. What is random comes from `generator`."""

    def end_step(self, progress: float) -> None:  # noqa: B027
        """Change what gradients do not. `progress` is the share of all steps that were taken."""


def take_step(
    objective: Objective, optimizer: Optimizer, batch: Any, generator: Generator
) -> Float[Tensor, ""]:
    """Take one step of the optimizer and return the loss before it."""
    loss: Tensor = objective(batch, generator)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()


def minimize(
    objective: Objective,
    optimizer: Optimizer,
    batches: Batches,
    generator: Generator,
    *,
    epochs: int,
    patience: int | None,
    bar: tqdm,
) -> None:
    """Train for `epochs`, or until the loss has not fallen for `patience` of them.

    With `patience` the weights of the epoch with the least loss are left, otherwise the last ones.

    Raises:
        TrainingDiverged: the loss is not finite.
    """
    best = BestWeights(objective, patience)
    objective.train()
    for epoch in range(epochs):
        losses = []
        for batch in batches:
            losses.append(take_step(objective, optimizer, batch, generator))
            bar.update()
            objective.end_step((epoch * len(batches) + len(losses)) / (epochs * len(batches)))
        loss = torch.stack(losses).mean().item()
        bar.set_postfix(epoch=epoch + 1, loss=f"{loss:.4f}")
        if not math.isfinite(loss):
            raise TrainingDiverged(f"the loss of the embedding became {loss}; lower embedding.lr")
        if best.is_over(loss):
            break
    best.restore()


class BestWeights:
    """The weights with the least loss so far. Without `patience` none are stored."""

    def __init__(self, objective: Objective, patience: int | None) -> None:
        self._objective, self._patience = objective, patience
        self._least, self._num_worse = math.inf, 0
        self._weights: dict[str, Tensor] | None = None

    def is_over(self, loss: float) -> bool:
        """Take note of the loss of an epoch. Return whether there were too many worse ones."""
        if self._patience is None:
            return False
        if loss < self._least:
            self._least, self._num_worse = loss, 0
            self._weights = deepcopy(self._objective.state_dict())
            return False
        self._num_worse += 1
        return self._num_worse == self._patience

    def restore(self) -> None:
        """Set the objective to the weights, if there are any."""
        if self._weights is not None:
            self._objective.load_state_dict(self._weights)

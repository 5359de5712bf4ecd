"""One step of the optimizer: on one batch, or on the mean over several."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from redditgnn.graph.batch import Batch
from redditgnn.metric.classification import per_node_loss
from redditgnn.runtime.precision import Precision, at_least_float32, autocast
from redditgnn.trainer.epoch import EpochClock

Forward = Callable[[Batch], Tensor]


@dataclass(frozen=True, slots=True)
class Step:
    """Trains `model`, whose forward pass is `forward`, on a batch.

    `class_weight` has each class's factor in the loss, and `grad_clip` the largest norm of the
    gradient. None: nothing of the kind.
    """

    model: nn.Module
    forward: Forward
    optimizer: Optimizer
    precision: Precision
    device: torch.device
    class_weight: Tensor | None
    grad_clip: int | float | None

    def __call__(self, batch: Batch) -> Tensor:
        """Take a step; return the loss before it. Nothing else changes."""
        loss = self.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.differentiate(loss)
        self.update()
        return loss.detach()

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, with the term that histories add."""
        batch.begin()
        with autocast(self.precision, self.device):
            logits = self.forward(batch)
            penalty = batch.penalty(self.model)
        loss = self.loss_of(logits, batch)
        return loss if penalty is None else loss + penalty

    def loss_of(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the loss of the logits of a batch's targets."""
        per_node = per_node_loss(at_least_float32(logits), batch.y, self.class_weight)
        return (batch.loss_weight * per_node).sum()

    def differentiate(self, loss: Tensor) -> None:
        """Add the gradient of `loss` to that of the parameters."""
        if next(self.model.parameters(), None) is not None:  # label propagation has no weights
            loss.backward()

    def update(self, norm: Tensor | None = None) -> None:
        """Let the optimizer move the parameters by their gradient.

        `norm` is that of the gradient where other processes have some of it. None: all is here.
        """
        parameters = list(self.model.parameters())
        if self.grad_clip is not None and norm is None:
            nn.utils.clip_grad_norm_(parameters, self.grad_clip)
        elif self.grad_clip is not None and norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.grad_clip, norm)
        self.optimizer.step()


def single_steps(step: Step, clock: EpochClock) -> Iterator[list[Tensor]]:
    """Take a step a batch, and yield its loss."""
    for batch in clock.batches():
        with clock.phases.phase("transfer"):
            batch = batch.to(step.device)
        with clock.phases.phase("compute"):
            loss = step(batch)
        yield [loss]


def seed_of_batch(seed: int, epoch: int, number: int) -> int:
    """Return the seed of what a batch draws, such as dropout, whichever process computes it."""
    digest = hashlib.blake2b(f"{seed} {epoch} {number}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1

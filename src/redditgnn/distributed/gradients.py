"""What the batches of one step add up to, in one collective for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from redditgnn.distributed.deal import Deal
from redditgnn.distributed.pairwise import Block, PairwiseSum, blocks_of
from redditgnn.distributed.statistics import RunningStatistics
from redditgnn.distributed.team import Team


class StepResult(NamedTuple):
    """The losses of a step's batches, and whether any process was asked to stop."""

    losses: Tensor
    is_stopped: bool


class StepSum:
    """Adds up gradients, losses and statistics of the batches of a step, over all processes.

    A step's gradient is the mean over its batches. `begin` starts a step, and `finish` ends it.
    Each batch has its forward pass within `forward`, and `add` after its backward pass. Other
    batches may come between the two.
    """

    def __init__(self, model: nn.Module, deal: Deal, team: Team, device: torch.device) -> None:
        self._parameters, self._statistics = list(model.parameters()), RunningStatistics(model)
        self._deal, self._team, self._device = deal, team, device
        self._step, self._sum = range(0), PairwiseSum()
        self._shares: dict[int, list[Tensor]] = {}  # batch -> its share of the statistics

    def begin(self, step: range) -> range:
        """Start the step of these batches; return those that this process computes."""
        self._step, self._sum = step, PairwiseSum()
        self._statistics.begin(len(step))
        self._clear_gradients()
        return self._deal.share(step, self._deal.rank)

    @contextmanager
    def forward(self, number: int) -> Iterator[None]:
        """Enclose the forward pass of a batch."""
        place = number - self._step.start
        self._statistics.prepare(place)
        yield
        self._shares[number] = self._statistics.share(place)

    def add(self, number: int, loss: Tensor) -> None:
        """Add a batch, of which the parameters hold the gradient."""
        place = number - self._step.start
        losses = loss.new_zeros(len(self._step))
        losses[place] = loss
        parts = [*self._gradients(), self._presence(), *self._shares.pop(number), losses]
        self._sum.add(Block(place, 1, torch.cat(parts)))
        self._clear_gradients()

    def finish(self, *, stop: bool) -> StepResult:
        """Give the parameters the gradient of the step; `stop` asks all processes to stop.

        Every process gets the same bits, whatever the number of processes.
        """
        is_stopped = self._exchange(stop)
        total = self._sum.total()
        sizes = [parameter.numel() for parameter in self._parameters]
        rest = len(self._parameters), self._statistics.size, len(self._step)
        *gradients, presence, statistics, losses = total.split([*sizes, *rest])
        for parameter, gradient, count in zip(
            self._parameters, gradients, presence.tolist(), strict=True
        ):
            mean = gradient.view_as(parameter) / len(self._step)
            parameter.grad = mean if count else None
        self._statistics.finish(statistics)
        self._team.traffic.num_steps += 1
        return StepResult(losses, is_stopped)

    def _clear_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def _gradients(self) -> list[Tensor]:
        gradients = ((p, p.grad) for p in self._parameters)
        return [torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in gradients]

    def _presence(self) -> Tensor:
        """Return 1 for each parameter that has a gradient, and 0 for those without."""
        flags = [float(parameter.grad is not None) for parameter in self._parameters]
        return torch.tensor(flags, device=self._device)

    def _exchange(self, stop: bool) -> bool:
        """Give all processes the blocks of all; return whether one of them is asked to stop."""
        starts = range(len(self._step))
        layout = [list(blocks_of(self._deal.share(starts, r))) for r in range(self._team.size)]
        rows = torch.zeros(max(map(len, layout)), self._width + 1, device=self._device)
        for row, block in zip(rows, self._sum.blocks, strict=False):
            row[:-1] = block.total
        rows[0, -1] = stop
        self._sum, is_stopped = PairwiseSum(), False
        for blocks, part in zip(layout, self._team.gather_equal(rows), strict=True):
            for (start, size), row in zip(blocks, part[:, :-1], strict=False):
                self._sum.add(Block(start, size, row))
            is_stopped |= bool(part[0, -1])
        return is_stopped

    @property
    def _width(self) -> int:
        sizes = sum(parameter.numel() for parameter in self._parameters)
        return sizes + len(self._parameters) + self._statistics.size + len(self._step)

"""Steps that are the mean over several batches, which several processes may share.

What a batch draws, such as dropout, is seeded by its place in the training. So the weights do not
depend on the number of processes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from redditgnn.distributed.deal import Deal
from redditgnn.distributed.gradients import StepSum
from redditgnn.distributed.team import Team
from redditgnn.graph.batch import Batch
from redditgnn.runtime.signals import Stop
from redditgnn.trainer.epoch import EpochClock
from redditgnn.trainer.step import Step, seed_of_batch


class SharedSteps:
    """Takes the steps of an epoch together with the other processes of `team`."""

    def __init__(self, step: Step, deal: Deal, team: Team, seed: int) -> None:
        self._deal, self._step, self._seed = deal, step, seed
        self._sum, self._stop = StepSum(step.model, deal, team, step.device), AgreedStop(None)

    def agree_with(self, own: Stop) -> Stop:
        """Return a request to stop that all processes obey at the same step, `own` included."""
        self._stop = AgreedStop(own)
        return self._stop

    def take(self, epoch: int, first: int, clock: EpochClock) -> Iterator[list[Tensor]]:
        """Take the steps from the batch `first` on, and yield the losses of each one's batches."""
        batches = clock.batches()
        for step in self._deal.steps(first):
            for number in self._sum.begin(step):
                with clock.phases.phase("transfer"):
                    batch = next(batches).to(self._step.device)
                with clock.phases.phase("compute"):
                    self._add(epoch, number, batch)
            with clock.phases.phase("compute"):
                result = self._sum.finish(stop=self._stop.is_requested_here)
                self._step.update()
            self._stop.is_requested = result.is_stopped
            yield list(result.losses.unbind())
        next(batches, None)  # none is left: so the sampler draws an epoch whose steps are all done

    def _add(self, epoch: int, number: int, batch: Batch) -> None:
        torch.manual_seed(seed_of_batch(self._seed, epoch, number))
        self._sum.prepare(number)
        loss = self._step.loss(batch)
        self._step.differentiate(loss)
        self._sum.add(number, loss.detach())


class AgreedStop:
    """A request to stop that came to any process, and of which all know.

    `own` is the request to this process. None: nobody can ask it.

    Attributes:
        is_requested: Whether all processes know of one.
    """

    def __init__(self, own: Stop | None) -> None:
        self._own, self.is_requested = own, False

    @property
    def is_requested_here(self) -> bool:
        """Whether this process was asked."""
        return self._own is not None and self._own.is_requested

    def leave(self) -> None:
        """Raise KeyboardInterrupt if all processes know of a request."""
        if self.is_requested and self._own is not None:
            self._own.is_requested = True
            self._own.leave()

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
from redditgnn.distributed.stage_weights import StageWeights
from redditgnn.distributed.stages import Stages
from redditgnn.distributed.team import Team
from redditgnn.graph.batch import Batch
from redditgnn.runtime.signals import Stop
from redditgnn.sampler.base import Sampler
from redditgnn.trainer.cuda_graph import refuse_capture
from redditgnn.trainer.epoch import EpochClock
from redditgnn.trainer.step import Step, seed_of_batch


class SharedSteps:
    """Takes the steps of an epoch together with the other processes of `team`.

    Attributes:
        stage_weights: What this process trains if it is a stage of a pipeline, None if it is not.
    """

    def __init__(self, step: Step, deal: Deal, team: Team, seed: int) -> None:
        self._deal, self._step, self._seed = deal, step, seed
        self.stage_weights: StageWeights | None = None
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
        exhaust(batches)

    def _add(self, epoch: int, number: int, batch: Batch) -> None:
        torch.manual_seed(self._seed_of(epoch, number))
        with self._sum.forward(number):
            loss = self._step.loss(batch)
        self._step.differentiate(loss)
        self._sum.add(number, loss.detach())

    def _seed_of(self, epoch: int, number: int) -> int:
        return seed_of_batch(self._seed, epoch, number)


def exhaust(batches: Iterator[Batch]) -> None:
    """Draw the epoch to its end, also if no step was left: the next one's draws follow."""
    for _ in batches:
        pass


def shared_steps(
    step: Step, deal: Deal, team: Team, seed: int, sampler: Sampler, stages: Stages | None
) -> SharedSteps | None:
    """Return what takes steps over several batches, None where a step has one.

    `stages`: how the processes cut the model. None: they share the batches.
    """
    if stages is not None:
        from redditgnn.trainer.pipeline import pipeline_steps

        return pipeline_steps(step, deal, team, seed, sampler, stages)
    if deal.batches_per_step == 1:
        return None
    refuse_capture(sampler)
    return SharedSteps(step, deal, team, seed)


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

"""Steps whose chunks pass through the layers of a model from process to process.

torch.distributed.pipelining moves the chunks. A chunk is a batch of `sampler=gas`. Each stage has
histories of its own, from which it reads the states of nodes outside. The weights are those of one
process that takes a step over the same batches, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.distributed.pipelining import Schedule1F1B, ScheduleGPipe
from torch.distributed.pipelining.schedules import PipelineScheduleSingle

from redditgnn.distributed.deal import Deal
from redditgnn.distributed.gradients import StepResult
from redditgnn.distributed.parcel import Parcels
from redditgnn.distributed.stage_weights import StageWeights
from redditgnn.distributed.stages import Schedule, Stages
from redditgnn.distributed.team import Alone, Team, others_present
from redditgnn.errors import TeamFailed, require
from redditgnn.model.base import Backbone
from redditgnn.sampler.base import GivesChunks, Sampler
from redditgnn.trainer.epoch import EpochClock
from redditgnn.trainer.parcel_widths import parcel_widths
from redditgnn.trainer.shared import SharedSteps, exhaust
from redditgnn.trainer.stage import SendingStage, Stage
from redditgnn.trainer.step import Step

SCHEDULES: dict[Schedule, type[PipelineScheduleSingle]] = {
    "gpipe": ScheduleGPipe,
    "1f1b": Schedule1F1B,
}


class PipelineSteps(SharedSteps):
    """Takes the steps of an epoch as one stage of a pipeline, with the other stages of `team`."""

    def __init__(
        self,
        step: Step,
        deal: Deal,
        team: Team,
        seed: int,
        stage: Stage,
        schedule: Schedule,
    ) -> None:
        super().__init__(step, deal, Alone(), seed)  # a stage has the gradients of all chunks
        self._team, self._stage, self._schedule = team, stage, schedule
        self.stage_weights = self._weights = StageWeights(step.model, step.optimizer, team)
        self._pipelines: dict[int, PipelineScheduleSingle] = {}  # chunks of a step -> what runs it

    def take(self, epoch: int, first: int, clock: EpochClock) -> Iterator[list[Tensor]]:
        """Take the steps from the batch `first` on, and yield the losses of each one's batches."""
        batches = clock.batches()
        self._stage.begin_epoch(partial(self._seed_of, epoch), batches, clock.phases, self._sum)
        for step in self._deal.steps(first):
            self._sum.begin(step)
            self._stage.begin_step(step)
            self._run(len(step))
            with clock.phases.phase("compute"):
                result = self._finish()
            self._stop.is_requested = result.is_stopped
            yield list(result.losses.unbind())
        exhaust(batches)
        self._weights.share()

    def _run(self, num_chunks: int) -> None:
        """Pass all chunks forward and backward through this stage.

        Raises:
            TeamFailed: another process has ended, or does not answer in time.
        """
        pipeline = self._pipeline(num_chunks)
        start, busy_s = time.perf_counter(), self._stage.busy_s
        places = torch.arange(num_chunks)
        try:
            with others_present(self._team.rank):
                if self._team.rank == 0:
                    pipeline.step(places.float())
                elif self._team.rank == self._team.size - 1:
                    pipeline.step(target=places)
                else:
                    pipeline.step()
        except TeamFailed:
            if self._stage.error is not None:
                raise self._stage.error from None
            raise
        traffic = self._team.traffic
        traffic.wait_s += time.perf_counter() - start - (self._stage.busy_s - busy_s)
        traffic.num_steps += 1

    def _pipeline(self, num_chunks: int) -> PipelineScheduleSingle:
        """Return what runs a step of so many chunks. The last of an epoch may have fewer."""
        if num_chunks not in self._pipelines:
            stage = SendingStage(self._stage, self._team)
            is_short = num_chunks < self._team.size  # not for 1F1B
            schedule = ScheduleGPipe if is_short else SCHEDULES[self._schedule]
            self._pipelines[num_chunks] = schedule(
                stage, num_chunks, loss_fn=_loss_of, scale_grads=False
            )
        return self._pipelines[num_chunks]

    def _finish(self) -> StepResult:
        """Let the optimizer move this stage's weights, and tell what all stages know.

        Raises:
            ConfigError: layers of several stages share a weight.
        """
        own = self._sum.finish(stop=self._stop.is_requested_here)
        self._weights.count_gradients()
        gradients = [parameter.grad for parameter in self._step.model.parameters()]
        norms = [own.losses.new_zeros(()) if g is None else g.norm() for g in gradients]
        has = own.losses.new_tensor([g is not None for g in gradients])
        stop = own.losses.new_tensor([own.is_stopped])
        parts = [own.losses, torch.stack(norms), has, stop]
        total = self._team.sum_(torch.cat(parts))
        losses, all_norms, owners, stops = total.split([len(part) for part in parts])
        require(
            bool((owners <= 1).all()),
            "parallel=pipeline cannot cut this model: layers of several processes share a weight; "
            "use parallel=none",
        )
        self._step.update(torch.linalg.vector_norm(all_norms[owners > 0]))
        return StepResult(losses, bool(stops))


def _loss_of(output: Tensor, place: Tensor) -> Tensor:
    """Return the loss of a chunk, which is all that the last stage gives."""
    return output.sum()


def pipeline_steps(
    step: Step, deal: Deal, team: Team, seed: int, sampler: Sampler, stages: Stages
) -> PipelineSteps:
    """Return what takes the steps of this process's stage."""
    assert isinstance(step.model, Backbone)
    assert isinstance(sampler, GivesChunks)
    layers, wire = stages.layers(team.rank), team.wire_device(step.device)
    parcels = [
        Parcels(sampler.most_targets, widths, step.device, wire)
        for widths in parcel_widths(step.model, sampler.graph, step.device)
    ]
    arriving = parcels[layers.start - 1] if team.rank > 0 else None
    leaving = parcels[layers.stop - 1] if team.rank < team.size - 1 else None
    stage = Stage(step, layers, arriving, leaving)
    return PipelineSteps(step, deal, team, seed, stage, stages.schedule)

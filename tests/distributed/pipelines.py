"""Trainings whose layers are stages of a pipeline, for processes of a team."""

from __future__ import annotations

from typing import Any

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.distributed.deal import Deal
from redditgnn.distributed.gradients import StepSum
from redditgnn.distributed.team import Alone, Rehearsal, Team
from redditgnn.parts import Parts
from redditgnn.runtime.measure import Phases
from redditgnn.trainer.parcel_widths import largest_parcel
from redditgnn.trainer.step import Step
from tests.distributed.digests import digest_of, train


def train_stages(team: Team, cases: list[list[str]], data_dir: str) -> list[dict[str, Any]]:
    """Train each case, and return a digest of the weights, the losses, and what the rank had."""
    return [_train(team, [*case, f"data_dir={data_dir}"]) for case in cases]


def _train(team: Team, overrides: list[str]) -> dict[str, Any]:
    parts = Parts(compose_settings(overrides), team=team)
    with parts.in_effect():
        training = train(parts, team)
    states = parts.sampler.histories.states
    return {
        "weights": digest_of(parts.model),
        "losses": [row.train_loss for row in training.rows],
        "histories": {layer: table.double().sum().item() for layer, table in states.items()},
        "bytes": sum(table.nbytes for table in states.values()),
        "states": len(parts.optimizer.state),
        "sent": team.traffic.sent_bytes,
        "steps": team.traffic.num_steps,
        "parcel": largest_parcel(parts.model, parts.sampler, parts.device),
    }


def errors_of_a_stage(_: Team, case: list[str]) -> list[str]:
    """Return the kinds of error of a step that fails here, and of one that fails elsewhere."""
    from torch.distributed.pipelining import ScheduleGPipe

    from redditgnn.trainer.pipeline import PipelineSteps
    from redditgnn.trainer.stage import Stage

    parts, cpu = Parts(compose_settings(case)), torch.device("cpu")
    step = Step(parts.model, parts.model, parts.optimizer, "fp32", cpu, None, None)
    stage, deal = Stage(step, range(1), None, None), Deal(7, 5)
    stage.begin_epoch(int, iter([]), Phases(cpu), StepSum(parts.model, deal, Alone(), cpu))

    class Failing(ScheduleGPipe):
        """Words errors as torch.distributed.pipelining does."""

        def __init__(self, is_own: bool) -> None:
            self._is_own = is_own

        def step(self, *_: Any, **__: Any) -> None:
            if not self._is_own:
                raise RuntimeError("Connection reset by peer")
            with stage.backward(0):
                raise RuntimeError("Failed to run stage backward") from MemoryError()

    kinds = []
    for is_own in (True, False):
        stage.error = None
        steps = PipelineSteps(step, deal, Rehearsal(0, 2), 0, stage, "1f1b")
        steps._pipelines[5] = Failing(is_own)
        try:
            steps._run(5)
        except Exception as error:
            kinds.append(type(error).__name__)
    return kinds

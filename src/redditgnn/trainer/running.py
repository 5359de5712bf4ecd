"""What the epochs of one training share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn
from tqdm import tqdm

from redditgnn.distributed.team import Team
from redditgnn.graph.data import Split
from redditgnn.metric.base import Scores
from redditgnn.sampler.base import BetweenEpochs
from redditgnn.trainer.checkpointing import Checkpointer
from redditgnn.trainer.cuda_graph import CapturedTraining
from redditgnn.trainer.epoch import EpochClock
from redditgnn.trainer.shared import SharedSteps
from redditgnn.trainer.state import TrainingState
from redditgnn.trainer.step import Step

Evaluate = Callable[[nn.Module, Split], tuple[float, Scores]]


@dataclass(frozen=True, slots=True)
class Running:
    """The state of a training, and how it takes steps, evaluates and saves.

    Steps are captured, shared, or neither, which `step` takes.
    """

    state: TrainingState
    step: Step
    captured: CapturedTraining | None
    shared: SharedSteps | None
    evaluate: Evaluate
    between_epochs: BetweenEpochs
    checkpointer: Checkpointer | None
    team: Team
    bar: tqdm

    def __post_init__(self) -> None:
        if self.shared is not None and self.checkpointer is not None:
            self.checkpointer.stop = self.shared.agree_with(self.checkpointer.stop)

    def maybe_save(self, clock: EpochClock | None = None, *, ends_epoch: bool = False) -> float:
        """Say that here a checkpoint may be written; return the seconds that this took."""
        if self.checkpointer is None:
            return 0.0
        return self.checkpointer.maybe_save(
            partial(self.state.state_dict, clock), ends_epoch=ends_epoch
        )

"""The state of a training, which can be saved between any two of its steps.

The position of the sampler is the states of its generators when the epoch began, and the number of
steps taken since: batches are prepared ahead of the training, so its generators are ahead, too.
Who resumes draws the epoch's batches again and skips those that were trained on.
"""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from redditgnn.distributed.stage_weights import StageWeights
from redditgnn.distributed.team import Alone, Team
from redditgnn.errors import DataError
from redditgnn.record.checkpoint import Weights
from redditgnn.record.rows import EpochRow
from redditgnn.sampler.base import (
    IsChosen,
    KeepsHistories,
    OneStep,
    Sampler,
    every_batch,
    sampler_position,
    set_sampler_position,
)
from redditgnn.trainer.epoch import SECONDS, EpochClock, batches_from
from redditgnn.trainer.monitor import Monitor


class TrainingState:
    """What a training has done so far, and what it does it with.

    Attributes:
        rows: The epochs that are over.
        train_s: Their seconds, evaluation not counted.
        best_weights: Those of the best of them; None before an evaluation.
        losses: Of the batches trained on in the epoch at hand.
        stage_weights: What this stage of a pipeline trains. None: all of the model.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        scheduler: LRScheduler,
        sampler: Sampler,
        monitor: Monitor,
        device: torch.device,
        is_own: IsChosen = every_batch,
        team: Team | None = None,
    ) -> None:
        """Begin; `is_own` chooses the batches that this process of `team` computes."""
        self.model, self.optimizer, self.scheduler = model, optimizer, scheduler
        self.sampler, self.monitor, self._device = sampler, monitor, device
        self._is_own, self._team = is_own, team or Alone()
        self.rows: list[EpochRow] = []
        self.train_s = 0.0
        self.best_weights: Weights | None = None
        self.losses: list[Tensor] = []
        self.stage_weights: StageWeights | None = None
        self._position: list[Tensor] = []
        self._seconds = dict.fromkeys(SECONDS, 0.0)

    @property
    def is_new(self) -> bool:
        """Whether not even a step was taken."""
        return not self.rows and not self.losses

    @property
    def num_steps(self) -> int:
        """Batches trained on in all epochs."""
        return len(self.rows) * len(self.sampler) + len(self.losses)

    @property
    def num_taken(self) -> int:
        """Batches of the epoch at hand that are done, whatever the number of processes was."""
        if self.losses and isinstance(self.sampler, OneStep):  # which has one step an epoch
            return len(self.sampler)
        return len(self.losses)

    def begin_epoch(self) -> EpochClock:
        """Take down where the sampler is, before it is iterated over; start to count seconds."""
        self._position = sampler_position(self.sampler)
        batches = batches_from(self.sampler, self.num_taken, self._is_own)
        return EpochClock(batches, self._seconds, self._device, self._team)

    def end_epoch(self, row: EpochRow) -> None:
        """Take in an epoch that was evaluated."""
        if not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()
        elif row.val_loss is not None:
            self.scheduler.step(row.val_loss)
        self._take_in(row)
        if self.monitor.best is row:
            weights = self.model.state_dict()
            self.best_weights = {k: value.detach().cpu().clone() for k, value in weights.items()}
        self._position, self.losses = sampler_position(self.sampler), []
        self._seconds = dict.fromkeys(SECONDS, 0.0)

    def state_dict(self, clock: EpochClock | None = None) -> dict[str, Any]:
        """Return all of it as tensors, numbers and text; `clock` is that of the epoch at hand.

        Of the histories it has those of this process. All stages of a pipeline must call it.
        """
        if self.stage_weights is not None:
            self.stage_weights.share()
        whole = self.optimizer if self.stage_weights is None else self.stage_weights
        historian = self.sampler if isinstance(self.sampler, KeepsHistories) else None
        on_cuda = self._device.type == "cuda"
        return {
            "model": self.model.state_dict(),
            "optimizer": whole.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "generator": torch.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state(self._device) if on_cuda else None,
            "sampler": self._position,
            "histories": None if historian is None else historian.state_dict(),
            "rows": [asdict(row) for row in self.rows],
            "best_weights": self.best_weights,
            "losses": torch.stack(self.losses) if self.losses else torch.empty(0),
            "seconds": self._seconds if clock is None else clock.seconds(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            DataError: it tells of another model or sampler.
        """
        try:
            self._load(state)
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"it is of another training ({reason})") from error

    def _load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # it keeps the tensors
        self.scheduler.load_state_dict(state["scheduler"])
        self.optimizer._opt_called = True  # type: ignore[attr-defined]  # or the scheduler warns
        set_sampler_position(self.sampler, state["sampler"])
        for row in state["rows"]:
            self._take_in(EpochRow(**row))
        if isinstance(self.sampler, KeepsHistories):
            self.sampler.load_state_dict(state["histories"], len(self.rows))
        self.best_weights = copy.deepcopy(state["best_weights"])
        self.losses = list(state["losses"].to(self._device).unbind())
        self._seconds = state["seconds"]
        torch.set_rng_state(state["generator"])
        if state["cuda_generator"] is not None:
            torch.cuda.set_rng_state(state["cuda_generator"], self._device)

    def _take_in(self, row: EpochRow) -> None:
        self.monitor.is_best(row)
        self.rows.append(row)
        self.train_s += row.epoch_s

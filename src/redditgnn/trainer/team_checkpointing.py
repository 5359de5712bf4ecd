"""Checkpoints of processes that have state of their own each, such as stale halos.

Every process writes its state into `checkpoint-STEP.RANK.pt`. Once all have, rank 0 writes
checkpoint.pt, which names the step, and removes the files of the step before. So whenever a process
dies, checkpoint.pt and the files that it names belong together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redditgnn.distributed.team import Team
from redditgnn.errors import DataError
from redditgnn.record import checkpoint
from redditgnn.sampler.base import OwnsState
from redditgnn.trainer.checkpointing import Checkpointer
from redditgnn.trainer.state import TrainingState

STEP = "step_of_shares"

log = logging.getLogger(__name__)


class TeamCheckpointer(Checkpointer):
    """Keeps the state of `sampler` in this process, beside what all processes have in common.

    All processes call it at the same boundaries. Rank 0 decides when a duration is over.
    """

    def __init__(self, *arguments: Any, team: Team, sampler: OwnsState) -> None:
        super().__init__(*arguments)
        self._team, self._sampler = team, sampler
        self._num_steps: Callable[[], int] = lambda: 0

    def restore(self, state: TrainingState) -> None:
        """Load what an earlier process of this rank left, too."""
        self._num_steps, saved = lambda: state.num_steps, self._resumed_from
        super().restore(state)
        if saved is not None:
            self._sampler.load_own_state(self._load_share(saved.get(STEP)))

    def _load_share(self, step: int | None) -> dict[str, Any]:
        path = self._share(step or 0, self._team.rank)
        if not path.exists():
            raise DataError(
                f"{path} is missing, which {self._path.name} needs; remove {self._path}, and the "
                "run begins anew"
            )
        return checkpoint.load(path, way_out=f"remove {self._path}, and the run begins anew")

    def _is_due(self, ends_epoch: bool) -> bool:
        is_due = super()._is_due(ends_epoch)
        return is_due if self._cadence.seconds is None else self._team.broadcast(is_due)

    def _write_checkpoint(self, state: Callable[[], dict[str, Any]]) -> float:
        start, step = time.perf_counter(), self._num_steps()
        checkpoint.save(self._sampler.own_state(), self._share(step, self._team.rank))
        self._team.barrier()
        if self._team.rank == 0:
            shares = {self._share(step, rank) for rank in range(self._team.size)}
            if all(path.exists() for path in shares):
                super()._write_checkpoint(lambda: state() | {STEP: step})
                self._remove_but(shares)
            else:
                log.warning("%s is not written: not all processes have", self._path)
        return time.perf_counter() - start

    def _share(self, step: int, rank: int) -> Path:
        return self._path.with_name(f"{self._path.stem}-{step}.{rank}{self._path.suffix}")

    def _remove_but(self, shares: set[Path]) -> None:
        """Remove the files of other steps. No process is at the next one: it needs rank 0."""
        pattern = f"{self._path.stem}-*{self._path.suffix}"
        for path in {*self._path.parent.glob(pattern)} - shares:
            path.unlink(missing_ok=True)

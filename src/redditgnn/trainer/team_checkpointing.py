"""Checkpoints to which every process adds a file of its own: histories of stages, or stale halos.

Each process writes its file. Once all have, rank 0 writes the checkpoint, which names the files,
and removes those of the checkpoint before. So whenever a process dies, the checkpoint and the files
that it names belong together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from redditgnn.distributed.team import Team
from redditgnn.errors import DataError
from redditgnn.record import checkpoint
from redditgnn.record.resume import OWN_FILE
from redditgnn.sampler.base import OwnsState
from redditgnn.trainer.checkpointing import Checkpointer
from redditgnn.trainer.own_files import FILES, load_own_file, own_files
from redditgnn.trainer.state import TrainingState


class TeamCheckpointer(Checkpointer, ABC):
    """All processes call it at the same boundaries. Rank 0 decides when a duration is over."""

    def __init__(self, *arguments: Any, team: Team) -> None:
        super().__init__(*arguments)
        self._team = team

    @abstractmethod
    def _take_own(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return what this process alone has, and take it out of `state` if it is there."""

    def _is_due(self, ends_epoch: bool) -> bool:
        is_due = super()._is_due(ends_epoch)
        return is_due if self._cadence.seconds is None else self._team.broadcast(is_due)

    def _write(self, state: dict[str, Any]) -> None:
        team, folder = self._team, self._path.parent
        names = own_files(state, team.size)
        is_written = checkpoint.save(self._take_own(state), folder / names[team.rank])
        if not all(team.gather_values(is_written)):  # a warning has said why
            return
        if team.rank == 0 and checkpoint.save(state | {FILES: names}, self._path):
            for path in folder.glob(OWN_FILE.format("*")):
                if path.name not in names:
                    path.unlink(missing_ok=True)


class StageCheckpointer(TeamCheckpointer):
    """Keeps the histories of each stage of a pipeline. Any number of stages resumes from them."""

    def _take_own(self, state: dict[str, Any]) -> dict[str, Any]:
        own: dict[str, Any] = state.pop("histories")
        return own


class HaloCheckpointer(TeamCheckpointer):
    """Keeps what has arrived from other processes. As many processes resume from it."""

    def __init__(self, *arguments: Any, team: Team, sampler: OwnsState) -> None:
        super().__init__(*arguments, team=team)
        self._sampler = sampler

    def _take_own(self, state: dict[str, Any]) -> dict[str, Any]:
        return self._sampler.own_state()

    def _load(self, state: TrainingState, saved: dict[str, Any]) -> None:
        super()._load(state, saved)
        names = saved.get(FILES, [])
        if len(names) != self._team.size:
            raise DataError(f"{len(names)} processes wrote it, and these are {self._team.size}")
        self._sampler.load_own_state(load_own_file(self._path.parent, names[self._team.rank]))

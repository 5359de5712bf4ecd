"""The checkpoints of a pipeline, which all of its stages write together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from redditgnn.distributed.team import Team
from redditgnn.record import checkpoint
from redditgnn.record.resume import STAGE_HISTORIES
from redditgnn.trainer.checkpointing import Checkpointer
from redditgnn.trainer.stage_files import FILES, stage_file


class StageCheckpointer(Checkpointer):
    """Rank 0 decides when to write, and writes all but the histories of other stages.

    The checkpoint names the files that hold the histories. It is written after them, and earlier
    ones are removed last. So a death in between leaves a whole set.
    """

    def __init__(self, path: Path, *arguments: Any, team: Team) -> None:
        super().__init__(path, *arguments)
        self._team = team

    def _is_due(self, ends_epoch: bool) -> bool:
        return self._team.broadcast(super()._is_due(ends_epoch))

    def _write(self, state: dict[str, Any]) -> None:
        team, folder = self._team, self._path.parent
        names = [stage_file(state, rank, team.size) for rank in range(team.size)]
        is_written = checkpoint.save(state.pop("histories"), folder / names[team.rank])
        failures = team.sum_(torch.tensor([float(not is_written)]))
        if failures == 0 and team.rank == 0 and checkpoint.save(state | {FILES: names}, self._path):
            for path in folder.glob(STAGE_HISTORIES):
                if path.name not in names:
                    path.unlink(missing_ok=True)

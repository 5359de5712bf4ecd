"""A run as the processes after rank 0 see it: the files belong to rank 0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from redditgnn.record.recorder import EpochRecorder
from redditgnn.record.resume import RunFolder
from redditgnn.record.rows import EpochRow, HistoryRow
from redditgnn.run.row import RunRecord


class NoRecorder(EpochRecorder):
    """Records nothing."""

    def __init__(self) -> None:
        """Open no file."""

    def record(self, row: EpochRow) -> None: ...

    def record_histories(self, row: HistoryRow) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class SharedFolder(RunFolder):
    """The folder that rank 0 has claimed."""

    def recorder(self) -> EpochRecorder:
        return NoRecorder()

    def release(self, status: str) -> None:
        """Leave the folder to rank 0."""


class Follower(RunRecord):
    """Writes no row. How this process ends early is reported to rank 0, which writes it."""

    def claim(self, description: Mapping[str, Any]) -> RunFolder:
        """Take the folder of rank 0, and the checkpoint that it has found there."""
        place: tuple[Path, dict[str, Any] | None, str] | None = self.team.broadcast(None)
        assert place is not None, "rank 0 broadcasts its place"
        folder, state, started_at = place
        lock = FileLock(folder / ".lock")  # never acquired
        return SharedFolder(folder=folder, lock=lock, resumed_from=state, started_at=started_at)

    def record(self, status: str, error: str | None = None) -> None:
        """Report an end that is not the regular one."""
        self.path = self.results_dir / "runs.csv"
        if status != "completed":
            self.team.report(status, error or status)

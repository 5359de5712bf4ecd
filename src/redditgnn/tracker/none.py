"""No tracker: runs.csv and epochs.csv are the record."""

from __future__ import annotations

from pathlib import Path

from redditgnn.record.rows import EpochRow, RunRow


class NoTracker:
    """Does nothing."""

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        """Nothing to open."""

    def epoch(self, row: EpochRow) -> None:
        """Nothing to record."""

    def finished(self, row: RunRow) -> None:
        """Nothing to record."""

    def close(self) -> None:
        """Nothing to close."""

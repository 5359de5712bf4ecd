"""TensorBoard: an event file for each run, for `tensorboard --logdir results/tensorboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.tracker.base import import_optional, measured_numbers, searchable_settings

SECONDS = "_s"  # the ending of columns that hold seconds


class TensorBoard:
    """Curves of every epoch, and scores of the run next to its settings for the tab HParams.

    `folder`: the folder of all runs, below `results_dir`. Each run has a subfolder.
    """

    def __init__(self, *, folder: str) -> None:
        import_optional("tensorboard", "tensorboard", "tensorboard")
        self._folder = folder
        self._writer: Any = None

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        """Open a file, and hide epochs that an interrupted run did after its checkpoint."""
        from torch.utils.tensorboard.writer import SummaryWriter

        folder = results_dir / self._folder / row.run_id
        self._writer = SummaryWriter(str(folder), purge_step=num_epochs + 1)

    def epoch(self, row: EpochRow) -> None:
        for name, value in measured_numbers(row).items():
            group = "seconds" if name.endswith(SECONDS) else "epoch"
            self._writer.add_scalar(f"{group}/{name}", value, row.epoch)
        self._writer.flush()

    def finished(self, row: RunRow) -> None:
        settings = {key: _to_hparam(value) for key, value in searchable_settings(row).items()}
        scores = {f"run/{name}": value for name, value in measured_numbers(row).items()}
        self._writer.add_hparams(settings, scores, run_name=".")
        self._writer.add_text("status", row.status)

    def close(self) -> None:
        self._writer.close()


def _to_hparam(value: Any) -> Any:
    """Return `value`, or as text if the tab HParams cannot show its type."""
    return value if isinstance(value, (bool, int, float, str)) else str(value)

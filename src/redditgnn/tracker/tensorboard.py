"""TensorBoard: an event file a run, to be read with `tensorboard --logdir results/tensorboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.tracker.base import numbers_of, required, settings_of

SECONDS = "_s"  # the ending of columns that hold seconds


class TensorBoard:
    """Curves of every epoch; scores of the run beside its settings, for the tab HParams.

    `folder`: of all runs, below `results_dir`; each has a folder of its own in it.
    """

    def __init__(self, *, folder: str) -> None:
        required("tensorboard", "tensorboard", "tensorboard")
        self._folder = folder
        self._writer: Any = None

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        """Open a file; epochs that an interrupted run did after its checkpoint are hidden."""
        from torch.utils.tensorboard.writer import SummaryWriter

        folder = results_dir / self._folder / row.run_id
        self._writer = SummaryWriter(str(folder), purge_step=num_epochs + 1)

    def epoch(self, row: EpochRow) -> None:
        for name, value in numbers_of(row).items():
            group = "seconds" if name.endswith(SECONDS) else "epoch"
            self._writer.add_scalar(f"{group}/{name}", value, row.epoch)
        self._writer.flush()

    def finished(self, row: RunRow) -> None:
        told = {key: _plain(value) for key, value in settings_of(row).items()}
        scores = {f"run/{name}": value for name, value in numbers_of(row).items()}
        self._writer.add_hparams(told, scores, run_name=".")
        self._writer.add_text("status", row.status)

    def close(self) -> None:
        self._writer.close()


def _plain(value: Any) -> Any:
    """Return what the tab HParams can show."""
    return value if isinstance(value, (bool, int, float, str)) else str(value)

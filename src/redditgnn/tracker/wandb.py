"""Weights & Biases. With `mode=offline` runs go to results_dir/wandb, for `wandb sync` later."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.tracker.base import import_optional, measured_numbers, searchable_settings


class WandB:
    """Settings, a step per epoch, and the final row as summary. A resumed run keeps its id.

    `mode`: None uses the variable WANDB_MODE, which defaults to online.
    """

    def __init__(
        self,
        *,
        project: str,
        entity: str | None,
        mode: Literal["online", "offline"] | None,
    ) -> None:
        self._wandb = import_optional("wandb", "wandb", "wandb")
        self._project, self._entity, self._mode = project, entity, mode
        self._run: Any = None

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        results_dir.mkdir(parents=True, exist_ok=True)
        self._run = self._wandb.init(
            project=self._project,
            entity=self._entity,
            mode=self._mode,
            id=row.run_id,
            name=f"{row.model} {row.dataset} {row.sampler} seed {row.seed}",
            group=row.config_hash,
            config=searchable_settings(row),
            dir=str(results_dir),
            resume="allow",
            reinit="create_new",
            settings=self._wandb.Settings(silent=True, init_timeout=60),
        )

    def epoch(self, row: EpochRow) -> None:
        self._run.log(measured_numbers(row), step=row.epoch)

    def finished(self, row: RunRow) -> None:
        summary = {**measured_numbers(row), "status": row.status, "error": row.error}
        self._run.summary.update({f"run/{name}": value for name, value in summary.items()})
        self._run.finish(exit_code=0 if row.status == "completed" else 1)

    def close(self) -> None:
        """Nothing to do, since `finished` closes the run."""

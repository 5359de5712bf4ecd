"""Weights & Biases; with `mode=offline` into results_dir/wandb, for `wandb sync` later."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.tracker.base import numbers_of, required, settings_of


class WandB:
    """Settings, a step an epoch, and the final row as summary; a run that goes on keeps its id.

    `mode`: None leaves it to the variable WANDB_MODE, which means online if it is not set.
    """

    def __init__(
        self,
        *,
        project: str,
        entity: str | None,
        mode: Literal["online", "offline"] | None,
    ) -> None:
        self._wandb = required("wandb", "wandb", "wandb")
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
            config=settings_of(row),
            dir=str(results_dir),
            resume="allow",
            reinit="create_new",
            settings=self._wandb.Settings(silent=True, init_timeout=60),
        )

    def epoch(self, row: EpochRow) -> None:
        self._run.log(numbers_of(row), step=row.epoch)

    def finished(self, row: RunRow) -> None:
        told = {**numbers_of(row), "status": row.status, "error": row.error}
        self._run.summary.update({f"run/{name}": value for name, value in told.items()})
        self._run.finish(exit_code=0 if row.status == "completed" else 1)

    def close(self) -> None:
        """`finished` has closed it."""

"""MLflow: runs in a database, for `mlflow ui --backend-store-uri sqlite:///...`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from filelock import FileLock

from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.tracker.base import import_optional, measured_numbers, searchable_settings

TAG = "redditgnn.run_id"
MOST_CHARACTERS = 6000  # of a parameter's value
STATUS = {"completed": "FINISHED", "interrupted": "KILLED"}  # all others: FAILED


class MLflow:
    """Parameters, metrics per epoch, and the final row. A resumed run keeps its place.

    `uri`: address of a tracking server or database, None for results_dir/mlruns/mlflow.db.
    `experiment`: MLflow's name for a group of runs.
    """

    def __init__(self, *, uri: str | None, experiment: str) -> None:
        self._mlflow = import_optional("mlflow-skinny", "mlflow", "mlflow")
        import_optional("sqlalchemy", "sqlalchemy", "mlflow")
        self._uri, self._experiment = uri, experiment
        self._client: Any = None
        self._run_id = ""

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        """Open the run, or the one that was opened before it was interrupted."""
        folder = (results_dir / "mlruns").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # the first process creates the tables
            uri = self._uri or f"sqlite:///{folder / 'mlflow.db'}"
            self._client = self._mlflow.MlflowClient(tracking_uri=uri)
            experiment = self._experiment_id(folder)
        runs = self._client.search_runs([experiment], f"tags.`{TAG}` = '{row.run_id}'")
        if runs:
            self._run_id = runs[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
            return
        run = self._client.create_run(experiment, tags={TAG: row.run_id}, run_name=row.run_id)
        self._run_id = run.info.run_id
        for key, value in searchable_settings(row).items():
            self._client.log_param(self._run_id, key, str(value)[:MOST_CHARACTERS])

    def epoch(self, row: EpochRow) -> None:
        for name, value in measured_numbers(row).items():
            self._client.log_metric(self._run_id, name, value, step=row.epoch)

    def finished(self, row: RunRow) -> None:
        for name, value in measured_numbers(row).items():
            self._client.log_metric(self._run_id, f"run.{name}", value)
        if row.error:
            self._client.set_tag(self._run_id, "error", row.error)
        self._client.set_tag(self._run_id, "status", row.status)
        self._client.set_terminated(self._run_id, STATUS.get(row.status, "FAILED"))

    def close(self) -> None:
        """Nothing to close."""

    def _experiment_id(self, folder: Path) -> str:
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is not None:
            return str(experiment.experiment_id)
        place = None if self._uri else (folder / "artifacts").as_uri()
        return str(self._client.create_experiment(self._experiment, artifact_location=place))

"""Jobs on a SLURM cluster, through submitit: one array for all jobs that are ready together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, require
from redditgnn.run.parallel import resolve_parallel
from redditgnn.sweep.protocol import Outcome, WorkerDied, run_request
from redditgnn.sweep.settings import SweepSettings

POLL_S = 1.0
GRACE_S = 40.0  # SLURM kills 30 s after its SIGTERM


def resolve_on_cluster(settings: Settings, sweep: SweepSettings) -> Settings:
    """Return `settings` with what `auto` means for the job of a run; see `resolve_parallel`.

    The tasks of a job are the processes of its run. They choose the backend where they are.

    Raises:
        ConfigError: the run has another number of processes than its job has tasks.
    """
    tasks = sweep.slurm.tasks if sweep.launcher == "submitit" else 1
    if tasks == 1:
        return resolve_parallel(settings)
    parallel = settings.parallel
    started = f"sweep.slurm.nodes x sweep.slurm.tasks_per_node = {tasks} processes for each run"
    require(
        not parallel.is_none,
        f"{started}, and parallel=none has one; add parallel=data or partition, or leave them out",
    )
    require(
        parallel.processes in ("auto", tasks),
        f"{started}, got parallel.processes={parallel.processes}; leave that out",
    )
    resolved = resolve_parallel(replace(settings, parallel=replace(parallel, processes=tasks)))
    return replace(resolved, parallel=replace(resolved.parallel, backend=parallel.backend))


class Task:
    """The callable of a task of a cluster job."""

    def __call__(self, request: Mapping[str, Any]) -> Outcome:
        from submitit import JobEnvironment
        from submitit.helpers import TorchDistributedEnvironment

        if JobEnvironment().num_tasks > 1:
            TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        return run_request(request)

    def checkpoint(self, request: Mapping[str, Any]) -> Any:
        """Queue the job again at its time limit or pre-emption: the run resumes."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, request)


class Cluster:
    """Runs jobs on a cluster, with the interface of `Pool`.

    Raises:
        ConfigError: submitit is not installed, or there is no such cluster here.
    """

    def __init__(self, sweep: SweepSettings, results_dir: Path) -> None:
        self._max_jobs = sweep.jobs if sweep.search == "optuna" else None
        self._executor = _build_executor(sweep, results_dir / "sweeps" / "submitit")
        self._submitted: list[tuple[Any, Mapping[str, Any]]] = []
        self._pending: list[tuple[Any, Any]] = []

    def start(self) -> None:
        """There is nothing to start before there are jobs."""

    @property
    def has_room(self) -> bool:
        count = len(self._submitted) + len(self._pending)
        return self._max_jobs is None or count < self._max_jobs

    @property
    def is_empty(self) -> bool:
        return not self._submitted and not self._pending

    def submit(self, key: Any, request: Mapping[str, Any], label: str) -> None:
        """Keep a job for the next array."""
        self._submitted.append((key, request))

    def next_outcomes(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Wait for at least one job, and yield key and outcome of all that ended."""
        if self._submitted:
            with self._executor.batch():
                jobs = [self._executor.submit(Task(), request) for _, request in self._submitted]
            self._pending += [
                (key, job) for (key, _), job in zip(self._submitted, jobs, strict=True)
            ]
            self._submitted = []
        while not (finished := [pair for pair in self._pending if pair[1].done()]):
            time.sleep(POLL_S)
        for pair in finished:
            self._pending.remove(pair)
            yield pair[0], _read_outcome(pair[1])

    def interrupt(self) -> Iterator[tuple[Any, Outcome | WorkerDied]]:
        """Cancel all jobs by SIGTERM, and yield key and outcome of each."""
        self.close()
        deadline = time.monotonic() + GRACE_S
        while self._pending and time.monotonic() < deadline:
            if all(job.done() for _, job in self._pending):
                break
            time.sleep(POLL_S)
        for key, job in self._pending:
            yield key, _read_outcome(job) if job.done() else WorkerDied("it was cancelled")
        self._pending = []

    def close(self) -> None:
        """Cancel jobs that are queued or running."""
        self._submitted = []
        for _, job in self._pending:
            job.cancel(check=False)


def _build_executor(sweep: SweepSettings, folder: Path) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ConfigError(
            "sweep.launcher=submitit needs the package submitit: pip install 'redditgnn[sweep]'"
        ) from error
    slurm = sweep.slurm
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=slurm.cluster)
    except RuntimeError as error:
        raise ConfigError(f"sweep.slurm.cluster={slurm.cluster}: {error}") from error
    parameters = {
        "name": "redditgnn",
        "timeout_min": slurm.minutes,
        "nodes": slurm.nodes,
        "tasks_per_node": slurm.tasks_per_node,
        "cpus_per_task": slurm.cpus,
        "gpus_per_node": slurm.gpus,
        "mem_gb": slurm.mem_gib,
        "slurm_array_parallelism": sweep.jobs,
        "slurm_partition": slurm.partition,
    }
    executor.update_parameters(
        **{key: value for key, value in parameters.items() if value is not None}
    )
    return executor


def _read_outcome(job: Any) -> Outcome | WorkerDied:
    """Return what the first task gave. Others that died first are in its row."""
    error = job.task(0).exception()
    if error is None:
        outcome: Outcome = job.task(0).result()
        return outcome
    return WorkerDied(f"its job {job.job_id} ended: {str(error).splitlines()[0]}")

"""A sweep from its plan to its table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from redditgnn.parts import resolve_device
from redditgnn.record.provenance import provenance
from redditgnn.record.recorder import append_run, prepare_record
from redditgnn.record.resume import identity, resumable
from redditgnn.record.rows import RunRow, cells_of
from redditgnn.record.runs_file import Row
from redditgnn.run.row import row_at_start
from redditgnn.sweep.data import Data, data_of
from redditgnn.sweep.plan import Job, Planner
from redditgnn.sweep.processes import Pool
from redditgnn.sweep.protocol import Outcome, WorkerDied, Workers, request_of
from redditgnn.sweep.record import Identity, Policy, as_row, recorded
from redditgnn.sweep.resources import environments
from redditgnn.sweep.search import Search
from redditgnn.sweep.settings import SweepSettings
from redditgnn.sweep.slurm import Cluster
from redditgnn.sweep.summary import BEST, Result, table

MOST_TRIES = 3


@dataclass
class Sweep:
    """Runs jobs, and remembers how they ended."""

    pool: Workers
    policy: Policy
    results_dir: Path
    total: int
    rows: list[Row]  # of runs.csv when the sweep began
    data: Data
    learn: Callable[[Job, Outcome], None]
    results: list[Result] = field(default_factory=list)
    _tries: dict[int, int] = field(default_factory=dict)

    def run(self, jobs: Iterable[Job]) -> None:
        """Run them all; a run that fails, or a process that is killed, ends nobody else's.

        Raises:
            KeyboardInterrupt: the runs under way have been interrupted, and are in `results`.
        """
        waiting = iter(jobs)
        try:
            while self._start(waiting) or not self.pool.is_empty:
                if not self.pool.is_empty:
                    self._collect(self.pool.finished(), retry=True)
        except KeyboardInterrupt:
            self._collect(self.pool.interrupt(), retry=False)
            raise

    def rows_on(self, job: Job) -> list[Row]:
        """Return the rows on the data of `job` that count."""
        fingerprint = self.data.fingerprint(job.settings)
        return [r for r in self.rows if r["fingerprint"] == fingerprint and self.policy.counts(r)]

    def _start(self, waiting: Iterator[Job]) -> bool:
        """Give jobs to all workers that have none; return whether there may be more."""
        while self.pool.has_room:
            job = next(waiting, None)
            if job is None:
                return False
            row = self.policy.completed(self._identity(job), self.rows)
            if row is not None:
                self._finish(job, Outcome(status="skipped", row=row))
            else:
                self._submit(job)
        return True

    def _submit(self, job: Job) -> None:
        self._tries[job.number] = self._tries.get(job.number, 0) + 1
        _tell(f"{self._place(job)} starts: {job.label}")
        request = request_of(job.settings, job.overrides, self._identity(job), self.policy)
        self.pool.submit(job, request, f"{self._place(job)} {job.label}")

    def _collect(self, ended: Iterable[tuple[Job, Outcome | WorkerDied]], retry: bool) -> None:
        for job, outcome in list(ended):
            if not isinstance(outcome, WorkerDied):
                self._finish(job, outcome)
            elif not retry:
                self._finish(job, Outcome(status="interrupted", code=130))
            elif self._tries[job.number] < MOST_TRIES and self._left_by(self._row(job)) is not None:
                _tell(f"{self._place(job)} {outcome}; it goes on where it was: {job.label}")
                self._submit(job)
            else:
                self._finish(job, self._died(job, outcome))

    def _row(self, job: Job) -> RunRow:
        """Return what is known of a run without running it."""
        row = row_at_start(job.settings, resolve_device(job.settings.device))
        return replace(row, fingerprint=self.data.fingerprint(job.settings))

    def _left_by(self, row: RunRow) -> Path | None:
        """Return the folder that such a run left with a checkpoint to go on from."""
        return resumable(self.results_dir, identity(row))

    def _died(self, job: Job, death: WorkerDied) -> Outcome:
        """Record a run whose process could not do so itself."""
        row = replace(self._row(job), error=str(death))
        if (folder := self._left_by(row)) is not None:
            row = replace(row, run_id=folder.name)
        append_run(row, self.results_dir)
        return Outcome(status="failed", code=3, error=str(death), row=as_row(cells_of(row)))

    def _finish(self, job: Job, outcome: Outcome) -> None:
        self.results.append(Result(job, outcome))
        self.learn(job, outcome)
        _tell(f"{self._place(job)} {self._told(outcome)}: {job.label}")

    def _told(self, outcome: Outcome) -> str:
        row = outcome.row
        if outcome.status == "skipped":
            return f"skipped, completed as {row['run_id']}{self.policy.remark(row)}"
        if outcome.status == "completed":
            scores = [f"{name} {float(row[f'{name}_micro_f1']):.4f}" for name in ("val", "test")]
            return f"completed, micro-F1 {', '.join(scores)}, {float(row['wall_s']):.1f} s"
        return f"{outcome.status} ({outcome.error})" if outcome.error else outcome.status

    def _place(self, job: Job) -> str:
        return f"{job.number:>{len(str(self.total))}}/{self.total}"

    def _identity(self, job: Job) -> Identity:
        return Identity(
            config_hash=job.config_hash,
            seed=job.settings.seed,
            fingerprint=self.data.fingerprint(job.settings),
        )


def run_sweep(command_line: Sequence[str], config_dir: Path | None = None) -> list[Result]:
    """Plan and run a sweep, print its table, and return how each job ended.

    Raises:
        UserError: something is wrong with the command line, a job or the data; nothing was run.
        KeyboardInterrupt: after the table of what there is so far.
    """
    planner = Planner(command_line, config_dir)
    search = Search(planner) if planner.sweep.search == "optuna" else None
    jobs = planner.jobs() if search is None else search.corners()
    results_dir = Path(jobs[0].settings.results_dir)
    prepare_record(results_dir)
    with closing(_processes(planner.sweep, jobs, results_dir)) as pool:
        pool.start()
        sweep = Sweep(
            pool=pool,
            policy=_policy(planner.sweep),
            results_dir=results_dir,
            total=len(jobs) if search is None else planner.sweep.trials,
            rows=recorded(results_dir),
            data=data_of(jobs),
            learn=_forget if search is None else search.learn,
        )
        if search is not None:
            sweep.results += search.known(sweep.rows_on(jobs[0]))
        try:
            sweep.run(jobs if search is None else search.jobs())
        finally:
            _conclude(sweep)
    return sweep.results


def _processes(sweep: SweepSettings, jobs: Sequence[Job], results_dir: Path) -> Workers:
    """Return what will run the jobs, none of which has begun."""
    if sweep.launcher == "submitit":
        return Cluster(sweep, results_dir)
    return Pool(environments(sweep, [job.settings for job in jobs]))


def _policy(sweep: SweepSettings) -> Policy:
    made: dict[str, Any] = provenance(torch.device("cpu"))
    return Policy(
        rerun=sweep.rerun,
        same_code=sweep.same_code,
        commit=made["commit"],
        torch_version=made["torch_version"],
    )


def _conclude(sweep: Sweep) -> None:
    if not sweep.results:
        return
    results = sorted(sweep.results, key=lambda result: result.job.number)
    lines = table(results)
    print("", *lines, "", sep="\n")
    if any(line.startswith(BEST) for line in lines):
        print(f"{BEST} the best by validation score, of those on the same data")
    print(f"all runs: {sweep.results_dir / 'runs.csv'}; more of them: 'redditgnn report'")


def _forget(job: Job, outcome: Outcome) -> None:
    """A grid learns nothing from how its jobs end."""


def _tell(text: str) -> None:
    logging.getLogger(__name__).info(text)

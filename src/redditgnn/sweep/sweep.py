"""A sweep from its plan to its table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from redditgnn.record.provenance import provenance
from redditgnn.record.recorder import append_run, prepare_record
from redditgnn.record.resume import identity, resumable
from redditgnn.record.rows import RunRow, cells_of
from redditgnn.record.runs_file import Row
from redditgnn.run.row import row_at_start
from redditgnn.runtime.hardware import resolve_device
from redditgnn.sweep.data import Data, load_data
from redditgnn.sweep.goal import goal_of
from redditgnn.sweep.plan import Job, Planner
from redditgnn.sweep.processes import Pool
from redditgnn.sweep.protocol import Outcome, WorkerDied, Workers, build_request
from redditgnn.sweep.record import Identity, Policy, format_row, load_rows
from redditgnn.sweep.resources import build_environments
from redditgnn.sweep.search import Search
from redditgnn.sweep.settings import SweepSettings
from redditgnn.sweep.slurm import Cluster
from redditgnn.sweep.summary import BEST, Result, format_table

MOST_TRIES = 3


@dataclass
class Sweep:
    """Runs jobs, and remembers their outcomes."""

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
        """Run all jobs. A run that fails, or a process that is killed, ends no other run.

        Raises:
            KeyboardInterrupt: the current runs have been interrupted, and are in `results`.
        """
        waiting = iter(jobs)
        try:
            while self._start(waiting) or not self.pool.is_empty:
                if not self.pool.is_empty:
                    self._collect(self.pool.next_outcomes(), retry=True)
        except KeyboardInterrupt:
            self._collect(self.pool.interrupt(), retry=False)
            raise

    def rows_on(self, jobs: Iterable[Job]) -> list[Row]:
        """Return the counting rows of runs.csv on the data of `jobs`."""
        data = {self.data.fingerprint(job.settings) for job in jobs}
        return [row for row in self.rows if row["fingerprint"] in data and self.policy.counts(row)]

    def find_completed(self, job: Job) -> Row | None:
        """Return the row of runs.csv by which a job need not run again, None if it must."""
        return self.policy.find_completed(self._identity(job), self.rows)

    def _start(self, waiting: Iterator[Job]) -> bool:
        """Give jobs to all idle workers, and return whether there may be more jobs."""
        while self.pool.has_room:
            job = next(waiting, None)
            if job is None:
                return False
            row = self.find_completed(job)
            if row is not None:
                self._finish(job, Outcome(status="skipped", row=row))
            else:
                self._submit(job)
        return True

    def _submit(self, job: Job) -> None:
        self._tries[job.number] = self._tries.get(job.number, 0) + 1
        _log(f"{self._position(job)} starts: {job.label}")
        request = build_request(job.settings, job.overrides, self._identity(job), self.policy)
        self.pool.submit(job, request, f"{self._position(job)} {job.label}")

    def _collect(self, outcomes: Iterable[tuple[Job, Outcome | WorkerDied]], retry: bool) -> None:
        for job, outcome in list(outcomes):
            if not isinstance(outcome, WorkerDied):
                self._finish(job, outcome)
            elif not retry:
                self._finish(job, Outcome(status="interrupted", code=130))
            elif (
                self._tries[job.number] < MOST_TRIES
                and self._find_checkpoint(self._build_row(job)) is not None
            ):
                _log(f"{self._position(job)} {outcome}; it resumes: {job.label}")
                self._submit(job)
            else:
                self._finish(job, self._record_death(job, outcome))

    def _build_row(self, job: Job) -> RunRow:
        """Return the row of a run before it runs."""
        row = row_at_start(job.settings, resolve_device(job.settings.device))
        return replace(row, fingerprint=self.data.fingerprint(job.settings))

    def _find_checkpoint(self, row: RunRow) -> Path | None:
        """Return the folder of an earlier run with a checkpoint to resume from."""
        return resumable(self.results_dir, identity(row))

    def _record_death(self, job: Job, death: WorkerDied) -> Outcome:
        """Write the row of a run whose process died."""
        row = replace(self._build_row(job), error=str(death))
        if (folder := self._find_checkpoint(row)) is not None:
            row = replace(row, run_id=folder.name)
        append_run(row, self.results_dir)
        return Outcome(status="failed", code=3, error=str(death), row=format_row(cells_of(row)))

    def _finish(self, job: Job, outcome: Outcome) -> None:
        self.results.append(Result(job, outcome))
        self.learn(job, outcome)
        _log(f"{self._position(job)} {self._describe(job, outcome)}: {job.label}")

    def _describe(self, job: Job, outcome: Outcome) -> str:
        row, goal = outcome.row, goal_of([job])
        if outcome.status == "skipped":
            return f"skipped, completed as {row['run_id']}{self.policy.remark(row)}"
        if outcome.status == "completed":
            cells = {name: row.get(f"{name}_{goal.name}") for name in ("val", "test")}
            scores = [f"{name} {float(cell):.4f}" for name, cell in cells.items() if cell]
            return f"completed, {goal.title} {', '.join(scores)}, {float(row['wall_s']):.1f} s"
        return f"{outcome.status} ({outcome.error})" if outcome.error else outcome.status

    def _position(self, job: Job) -> str:
        return f"{job.number:>{len(str(self.total))}}/{self.total}"

    def _identity(self, job: Job) -> Identity:
        return Identity(
            config_hash=job.config_hash,
            seed=job.settings.seed,
            fingerprint=self.data.fingerprint(job.settings),
        )


def run_sweep(command_line: Sequence[str], config_dir: Path | None = None) -> list[Result]:
    """Plan and run a sweep, print its table, and return the outcome of each job.

    Raises:
        UserError: something is wrong with the command line, a job or the data. Nothing was run.
        KeyboardInterrupt: after the table of the results so far.
    """
    planner = Planner(command_line, config_dir)
    search = Search(planner) if planner.sweep.search == "optuna" else None
    jobs = planner.jobs() if search is None else search.corners()
    results_dir = Path(jobs[0].settings.results_dir)
    prepare_record(results_dir)
    with closing(_build_workers(planner.sweep, jobs, results_dir)) as pool:
        pool.start()
        sweep = Sweep(
            pool=pool,
            policy=_build_policy(planner.sweep),
            results_dir=results_dir,
            total=len(jobs) if search is None else search.num_jobs,
            rows=load_rows(results_dir),
            data=load_data(jobs),
            learn=_learn_nothing if search is None else search.learn,
        )
        if search is not None:
            sweep.results += search.start(sweep.rows_on(jobs), sweep.find_completed)
        try:
            sweep.run(jobs if search is None else search.jobs())
        finally:
            _conclude(sweep)
    return sweep.results


def _build_workers(sweep: SweepSettings, jobs: Sequence[Job], results_dir: Path) -> Workers:
    """Return the workers for the jobs, before any job begins."""
    if sweep.launcher == "submitit":
        return Cluster(sweep, results_dir)
    return Pool(build_environments(sweep, [job.settings for job in jobs]))


def _build_policy(sweep: SweepSettings) -> Policy:
    facts: dict[str, Any] = provenance(torch.device("cpu"))
    return Policy(
        rerun=sweep.rerun,
        same_code=sweep.same_code,
        commit=facts["commit"],
        torch_version=facts["torch_version"],
    )


def _conclude(sweep: Sweep) -> None:
    if not sweep.results:
        return
    results = sorted(sweep.results, key=lambda result: result.job.number)
    lines = format_table(results)
    print("", *lines, "", sep="\n")
    if any(line.startswith(BEST) for line in lines):
        print(f"{BEST} the best by validation score, of those on the same data")
    print(f"all runs: {sweep.results_dir / 'runs.csv'}; more of them: 'redditgnn report'")


def _learn_nothing(job: Job, outcome: Outcome) -> None:
    """Do nothing: a grid does not learn from its outcomes."""


def _log(text: str) -> None:
    logging.getLogger(__name__).info(text)

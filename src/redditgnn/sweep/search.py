"""The best validation score in a space of settings, by Optuna's tree-structured Parzen estimator.

A trial is one configuration. Where the command line has several splits or seeds, it runs on all
of them, and its score is their mean.

There is no database of trials. Earlier trials are all rows of runs.csv that the command line could
have produced. So a killed search resumes, and results of a sweep of the same settings count too.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, RangeSweep

from redditgnn.errors import ConfigError, require
from redditgnn.metric.base import DEFAULT, Metric
from redditgnn.record.runs_file import Row
from redditgnn.sweep.goal import goal_of
from redditgnn.sweep.plan import REPEATED_KEYS, Job, Planner
from redditgnn.sweep.protocol import Outcome
from redditgnn.sweep.summary import Result

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

BAD_SETTINGS_STATUSES = ("oom", "diverged")  # other failures say nothing about settings


class _KnownTrial(NamedTuple):
    """A trial with completed runs, of the `num_jobs` that it has."""

    params: dict[str, Any]
    results: list[Result]
    num_jobs: int

    @property
    def is_complete(self) -> bool:
        return len(self.results) == self.num_jobs

    @property
    def rows(self) -> list[Row]:
        return [result.outcome.row for result in self.results]


class Search:
    """Proposes jobs, and learns from how they end."""

    def __init__(self, planner: Planner) -> None:
        _require_optuna()
        self._planner = planner
        self._space_overrides = [
            override
            for override in planner.grids[0].overrides
            if override.is_sweep_override() and override.key_or_group not in REPEATED_KEYS
        ]
        require(
            bool(self._space_overrides),
            "sweep.search=optuna: nothing to search; try model.heads=1,4,8",
        )
        for override in self._space_overrides:
            key = override.key_or_group
            require(key != "results_dir", f"{override.input_line}: a sweep has one results_dir")
        self._space = {o.get_key_element(): _build_distribution(o) for o in self._space_overrides}
        self._trials: dict[int, Trial] = {}  # of jobs by their numbers
        self._num_waiting: dict[int, int] = {}  # runs that a trial waits for
        self._outcomes: dict[int, list[Outcome]] = defaultdict(list)  # of trials
        self._num_repetitions = 1
        self._goal: Metric = DEFAULT
        self._study: Study | None = None

    @property
    def _score(self) -> str:
        """The column of runs.csv to find the best of."""
        return f"val_{self._goal.name}"

    def corners(self) -> list[Job]:
        """Compose a job with each end of the search space, so that mistakes show at once.

        Raises:
            ConfigError: names the job.
        """
        ends = {key: _list_ends(distribution) for key, distribution in self._space.items()}
        first = {key: values[0] for key, values in ends.items()}
        corners = [first | {key: value} for key, values in ends.items() for value in values]
        jobs = self._planner.repetitions(1, corners[0])
        self._num_repetitions = len(jobs)
        for values in corners[1:]:
            jobs += self._planner.repetitions(len(jobs) + 1, values)[:1]
        self._goal = goal_of(jobs)
        return jobs

    @property
    def num_jobs(self) -> int:
        """The number of runs of all trials. Call `corners` first."""
        return self._planner.sweep.trials * self._num_repetitions

    def start(
        self, rows: Sequence[Row], find_completed: Callable[[Job], Row | None]
    ) -> list[Result]:
        """Start with the completed runs that this search could have proposed.

        `rows` are candidates, and `find_completed` returns the row of a job. A trial that lacks
        some of its runs is proposed again first.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        trials = self._find_trials(rows, find_completed)
        complete = [trial for trial in trials if trial.is_complete]
        # After an interruption the first proposals must differ from those of the first call.
        seed = self._planner.sweep.search_seed + len(complete)
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(
            direction="maximize" if self._goal.higher_is_better else "minimize", sampler=sampler
        )
        for params, score in ((known.params, self._mean_score(known.rows)) for known in complete):
            trial = optuna.create_trial(params=params, distributions=self._space, value=score)
            self._study.add_trial(trial)
        for known in trials:
            if not known.is_complete:
                self._study.enqueue_trial(known.params)
        return [result for known in complete for result in known.results]

    def jobs(self) -> Iterator[Job]:
        """Propose jobs until there are enough trials or time is up. Call `start` first."""
        assert self._study is not None
        sweep, start = self._planner.sweep, time.monotonic()
        while self._num_begun < sweep.trials:
            if sweep.search_s is not None and time.monotonic() - start >= sweep.search_s:
                return
            trial = self._study.ask(self._space)
            jobs = self._jobs(trial.number, trial.params)
            self._trials |= {job.number: trial for job in jobs}
            self._num_waiting[trial.number] = len(jobs)
            yield from jobs

    @property
    def _num_begun(self) -> int:
        """The number of trials except those that wait to be proposed again."""
        from optuna.trial import TrialState

        assert self._study is not None
        trials = self._study.get_trials(deepcopy=False)
        return sum(trial.state != TrialState.WAITING for trial in trials)

    def learn(self, job: Job, outcome: Outcome) -> None:
        """Tell the estimator what the runs of a trial scored, or that its settings do not work."""
        trial = self._trials.pop(job.number)
        outcomes = self._outcomes[trial.number]
        outcomes.append(outcome)
        if len(outcomes) == self._num_waiting[trial.number]:
            self._tell(trial, outcomes)

    def _tell(self, trial: Trial, outcomes: Sequence[Outcome]) -> None:
        from optuna.trial import TrialState

        assert self._study is not None
        done = [
            o for o in outcomes if o.status in ("completed", "skipped") and o.row.get(self._score)
        ]
        if len(done) == len(outcomes):
            self._study.tell(trial, self._mean_score([outcome.row for outcome in done]))
        elif any(outcome.status in BAD_SETTINGS_STATUSES for outcome in outcomes):
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def _find_trials(
        self, rows: Sequence[Row], find_completed: Callable[[Job], Row | None]
    ) -> list[_KnownTrial]:
        trials: list[_KnownTrial] = []
        known: set[str] = set()  # config_hash of their jobs
        for row in rows:
            has_score = row["status"] == "completed" and row.get(self._score)
            if row["config_hash"] in known or not has_score:
                continue
            params = self._read_params(row)
            jobs = [] if params is None else self._jobs(len(trials), params)
            if params is None or not any(_ran(job, row) for job in jobs):
                continue
            known |= {job.config_hash for job in jobs}
            pairs = [(job, find_completed(job)) for job in jobs]
            results = [
                Result(job, Outcome(status="skipped", row=row))
                for job, row in pairs
                if row and row.get(self._score)
            ]
            trials.append(_KnownTrial(params, results, len(jobs)))
        return trials

    def _mean_score(self, rows: Sequence[Row]) -> float:
        return statistics.mean(float(row[self._score]) for row in rows)

    def _jobs(self, trial: int, params: Mapping[str, Any]) -> list[Job]:
        """Compose the runs of the trial with this number, which counts from 0."""
        values = {key: _format_value(value) for key, value in params.items()}
        return self._planner.repetitions(trial * self._num_repetitions + 1, values)

    def _read_params(self, row: Row) -> dict[str, Any] | None:
        """Return the row's value of each searched key, or None if one is outside the space."""
        values = {**row, **json.loads(row["hyperparameters"])}
        params = {}
        for override in self._space_overrides:
            key = override.get_key_element()
            value = _optuna_value(override, values.get(override.key_or_group))
            if value is None or not _contains(self._space[key], value):
                return None
            params[key] = value
        return params


def _ran(job: Job, row: Row) -> bool:
    return (job.config_hash, str(job.settings.seed)) == (row["config_hash"], row["seed"])


def _build_distribution(override: Override) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    value = override.value()
    if isinstance(value, IntervalSweep):
        kind = IntDistribution if isinstance(value.start, int) else FloatDistribution
        assert value.start is not None
        assert value.end is not None
        try:
            return kind(value.start, value.end, log="log" in value.tags)
        except ValueError as error:
            raise ConfigError(f"{override.input_line}: {error}") from error
    if isinstance(value, RangeSweep) and isinstance(value.start, int):
        numbers = list(value.range())
        require(bool(numbers), f"{override.input_line}: the range is empty")
        return IntDistribution(int(numbers[0]), int(numbers[-1]), step=int(value.step))
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def _list_ends(distribution: BaseDistribution) -> list[str]:
    from optuna.distributions import CategoricalDistribution

    if isinstance(distribution, CategoricalDistribution):
        return [str(choice) for choice in distribution.choices]
    return [_format_value(distribution.low), _format_value(distribution.high)]  # type: ignore[attr-defined]


def _format_value(value: Any) -> str:
    """Format a value for an override. Four digits of a float are enough."""
    return str(float(f"{value:.4g}") if isinstance(value, float) else value)


def _optuna_value(override: Override, value: Any) -> Any:
    """Return Optuna's form of a row's value: for a choice, its text on the command line."""
    choices = override.value()
    if isinstance(choices, (IntervalSweep, RangeSweep)):
        return value
    assert override.value_type is not None
    texts = list(override.sweep_string_iterator())
    plain_choices = [_strip_quotes(choice) for choice in getattr(choices, "list", texts)]
    return dict(zip(map(repr, plain_choices), texts, strict=True)).get(repr(value))


def _strip_quotes(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    return [_strip_quotes(one) for one in value] if isinstance(value, list) else value


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except (TypeError, ValueError):
        return False


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "sweep.search=optuna needs the package optuna: pip install 'redditgnn[sweep]'"
        ) from error

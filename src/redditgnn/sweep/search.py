"""The best validation score in a space of settings, by Optuna's tree-structured Parzen estimator.

There is no database of trials. Earlier trials are all rows of runs.csv that the command line could
have produced. So a killed search resumes, and results of a sweep of the same settings count too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, RangeSweep

from redditgnn.errors import ConfigError, require
from redditgnn.metric.base import Metric
from redditgnn.record.runs_file import Row
from redditgnn.sweep.goal import goal_of
from redditgnn.sweep.plan import Job, Planner
from redditgnn.sweep.protocol import Outcome
from redditgnn.sweep.summary import Result

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

BAD_SETTINGS_STATUSES = ("oom", "diverged")  # other failures say nothing about settings


class Search:
    """Proposes jobs, and learns from how they end."""

    def __init__(self, planner: Planner) -> None:
        _require_optuna()
        self._planner = planner
        self._space_overrides = [o for o in planner.overrides if o.is_sweep_override()]
        require(
            bool(self._space_overrides),
            "sweep.search=optuna: nothing to search; try model.heads=1,4,8",
        )
        for override in self._space_overrides:
            key = override.key_or_group
            require(key != "seed", "seed: it is no setting to search for the best of; give one")
            require(key != "results_dir", f"{override.input_line}: a sweep has one results_dir")
        self._space = {o.get_key_element(): _build_distribution(o) for o in self._space_overrides}
        self._trials: dict[int, Trial] = {}
        self._study: Study | None = None

    @cached_property
    def _goal(self) -> Metric:
        """The metric that the validation score is of."""
        return goal_of(self.corners())

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
        return [self._planner.job(number + 1, values) for number, values in enumerate(corners)]

    def start(self, rows: Sequence[Row]) -> list[Result]:
        """Start with the rows of completed runs that this search could have proposed."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        trials = self._find_trials(rows)
        # After an interruption the first proposals must differ from those of the first call.
        seed = self._planner.sweep.search_seed + len(trials)
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(
            direction="maximize" if self._goal.higher_is_better else "minimize", sampler=sampler
        )
        for params, result in trials:
            score = float(result.outcome.row[self._score])
            trial = optuna.create_trial(params=params, distributions=self._space, value=score)
            self._study.add_trial(trial)
        return [result for _, result in trials]

    def jobs(self) -> Iterator[Job]:
        """Propose jobs until there are enough trials or time is up. Call `start` first."""
        assert self._study is not None
        sweep, start = self._planner.sweep, time.monotonic()
        while len(self._study.trials) < sweep.trials:
            if sweep.search_s is not None and time.monotonic() - start >= sweep.search_s:
                return
            trial = self._study.ask(self._space)
            self._trials[trial.number + 1] = trial
            yield self._job(trial.number + 1, trial.params)

    def learn(self, job: Job, outcome: Outcome) -> None:
        """Tell the estimator what a job scored, or that its settings do not work."""
        from optuna.trial import TrialState

        assert self._study is not None
        trial = self._trials.pop(job.number)
        score = outcome.row.get(self._score)
        if outcome.status in ("completed", "skipped") and score:
            self._study.tell(trial, float(score))
        elif outcome.status in BAD_SETTINGS_STATUSES:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def _find_trials(self, rows: Sequence[Row]) -> list[tuple[dict[str, Any], Result]]:
        trials: dict[str, tuple[dict[str, Any], Result]] = {}
        for row in rows:
            has_score = row["status"] == "completed" and row.get(self._score)
            if row["config_hash"] in trials or not has_score:
                continue
            params = self._read_params(row)
            if params is None:
                continue
            job = self._job(len(trials) + 1, params)
            if (job.config_hash, str(job.settings.seed)) == (row["config_hash"], row["seed"]):
                result = Result(job, Outcome(status="skipped", row=row))
                trials[job.config_hash] = (params, result)
        return list(trials.values())

    def _job(self, number: int, params: Mapping[str, Any]) -> Job:
        return self._planner.job(
            number, {key: _format_value(value) for key, value in params.items()}
        )

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

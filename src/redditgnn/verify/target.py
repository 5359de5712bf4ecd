"""The published number of an experiment: the key `target` of its YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import Any, Literal

from redditgnn.config.arguments import check_types
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.config.splits import split_of, with_split
from redditgnn.errors import ConfigError, require, require_positive
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.metric.base import BY_NAME, TEST_SCORES
from redditgnn.verify.verdict import Name, Sample, Verdict

TRUST = {
    "V": "read at the source",
    "S": "quoted by others from a paper",
    "R": "recalled, not read again",
    "D": "derived by arithmetic",
}
RECALLED = "NOT A TARGET (recalled, not read again)"
INCOMPLETE = "INCOMPLETE"
FEWEST_SEEDS, MOST_BY_DEFAULT = 10, 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A published mean in percent, over `runs` runs with the sample standard deviation `spread`.

    Both are None if the source gives none. `metric` is one of `TEST_SCORES`, `trust` one of
    `TRUST`. `fingerprint` identifies the data of the number, as far as the source describes them.
    `splits` is the number of splits that the mean is over: those of the numbers 0 to `splits` - 1,
    by `dataset.split_index`, or by `dataset.split_seed` where splits are drawn. None is one split,
    which the experiment chooses.
    """

    metric: str
    percent: int | float
    spread: int | float | None
    runs: int | None
    source: str
    trust: Literal["V", "S", "R", "D"]
    fingerprint: dict[str, str | int]
    splits: int | None = None

    def __post_init__(self) -> None:
        require(
            self.metric in TEST_SCORES,
            f"target.metric must be one of {', '.join(TEST_SCORES)}, got {self.metric!r}",
        )
        require(0 < self.percent <= 100, f"target.percent must be in (0, 100], got {self.percent}")
        require(bool(self.source.strip()), "target.source must say who published it, got ''")
        if self.runs is not None:
            require_positive("target.runs", self.runs)
        if self.spread is not None:
            require(
                self.spread > 0,
                f"target.spread must be positive or null, got {self.spread}; where the source "
                "rounds it to zero, write half a unit of its last digit",
            )
            require(self.runs != 1, "target.spread cannot be of target.runs=1; null is not known")
        if self.splits is not None:
            require_positive("target.splits", self.splits)
        require(bool(self.fingerprint), "target.fingerprint must name a part such as edges, got {}")
        Fingerprint.of(self.fingerprint)

    @property
    def published(self) -> Sample:
        """The published value as a sample."""
        spread = None if self.spread is None else float(self.spread)
        return Sample(float(self.percent), spread, self.runs)

    @property
    def is_recalled(self) -> bool:
        """Whether nobody has read the source again. Then there is no verdict."""
        return self.trust == "R"

    @property
    def num_seeds(self) -> int:
        """The number of seeds to run, on each split if there are several.

        All runs are as many as in the source, within `FEWEST_SEEDS` and `MOST_BY_DEFAULT`.
        """
        num_runs = min(max(self.runs or FEWEST_SEEDS, FEWEST_SEEDS), MOST_BY_DEFAULT)
        return -(-num_runs // (self.splits or 1))

    @property
    def _better(self) -> Name:
        """The verdict that says that ours is better."""
        metric = BY_NAME[self.metric.removeprefix("test_")]
        return "ABOVE" if metric.higher_is_better else "BELOW"

    def missing_splits(self, num_splits: int | None) -> int:
        """Count the splits without a completed run. `num_splits` have one, None is all of them."""
        return 0 if None in (self.splits, num_splits) else (self.splits or 0) - (num_splits or 0)

    def is_met_by(self, verdict: Verdict, num_splits: int | None = None) -> bool:
        """Whether ours is as good as the published value, or better, and of all its splits."""
        return not self.missing_splits(num_splits) and verdict.name in ("REPRODUCED", self._better)

    def name_of(self, verdict: Verdict, num_splits: int | None = None) -> str:
        """Name the verdict on runs of `num_splits` splits, of an error with the better side."""
        if self.missing_splits(num_splits):
            return INCOMPLETE
        if self._better == "ABOVE" or verdict.name not in ("ABOVE", "BELOW"):
            return verdict.name
        return f"{verdict.name} ({'better' if verdict.name == self._better else 'worse'})"

    def describe(self, verdict: Verdict, num_splits: int | None = None) -> str:
        """Return the verdict in words. A recalled number gets none."""
        if self.is_recalled:
            return RECALLED
        if missing := self.missing_splits(num_splits):
            return f"{INCOMPLETE}: {missing} of {self.splits} splits have no completed run"
        if verdict.name == "UNDECIDED":
            return verdict.describe("seeds" if self.splits is None else "runs")
        return self.name_of(verdict)

    def settings_by_split(self, settings: Settings) -> list[Settings]:
        """Return the settings of an experiment on each split of the number.

        Raises:
            ConfigError: the dataset has no key that numbers splits.
        """
        if self.splits is None:
            return [settings]
        require(
            split_of(settings.components["dataset"]) is not None,
            f"target.splits={self.splits}: this dataset has only one split",
        )
        return [with_split(settings, number) for number in range(self.splits)]

    def config_hashes(self, settings: Settings) -> list[str]:
        """Return the `config_hash` of an experiment on each split of the number."""
        return [hash_of_config(one) for one in self.settings_by_split(settings)]

    def differences(self, fingerprint: Fingerprint) -> list[str]:
        """Describe how `fingerprint` differs from the data of the published number."""
        return fingerprint.differences(Fingerprint.of(self.fingerprint))

    def applies_to(self, fingerprint: str) -> bool:
        """Whether the number was published for the data with this `fingerprint` of a row."""
        try:
            return not self.differences(Fingerprint.parse(fingerprint))
        except ConfigError:  # an older version's form, or none
            return False


def target_from(values: Any, experiment: str) -> Target:
    """Read the key `target` of `experiment`.

    Raises:
        ConfigError: a field is missing, unknown, or has a value that cannot be used.
    """
    prefix = f"experiment={experiment}: "
    names = [field.name for field in fields(Target)]
    needed = [field.name for field in fields(Target) if field.default is MISSING]
    if not isinstance(values, Mapping):
        raise ConfigError(f"{prefix}target must map {', '.join(names)} to values, got {values!r}")
    call = partial(Target, **{str(key): value for key, value in values.items()})
    try:
        check_types("target", call)
        if missing := [name for name in needed if name not in call.keywords]:
            raise ConfigError(
                f"target.{missing[0]} is missing; spread and runs are null where not published"
            )
        return call()
    except ConfigError as error:
        raise ConfigError(prefix + str(error)) from error

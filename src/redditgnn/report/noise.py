"""Tests whether configurations differ from the best by more than the noise of seeds.

This is a paired t test over the seeds in common, with Holm's correction (1979) over the comparisons
of a group. See docs/report.md.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy.special import stdtr  # scipy.stats would take a second to import

from redditgnn.verify.verdict import Interval, interval_of_mean, sample_of

LEVEL = 0.05
FEWEST_SEEDS = 3  # two rounded differences are too often equal by chance
FEW_SEEDS = 5  # fewer rarely show even large differences, so that is not called noise
WITHIN_NOISE, LOWER, HIGHER = "within noise", "lower", "higher"
Run = TypeVar("Run", bound=Hashable)
ROUNDING = 1e-9  # 0.825 - 0.821 is not 0.004 in binary


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The score of a configuration minus the best's, over the runs that they have in common.

    These runs have the same split and seed. `seeds` is their number, and `repeated` is the word for
    them. `mean` is None without such seeds. `p` and `p_holm` are None if `untested` has a reason.
    """

    seeds: int
    mean: float | None = None
    interval: Interval | None = None
    p: float | None = None
    p_holm: float | None = None
    untested: str = ""
    repeated: str = "seed"

    @property
    def verdict(self) -> str:
        """The result in a word or two."""
        if self.p_holm is None or self.mean is None:
            return "not tested"
        if self.p_holm >= LEVEL:
            few = self.seeds < FEW_SEEDS
            return f"undecided ({self.seeds} {self.repeated}s)" if few else WITHIN_NOISE
        return LOWER if self.mean < 0 else HIGHER


def compare(
    best: Mapping[Run, float], others: Sequence[Mapping[Run, float]], repeated: str = "seed"
) -> list[Difference]:
    """Compare each of `others` with `best`; all map runs, by seed or split and seed, to scores."""
    differences = [_difference(best, other, repeated) for other in others]
    tested = [place for place, difference in enumerate(differences) if difference.p is not None]
    corrected = holm([differences[place].p or 0.0 for place in tested])
    for place, p_holm in zip(tested, corrected, strict=True):
        differences[place] = replace(differences[place], p_holm=p_holm)
    return differences


def paired_t(differences: Sequence[float]) -> float:
    """Return the two-sided p for a mean of zero; `differences` are at least two and vary."""
    n = len(differences)
    t = np.mean(differences) / (np.std(differences, ddof=1) / np.sqrt(n))
    return float(2 * stdtr(n - 1, -abs(t)))


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values for their number, so that a level bounds the error of all together."""
    order = np.argsort(ps, kind="stable")
    stepped = np.asarray(ps, dtype=float)[order] * np.arange(len(ps), 0, -1)
    corrected = np.empty(len(ps))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(p) for p in corrected]


def _difference(best: Mapping[Run, float], other: Mapping[Run, float], repeated: str) -> Difference:
    seeds = [seed for seed in best if seed in other]
    if not seeds:
        return Difference(seeds=0, untested=f"no {repeated} in common", repeated=repeated)
    differences = [other[seed] - best[seed] for seed in seeds]
    sample = sample_of(differences)
    difference = Difference(
        seeds=len(seeds),
        mean=sample.mean,
        interval=interval_of_mean(sample),
        repeated=repeated,
    )
    if len(seeds) < FEWEST_SEEDS:
        return replace(difference, untested=f"{len(seeds)} in common, {FEWEST_SEEDS} are needed")
    if np.ptp(differences) > ROUNDING:
        return replace(difference, p=paired_t(differences))
    if abs(sample.mean) <= ROUNDING:
        return replace(difference, p=1.0)  # the same score in every run
    return replace(
        difference, untested=f"every {repeated} differs by the same amount: no noise to judge by"
    )

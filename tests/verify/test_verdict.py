"""The verdicts: hand-computed intervals, the rule at its borders, and how often it is wrong."""

from __future__ import annotations

import doctest
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from redditgnn.verify.verdict import Sample, interval_of_mean, judge, sample_of

EXACT = Sample(79.0, None, None)
T_9 = 2.262157  # 97.5 % quantile of Student's t with 9 degrees of freedom, from a table


def test_a_sample_is_mean_and_deviation_with_n_minus_one() -> None:
    # Squared deviations of 78, 79, 81 from 238/3: (16 + 1 + 25) / 9; halved and rooted, 1.5275.
    sample = sample_of([78.0, 79.0, 81.0])
    assert sample == (pytest.approx(238 / 3), pytest.approx(1.527525), 3)
    assert sample_of([78.0]) == (78.0, None, 1)


def test_the_interval_of_a_mean_is_students() -> None:
    half = T_9 * 0.2 / math.sqrt(10)
    assert interval_of_mean(Sample(79.16, 0.2, 10)) == pytest.approx((79.16 - half, 79.16 + half))
    assert interval_of_mean(Sample(79.16, None, 1)) is None


def test_an_exact_value_leaves_our_uncertainty_alone() -> None:
    verdict = judge(Sample(79.16, 0.2, 10), EXACT._replace(deviation=0.3))  # runs are not known
    half = T_9 * 0.2 / math.sqrt(10)  # 0.1431
    assert verdict.published_is_exact
    assert verdict.interval == pytest.approx((0.16 - half, 0.16 + half))
    assert (verdict.margin, verdict.name) == (
        0.3,
        "ABOVE",
    )  # it reaches 0.3031


def test_the_interval_of_the_difference_is_welchs() -> None:
    # Equal deviations and runs: freedom 2 (n - 1) = 18, t = 2.100922, error 0.5 sqrt(2 / 10).
    half = 2.100922 * 0.5 * math.sqrt(0.2)
    verdict = judge(Sample(80.0, 0.5, 10), Sample(79.0, 0.5, 10))
    assert verdict.interval == pytest.approx((1 - half, 1 + half), rel=1e-6)
    # Variances of the means 0.04 / 4 and 0.09 / 9: freedom 0.02^2 / (0.01^2 / 3 + 0.01^2 / 8).
    half = float(stats.t.ppf(0.975, 0.02**2 / (0.01**2 / 3 + 0.01**2 / 8))) * math.sqrt(0.02)
    verdict = judge(Sample(80.0, 0.2, 4), Sample(79.0, 0.3, 9))
    assert verdict.interval == pytest.approx((1 - half, 1 + half), rel=1e-6)


@pytest.mark.parametrize("mean", [79.1, 79.25, 79.35, 78.6])
def test_zero_is_outside_the_interval_when_welchs_test_of_scipy_rejects(mean: float) -> None:
    verdict = judge(Sample(mean, 0.4, 10), Sample(79.0, 0.3, 20))
    assert verdict.interval is not None
    test = stats.ttest_ind_from_stats(mean, 0.4, 10, 79.0, 0.3, 20, equal_var=False)
    assert (verdict.interval.low > 0 or verdict.interval.high < 0) == (test.pvalue < 0.05)


@pytest.mark.parametrize(
    ("mean", "deviation", "name"),
    [
        (79.0, 0.3, "REPRODUCED"),  # half of the interval is 0.7154 deviations: 0.2146
        (79.4, 0.3, "REPRODUCED"),  # [0.19, 0.61]: higher, and by less than the spread
        (79.5, 0.3, "ABOVE"),  # [0.29, 0.71]
        (78.5, 0.3, "BELOW"),
        (79.0, 1.2, "UNDECIDED"),  # half 0.86, wider than the margin
        (80.0, 2.0, "UNDECIDED"),
    ],
)
def test_the_interval_decides(mean: float, deviation: float, name: str) -> None:
    assert judge(Sample(mean, deviation, 10), Sample(79.0, 0.7, None)).name == name


def test_our_deviation_is_the_margin_where_none_is_published() -> None:
    verdict = judge(Sample(79.1, 0.4, 10), EXACT)
    assert (verdict.margin, verdict.name) == (0.4, "REPRODUCED")  # 0.1 + 0.2862 <= 0.4


def test_runs_without_a_published_deviation_leave_the_value_exact() -> None:
    known, unknown = EXACT._replace(runs=100), EXACT
    ours = Sample(79.1, 0.4, 10)
    assert judge(ours, known) == judge(ours, unknown)


@pytest.mark.parametrize(
    ("mean", "published", "name"),
    [
        (79.0, EXACT, "REPRODUCED"),
        (79.1, EXACT, "ABOVE"),
        (78.3, Sample(79.0, 0.7, None), "REPRODUCED"),  # 79 - 0.7 < 78.3 in decimals only
        (78.2, Sample(79.0, 0.7, None), "BELOW"),
        (79.2, Sample(79.0, 0.7, 10), "UNDECIDED"),  # half 2.26 * 0.7 / sqrt(10) = 0.5007
        (79.1, Sample(79.0, 0.7, 20), "REPRODUCED"),
    ],
)
def test_runs_that_all_score_the_same_are_judged(mean: float, published: Sample, name: str) -> None:
    verdict = judge(Sample(mean, 0.0, 3), published)
    assert verdict.name == name
    assert verdict.seeds_needed is None


@pytest.mark.parametrize("published", [EXACT, Sample(79.0, 0.7, 10)])
def test_one_run_decides_nothing(published: Sample) -> None:
    verdict = judge(Sample(60.0, None, 1), published)
    assert verdict.name == "UNDECIDED"
    assert (verdict.interval, verdict.margin) == (None, None)
    assert verdict.description == "UNDECIDED: two completed runs at least are needed"


@pytest.mark.parametrize("published", [Sample(79.0, 0.7, None), Sample(79.0, 0.7, 100)])
@pytest.mark.parametrize("mean", [79.0, 79.3, 79.4, 78.65])
def test_the_seeds_that_would_decide_do_and_one_fewer_does_not(
    mean: float, published: Sample
) -> None:
    ours = Sample(mean, 1.5, 5)
    verdict = judge(ours, published)
    needed = verdict.seeds_needed
    assert needed is not None
    assert verdict.description == f"UNDECIDED: {needed} seeds would decide"
    assert judge(ours._replace(runs=needed), published).name != "UNDECIDED"
    assert judge(ours._replace(runs=needed - 1), published).name == "UNDECIDED"


def test_no_number_of_seeds_decides_against_a_published_mean_of_few_runs() -> None:
    verdict = judge(Sample(79.1, 0.3, 10), Sample(79.0, 0.7, 4))  # half >= 3.18 * 0.7 / 2 = 1.11
    assert verdict.name == "UNDECIDED"
    assert "no number of seeds would decide, the published value is itself" in verdict.description


def test_a_hopeless_spread_is_said_to_need_very_many_seeds() -> None:
    verdict = judge(Sample(79.01, 50.0, 10), Sample(79.0, 0.02, None))
    assert verdict.description == "UNDECIDED: more than 1,000 seeds would be needed"


def verdicts(
    difference: float, runs: int, published_runs: int | None, *, spread_is_told: bool = True
) -> dict[str, float]:
    """Shares of the verdicts on normal draws of deviation 1 whose means differ by `difference`."""
    generator, trials = np.random.default_rng(0), 4000
    counts: Counter[str] = Counter()
    for _ in range(trials):
        published = Sample(0.0, 1.0, None)
        if published_runs is not None:
            published = sample_of(list(generator.standard_normal(published_runs)))
        if not spread_is_told:
            published = published._replace(deviation=None)
        ours = sample_of(list(generator.normal(difference, 1.0, runs)))
        counts[judge(ours, published).name] += 1
    return {name: count / trials for name, count in counts.items()}


SETTINGS = [(10, None), (20, 20)]
MORE_SETTINGS = [(20, None), (10, 10), (20, 100)]
NOISE = 0.007  # three standard errors of a share of 2.5 % among 4000


@pytest.mark.parametrize(
    ("runs", "published_runs"),
    [*SETTINGS, *(pytest.param(*runs, marks=pytest.mark.slow) for runs in MORE_SETTINGS)],
)
def test_a_true_reproduction_is_called_below_once_in_forty_at_most(
    runs: int, published_runs: int | None
) -> None:
    shares = verdicts(0.0, runs, published_runs)
    assert shares.get("BELOW", 0) <= 0.025 + NOISE
    assert shares.get("ABOVE", 0) <= 0.025 + NOISE


@pytest.mark.parametrize(
    ("published_runs", "share"), [pytest.param(10, 0.07, marks=pytest.mark.slow), (1, 0.25)]
)
def test_a_mean_that_is_taken_as_exact_makes_more_mistakes(
    published_runs: int, share: float
) -> None:
    shares = verdicts(0.0, 10, published_runs, spread_is_told=False)
    assert shares["BELOW"] == pytest.approx(share, abs=0.02)  # three standard errors and rounding


@pytest.mark.parametrize("runs", [10, 20])
def test_a_model_that_is_one_deviation_off_is_called_reproduced_once_in_forty_at_most(
    runs: int,
) -> None:
    assert verdicts(-1.0, runs, None).get("REPRODUCED", 0) <= 0.025 + NOISE


def test_twenty_seeds_tell_most_true_reproductions_and_nearly_all_large_losses() -> None:
    assert verdicts(0.0, 20, 20)["REPRODUCED"] > 0.6
    assert verdicts(0.0, 20, 100)["REPRODUCED"] > 0.9
    assert verdicts(-1.5, 20, 20)["BELOW"] > 0.98


def test_the_worked_example_of_the_docs_is_what_comes_out() -> None:
    path = Path(__file__).parents[2] / "docs" / "verify.md"
    result = doctest.testfile(str(path), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0

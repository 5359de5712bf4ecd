"""Paired t test and Holm's correction, against scipy.stats and worked cases."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from redditgnn.report.noise import compare, holm, paired_t

DOCUMENT = Path(__file__).parents[2] / "docs" / "report.md"


def seeds(*scores: float) -> dict[str, float]:
    return {str(seed): score for seed, score in enumerate(scores)}


def test_the_worked_example_of_the_documentation_is_what_the_program_computes():
    failed, tried = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert tried
    assert not failed


@given(st.lists(st.floats(-0.1, 0.1), min_size=3, max_size=12, unique=True))
def test_p_is_that_of_scipy(differences):
    if np.ptp(differences) < 1e-6:
        return
    want = stats.ttest_1samp(differences, 0).pvalue
    assert paired_t(differences) == pytest.approx(want, rel=1e-6, abs=1e-12)


def test_holm_multiplies_the_smallest_by_all_and_never_goes_down():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_no_correction_and_bonferroni(ps):
    for p, corrected in zip(ps, holm(ps), strict=True):
        assert min(p, 1) <= corrected + 1e-12
        assert corrected <= min(1, len(ps) * max(ps)) + 1e-12


def test_only_seeds_in_common_are_paired():
    best = {"0": 0.80, "1": 0.82, "2": 0.81, "9": 0.10}
    (found,) = compare(best, [{"0": 0.79, "1": 0.80, "2": 0.80, "7": 0.99}])
    assert found.seeds == 3
    assert found.mean == pytest.approx(-0.04 / 3)
    assert found.p == pytest.approx(stats.ttest_rel([0.79, 0.80, 0.80], [0.80, 0.82, 0.81]).pvalue)


def test_a_clear_difference_is_lower_and_a_faint_one_noise():
    best = seeds(0.80, 0.81, 0.82, 0.80, 0.81)
    low, noise = compare(
        best, [seeds(0.70, 0.72, 0.71, 0.70, 0.72), seeds(0.81, 0.80, 0.82, 0.81, 0.80)]
    )
    assert (low.verdict, noise.verdict) == ("lower", "within noise")
    assert low.p_holm == pytest.approx(2 * low.p)


def test_the_best_by_validation_may_be_lower_on_the_test_nodes_and_that_is_said():
    (found,) = compare(seeds(0.7, 0.71, 0.72), [seeds(0.80, 0.811, 0.822)])
    assert found.verdict == "higher"


def test_three_seeds_that_show_nothing_are_undecided_not_noise():
    (found,) = compare(seeds(0.9, 0.8, 0.85), [seeds(0.5, 0.8, 0.4)])
    assert found.verdict == "undecided (3 seeds)"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"7": 0.5}, "no seed in common"),
        ({"0": 0.5, "1": 0.6}, "2 in common, 3 are needed"),
        (seeds(0.7, 0.71, 0.72), "every seed differs by the same amount"),
    ],
    ids=["no seed in common", "two seeds", "constant difference"],
)
def test_what_cannot_be_tested_says_why(other, reason):
    (found,) = compare(seeds(0.8, 0.81, 0.82), [other])
    assert found.verdict == "not tested"
    assert reason in found.untested


def test_equal_scores_of_every_seed_are_within_noise():
    scores = seeds(0.8, 0.81, 0.82, 0.83, 0.84)
    (found,) = compare(scores, [dict(scores)])
    assert (found.p_holm, found.verdict) == (1.0, "within noise")


def test_untested_comparisons_do_not_count_in_the_correction():
    best = seeds(0.80, 0.81, 0.82, 0.80, 0.81)
    other = seeds(0.79, 0.81, 0.80, 0.79, 0.80)
    alone, _ = compare(best, [other, {"0": 0.1}])
    assert alone.p_holm == alone.p


def test_equal_configurations_are_told_apart_in_at_most_a_twentieth_of_the_groups():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        best, *others = (seeds(*rng.normal(0.8, 0.01, 5)) for _ in range(6))
        wrong += any(found.verdict in ("lower", "higher") for found in compare(best, others))
    assert wrong <= 400 * 0.05 + 3 * np.sqrt(400 * 0.05 * 0.95)

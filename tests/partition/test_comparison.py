"""Measures of two partitions against scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from redditgnn.partition.comparison import adjusted_mutual_information, compare

THEIRS = {
    "ami": metrics.adjusted_mutual_info_score,
    "nmi": metrics.normalized_mutual_info_score,
    "ari": metrics.adjusted_rand_score,
    "homogeneity": metrics.homogeneity_score,
    "completeness": metrics.completeness_score,
    "v_measure": metrics.v_measure_score,
}


def assert_as_sklearn(parts: np.ndarray, labels: np.ndarray) -> None:
    measures = compare(parts, labels)._asdict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about many classes
        for name, function in THEIRS.items():
            assert measures[name] == pytest.approx(function(labels, parts), abs=1e-10), name


@given(
    num_nodes=st.integers(1, 200),
    num_parts=st.integers(1, 60),
    num_labels=st.integers(1, 9),
    seed=st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_all_measures_are_those_of_scikit_learn(num_nodes, num_parts, num_labels, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(num_labels, size=num_nodes)
    parts = generator.integers(num_parts, size=num_nodes) % (1 + seed % 7) * 10 + labels // 2
    assert_as_sklearn(parts, labels)


@pytest.mark.parametrize("parts", [[0] * 7, range(7), [0, 0, 0, 1, 1, 1, 2]])
@pytest.mark.parametrize("labels", [[0] * 7, range(7), [5, 5, 3, 3, 3, 1, 1]])
def test_measures_of_one_part_and_of_single_nodes_are_those_of_scikit_learn(parts, labels):
    assert_as_sklearn(np.array(parts), np.array(labels))


def test_a_large_comparison_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels = generator.zipf(1.5, 5000) % 50
    assert_as_sklearn(np.where(generator.random(5000) < 0.5, labels, labels * 31 % 700), labels)


def test_other_names_of_the_parts_change_nothing():
    generator = np.random.default_rng(0)
    parts = generator.integers(5, size=100)
    names = generator.permutation(5)
    assert compare(names[parts], parts) == pytest.approx((1.0,) * 6)


def test_random_partitions_agree_by_chance_however_many_their_parts_are():
    generator = np.random.default_rng(0)
    labels = generator.integers(10, size=3000)
    for num_parts in (2, 50, 1000):
        parts = generator.integers(num_parts, size=3000)
        assert abs(adjusted_mutual_information(parts, labels)) < 0.01

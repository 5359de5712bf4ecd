"""Eight numbers at a time against numpy."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
import pytest
import torch
from numba import njit

from redditgnn.kernels.edge_hash import edge_keep_mask, threshold_of
from redditgnn.kernels.rows_numba import edge_key_of, row_key_of
from redditgnn.kernels.simd_numba import exp, keep_mask, load, store, totals


@njit
@no_type_check
def exp_of(values, out):
    for k in range(0, len(values), 8):
        store(out, k, exp(load(values, k)))


@njit
@no_type_check
def totals_of(values, out):
    store(out, 0, totals(values, 0))


@njit
@no_type_check
def kept_of(row, col, key, threshold, out):
    store(out, 0, keep_mask(edge_key_of(row_key_of(key, row), col), 0, threshold))
    store(out, 8, keep_mask(edge_key_of(row_key_of(key, row), col), 8, threshold))


def test_exp_of_what_is_not_positive_has_an_error_of_two_ulps() -> None:
    values = -np.geomspace(1e-8, 87, 80_000, dtype=np.float32)
    out = np.empty_like(values)
    exp_of(values, out)
    exact = np.exp(values.astype(np.float64))
    assert (np.abs(out - exact) / exact).max() < 2 * np.finfo(np.float32).eps


def test_exp_at_the_ends_is_one_and_nearly_zero_and_nan_stays() -> None:
    values = np.array([0, -0.0, -87, -88, -1e30, -np.inf, np.nan, -1], np.float32)
    out = np.empty_like(values)
    exp_of(values, out)
    assert out[:2].tolist() == [1, 1]
    assert (out[2:6] < 2e-38).all()
    assert np.isnan(out[6])


def test_totals_are_the_sums_of_each_eight() -> None:
    values = np.arange(64, dtype=np.float32)
    out = np.empty(8, np.float32)
    totals_of(values, out)
    assert out.tolist() == values.reshape(8, 8).sum(1).tolist()


@pytest.mark.parametrize("place", [(0, 0, 0), (2**20, 3, 2**32 - 1), (5, 2**31 - 2, 2**31)])
@pytest.mark.every_python
def test_the_hash_of_an_edge_is_that_of_the_reference(place: tuple[int, int, int]) -> None:
    row, col, key = place
    out = np.empty(16, np.float32)
    kept_of(row, col, np.uint32(key), np.uint32(threshold_of(0.5)), out)
    ends = torch.tensor([row]), torch.tensor([col])
    expected = edge_keep_mask(*ends, 16, 0.5, torch.tensor(key))
    assert out.tolist() == expected[0].float().tolist()
    assert 0 < out.sum() < 16

"""Truncated factors of a matrix that is only multiplied, never stored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import qr, svd

Product = Callable[[ndarray], ndarray]
OVERSAMPLING = 10
POWER_STEPS = 4


def scaled_left_factors(
    product: Product, transposed: Product, num_rows: int, dim: int, seed: int
) -> Float[ndarray, "rows dim"]:
    """Return U sqrt(S) of the `dim` largest singular values, by random projection.

    `product(B)` multiplies the matrix by B, and `transposed(B)` its transpose (Halko et al. 2011,
    arXiv:0909.4061). A matrix with fewer rows than `dim` leaves zeros in the last columns.
    """
    size = min(num_rows, dim + OVERSAMPLING)
    basis = np.random.default_rng(seed).standard_normal((num_rows, size)).astype(np.float32)
    basis = _orthonormal(product(basis))
    for _ in range(POWER_STEPS):
        basis = _orthonormal(product(_orthonormal(transposed(basis))))
    left, values, _ = svd(transposed(basis).T, full_matrices=False)
    out = np.zeros((num_rows, dim), np.float32)
    count = min(dim, size)
    out[:, :count] = (basis @ left[:, :count]) * np.sqrt(values[:count])
    return out


def _orthonormal(columns: Float[ndarray, "rows cols"]) -> Float[ndarray, "rows cols"]:
    return np.asarray(qr(columns, mode="economic")[0])


def unit_rows(table: Float[ndarray, "rows dim"]) -> Float[ndarray, "rows dim"]:
    """Scale each row to length 1. Rows of zeros stay zeros."""
    length = np.linalg.norm(table, axis=1, keepdims=True)
    return np.divide(table, length, out=np.zeros_like(table), where=length > 0)

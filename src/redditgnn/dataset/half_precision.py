"""Features in 16 bits: half the memory, and half the bytes to move when they are gathered."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float32, Int16
from numpy import ndarray
from torch import Tensor

from redditgnn.errors import ConfigError
from redditgnn.graph.csr import CSR
from redditgnn.graph.sparse_features import SparseFeatures

FeatureDtype = Literal["fp32", "fp16", "bf16"]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_ROWS = 65536  # at once, since a float32 copy of all rows would be large


def round_to_16_bits(
    name: str, x: Float32[Tensor, "nodes features"] | SparseFeatures, feature_dtype: FeatureDtype
) -> Int16[ndarray, "*shape"]:
    """Round `x` to the nearest numbers of `feature_dtype`, and return their bits.

    Of sparse features these are the bits of the non-zeros. NumPy has no bfloat16. Use
    `features_from_bits`.

    Raises:
        ConfigError: a number is too large.
    """
    if isinstance(x, SparseFeatures):
        return _round_rows(name, x.values[:, None], feature_dtype, x.csr).reshape(-1)
    return _round_rows(name, x, feature_dtype, None)


def features_from_bits(
    x: Tensor | SparseFeatures, bits: Int16[ndarray, "*shape"], feature_dtype: FeatureDtype
) -> Tensor | SparseFeatures:
    """Return `x` in the numbers that `round_to_16_bits` made of it."""
    numbers = torch.from_numpy(bits).view(DTYPES[feature_dtype])
    return x.with_values(numbers) if isinstance(x, SparseFeatures) else numbers


def _round_rows(
    name: str, x: Float32[Tensor, "rows width"], feature_dtype: FeatureDtype, csr: CSR | None
) -> Int16[ndarray, "rows width"]:
    """Round rows of features, or the entries of `csr`, each in a row of its own."""
    rounded = torch.empty(x.shape, dtype=DTYPES[feature_dtype])
    for start in range(0, len(x), _ROWS):
        rows = rounded[start : start + _ROWS]
        rows.copy_(x[start : start + _ROWS])
        too_large = rows.isinf().any(1)
        if too_large.any():
            row = start + int(too_large.int().argmax())
            node = row if csr is None else int(torch.searchsorted(csr.rowptr, row, right=True)) - 1
            raise ConfigError(
                _overflow_message(name, node, float(x[row].abs().max()), feature_dtype)
            )
    return rounded.view(torch.int16).numpy()


def _overflow_message(name: str, node: int, value: float, feature_dtype: FeatureDtype) -> str:
    limit = torch.finfo(DTYPES[feature_dtype]).max
    way_out = "bf16 or fp32" if feature_dtype == "fp16" else "fp32"
    return (
        f"dataset.feature_dtype={feature_dtype} holds numbers up to {limit:g}, and node {node} of "
        f"dataset={name} has {value:g}; use {way_out}"
    )

"""Features as arrays of a cache: a dense table, or the CSR of its non-zeros."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor

from redditgnn.graph.csr import CSR
from redditgnn.graph.sparse_features import SparseFeatures

Features = Float32[ndarray, "_ _"] | SparseFeatures
_SPARSE = ("x_shape", "x_rowptr", "x_col", "x_values")
_LARGEST_DENSE = 2**36  # bytes of a table whose dense form is hashed, at about 1 GB a second
_PIECE = 2**26  # bytes of dense rows at once


def arrays_of(x: Features) -> dict[str, ndarray]:
    """Return the arrays that store `x`, by name."""
    if isinstance(x, ndarray):
        return {"x": x}
    arrays = (np.array(x.shape), *(tensor.numpy() for tensor in x.tensors))
    return dict(zip(_SPARSE, arrays, strict=True))


def feature_keys(stored: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the arrays of features among those that are stored."""
    return ("x",) if "x" in stored else _SPARSE


def features_of(arrays: Mapping[str, ndarray]) -> Tensor | SparseFeatures:
    """Return the features that `arrays` store."""
    if "x" in arrays:
        return torch.from_numpy(arrays["x"])
    shape, rowptr, col, values = (arrays[key] for key in _SPARSE)
    csr = CSR(torch.from_numpy(rowptr), torch.from_numpy(col), int(shape[1]))
    return SparseFeatures(csr, torch.from_numpy(values))


def digest_of(array: ndarray) -> str:
    """Hash type, shape and content."""
    return _digest(array.dtype, array.shape, [array])


def feature_digest(x: Tensor | SparseFeatures) -> str:
    """Hash features as a dense table, so that the same numbers give the same hash however stored.

    A table above 64 GiB, which is stored sparse if at all, is hashed by its non-zeros.
    """
    if isinstance(x, Tensor):
        return digest_of(x.numpy())
    shape, dtype = tuple(x.shape), np.dtype(np.float32)
    if x.shape.numel() * dtype.itemsize > _LARGEST_DENSE:
        return _digest(dtype, shape, [tensor.numpy() for tensor in x.tensors])
    return _digest(dtype, shape, _dense_pieces(x))


def _dense_pieces(x: SparseFeatures) -> Iterator[ndarray]:
    num_rows = max(1, _PIECE // (4 * x.shape[1]))
    for start in range(0, len(x), num_rows):
        yield x.gather(torch.arange(start, min(start + num_rows, len(x)))).numpy()


def _digest(
    dtype: object, shape: tuple[int, ...], pieces: Iterator[ndarray] | list[ndarray]
) -> str:
    state = hashlib.blake2b(f"{dtype}{shape}".encode(), digest_size=16)
    for piece in pieces:
        if piece.size:
            state.update(piece.reshape(-1).view(np.uint8).data)
    return state.hexdigest()

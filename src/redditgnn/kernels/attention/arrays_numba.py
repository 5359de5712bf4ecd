"""Tensors as the flat, padded arrays that the Numba kernels of attention read."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from redditgnn.kernels.edge_hash import threshold_of
from redditgnn.kernels.simd_numba import LANES


def pad_channels(rows: Float32[Tensor, "rows heads _"]) -> Float32[Tensor, "rows heads _"]:
    """Pad the channels with zeros to a multiple of the lanes."""
    missing = -rows.size(2) % LANES
    return (F.pad(rows, (0, missing)) if missing else rows).contiguous()


def pad_columns(rows: Float32[Tensor, "rows width"]) -> Float32[Tensor, "rows _"]:
    """Pad the columns with zeros to a multiple of the lanes."""
    missing = -rows.size(1) % LANES
    return (F.pad(rows, (0, missing)) if missing else rows).contiguous()


def flatten(*tensors: Tensor) -> list[np.ndarray]:
    """Return contiguous tensors as one-dimensional arrays, without a copy."""
    return [tensor.detach().view(-1).numpy() for tensor in tensors]


def dropout_settings(dropout: float, key: Tensor | None) -> tuple[np.uint32, np.uint32, np.float32]:
    """Return the least hash that is kept, the key, and the factor of kept coefficients."""
    number = 0 if key is None else int(key)
    return np.uint32(threshold_of(dropout)), np.uint32(number), np.float32(1 / (1 - dropout))

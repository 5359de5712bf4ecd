"""Operations on rows for the Numba kernels of attention: fetch, weight, add, finish.

Rows are slices of flat float32 arrays. Their channels are padded to a multiple of the lanes, and so
are the numbers per head: `stride` is the padded number of heads.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from redditgnn.kernels.edge_hash import EDGE_STEP, ROW_STEP
from redditgnn.kernels.simd_numba import LANES, load, mix, prefetch, splat, store, total

AHEAD = 8  # edges between prefetching a row and reading it
BLOCK = 64  # edges summed before their sum is added to the row's, to keep digits in hubs
LINE = 16  # float32 in a cache line


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def row_key_of(key, row):
    """Hash `key` and the number of a destination."""
    return mix(np.uint64(key) + np.uint64(row + 1) * np.uint64(ROW_STEP))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def edge_key_of(row_key, source):
    """Hash the key of a destination and the number of a source."""
    return mix(np.uint64(row_key) + np.uint64(source + 1) * np.uint64(EDGE_STEP))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def fetch_row(table, row, width):
    """Prefetch the cache lines of one row."""
    for k in range(row * width, row * width + width, LINE):
        prefetch(table, k)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def settle(part, whole):
    """Add the sums of a block of edges to those of the row, and reset them."""
    for k in range(0, len(part), LANES):
        store(whole, k, load(whole, k) + load(part, k))
        store(part, k, splat(0.0))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def add_row(sums, weight, weight_at, table, table_at, heads, channels):
    """Add a row of `table` to `sums`, with each head's channels times its weight."""
    k = 0
    for head in range(heads):
        factor = splat(weight[weight_at + head])
        for _ in range(0, channels, LANES):
            store(sums, k, load(sums, k) + factor * load(table, table_at + k))
            k += LANES


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def dot(left, left_at, right, right_at, length):
    """Return the inner product of two slices whose length is a multiple of the lanes."""
    products = splat(0.0)
    for k in range(0, length, LANES):
        products = products + load(left, left_at + k) * load(right, right_at + k)
    return total(products)


@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
@no_type_check
def finish_row(row, whole, largest, heads, channels, scale, out, logsumexp):
    """Divide the sums of a row by the softmax's denominators. Rows without edges get zeros."""
    width, stride = heads * channels, len(largest)
    for head in range(heads):
        denominator = whole[width + head]
        factor = scale / denominator if denominator != 0 else np.float32(0)
        for k in range(head * channels, (head + 1) * channels):
            out[row * width + k] = whole[k] * factor
        logsumexp[row * stride + head] = largest[head] + np.log(denominator)

"""Skip-gram with negative samples (Mikolov et al. 2013, arXiv:1310.4546), one step a pair of nodes.

Tables are flat float32 arrays. Their rows are padded with zeros to a multiple of the lanes.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from redditgnn.kernels.simd_numba import LANES, load, prefetch, splat, store, total
from redditgnn.runtime.hash_numba import random_bits

SHIFT = np.uint64(32)
LARGEST = np.float32(30)  # the sigmoid of it is 1 in float32
LINE = 16  # float32 in a cache line


@njit(cache=True, nogil=True)
@no_type_check
def learn_walks(
    walks, key, window, negatives, noise, first_rate, last_rate, rows, contexts, width, fixed
):
    """Take a step for each pair of nodes in the same window, walk by walk.

    Each node draws how far its window reaches, from 1 to `window`. Negatives are entries of
    `noise`, without the node itself. The rate falls from walk to walk. Rows and contexts of the
    nodes that are marked in `fixed` stay as they are. An empty `fixed` marks none.
    """
    gradient, factors = np.zeros(width, np.float32), np.zeros(negatives + 1, np.float32)
    places = np.zeros(negatives + 1, np.int64)
    length = walks.shape[1]
    for i in range(len(walks)):
        rate = np.float32(first_rate + (last_rate - first_rate) * i / len(walks))
        own_key = random_bits(np.uint64(key), i)
        count = 0
        for j in range(length):
            center = walks[i, j]
            places[0] = np.int64(center) * width
            reach = 1 + _below(random_bits(own_key, count), window)
            count += 1
            for t in range(max(0, j - reach), min(length, j + reach + 1)):
                if t == j:
                    continue
                number = 1
                for _ in range(negatives):
                    other = noise[_below(random_bits(own_key, count), len(noise))]
                    count += 1
                    if other != center:
                        places[number] = np.int64(other) * width
                        for k in range(0, width, LINE):
                            prefetch(contexts, places[number] + k)
                        number += 1
                row_at = np.int64(walks[i, t]) * width
                step(rows, row_at, contexts, places, number, width, rate, gradient, factors, fixed)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def step(rows, row_at, contexts, places, number, width, rate, gradient, factors, fixed):
    """Move a row, and the contexts at the first `number` of `places`, by `rate` times the gradient.

    The gradient is that of log sigmoid(row . context 0) + sum log sigmoid(- row . other contexts).
    """
    for n in range(number):
        score = _dot(rows, row_at, contexts, places[n], width)
        score = min(max(score, -LARGEST), LARGEST)
        label = np.float32(1) if n == 0 else np.float32(0)
        factors[n] = (label - np.float32(1) / (np.float32(1) + np.exp(-score))) * rate
    for n in range(number):
        factor, at = splat(factors[n]), places[n]
        moves = not _is_fixed(fixed, at, width)
        for k in range(0, width, LANES):
            context = load(contexts, at + k)
            store(gradient, k, load(gradient, k) + factor * context)
            if moves:
                store(contexts, at + k, context + factor * load(rows, row_at + k))
    moves = not _is_fixed(fixed, row_at, width)
    for k in range(0, width, LANES):
        if moves:
            store(rows, row_at + k, load(rows, row_at + k) + load(gradient, k))
        store(gradient, k, splat(0.0))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _is_fixed(fixed, at, width):
    """Whether the node whose row begins at `at` is marked."""
    return len(fixed) > 0 and fixed[at // width]


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _dot(left, left_at, right, right_at, width):
    """Return an inner product, as two sums that do not wait for each other."""
    even, odd = splat(0.0), splat(0.0)
    for k in range(0, width - LANES, 2 * LANES):
        even = even + load(left, left_at + k) * load(right, right_at + k)
        k += LANES
        odd = odd + load(left, left_at + k) * load(right, right_at + k)
    if width % (2 * LANES):
        last = width - LANES
        even = even + load(left, left_at + last) * load(right, right_at + last)
    return total(even + odd)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _below(bits, size):
    """Return a number below `size` from 64 random bits."""
    return np.int64(((bits >> SHIFT) * np.uint64(size)) >> SHIFT)

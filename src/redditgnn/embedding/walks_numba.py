"""Random walks over a symmetric CSR with ascending rows. A walk depends on key and number alone.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from redditgnn.runtime.hash_numba import random_bits

SHIFT = np.uint64(32)
HALF = np.uint64(0xFFFFFFFF)
TO_UNIT = 1.0 / 2**32


@njit(cache=True, nogil=True)
@no_type_check
def walk_from(starts, key, rowptr, col, p, q, out):
    """Write a walk into each row of `out`. No start may be isolated.

    A step is uniform if `p` and `q` are 1. Otherwise a neighbour x is drawn until it is accepted,
    in proportion to 1/p if x is the node before, 1 if x is its neighbour, and 1/q if not (Grover
    and Leskovec 2016, arXiv:1607.00653).
    """
    uniform = p == 1.0 and q == 1.0
    most = max(1.0, 1.0 / p, 1.0 / q)
    for i in range(len(starts)):
        own_key = random_bits(np.uint64(key), i)
        count = 0
        previous, node = -1, starts[i]
        for step in range(out.shape[1]):
            out[i, step] = node
            first, size = rowptr[node], rowptr[node + 1] - rowptr[node]
            while True:
                bits = random_bits(own_key, count)
                count += 1
                place = np.int64(((bits >> SHIFT) * np.uint64(size)) >> SHIFT)
                following = col[first + place]
                if uniform or previous < 0:
                    break
                if following == previous:
                    share = 1.0 / p
                elif _is_edge(rowptr, col, previous, following):
                    share = 1.0
                else:
                    share = 1.0 / q
                if np.float64(bits & HALF) * TO_UNIT * most < share:
                    break
            previous, node = node, following


@njit(cache=True, nogil=True)
@no_type_check
def _is_edge(rowptr, col, row, node):
    """Whether `node` is in the ascending row `row`."""
    low, high = rowptr[row], rowptr[row + 1]
    while low < high:
        middle = (low + high) // 2
        if col[middle] < node:
            low = middle + 1
        else:
            high = middle
    return low < rowptr[row + 1] and col[low] == node

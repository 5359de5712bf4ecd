"""Dropout on the CPU in one pass, with a hash of the element's index as the mask."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, uint16

from redditgnn.runtime.hash_numba import random_bits

GROUP = 4  # elements for each hash
CHUNK = 256  # hashes in memory at once, few enough for the L1 cache


@njit(cache=True, nogil=True)
@no_type_check
def drop_groups(start, stop, values, key, threshold, out):
    """Write `values / (1 - p)` or 0 to `out` for some groups, with p = `threshold / 2**16`.

    The elements of a group share one hash of `key` and the group's number. Each takes 16 bits, the
    first one the lowest on little-endian machines. The hashes of a chunk are computed before its
    elements, because the compiler vectorises two loops but not a joint one.
    """
    scale = values.dtype.type(65536.0 / (65536.0 - threshold))
    zero = values.dtype.type(0)
    least = uint16(threshold)
    hashes = np.empty(CHUNK, np.uint64)
    lanes = hashes.view(np.uint16)
    for first in range(start, stop, CHUNK):
        num_groups = min(CHUNK, stop - first)
        for group in range(num_groups):
            hashes[group] = random_bits(key, first + group)
        inputs = values[GROUP * first : GROUP * (first + num_groups)]
        outputs = out[GROUP * first : GROUP * (first + num_groups)]
        for lane in range(len(inputs)):
            outputs[lane] = inputs[lane] * (scale if lanes[lane] >= least else zero)

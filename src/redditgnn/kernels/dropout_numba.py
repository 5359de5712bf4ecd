"""Dropout on the CPU in one pass, the mask a hash of the element's index."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, uint16

from redditgnn.runtime.hash_numba import random_bits

GROUP = 4  # elements that one hash decides for
CHUNK = 256  # hashes that are kept at once: few enough for the nearest cache


@njit(cache=True, nogil=True)
@no_type_check
def scaled_or_zero(start, stop, values, key, threshold, out):
    """Write `values / (1 - p)` or 0 into `out`, p being `threshold / 2**16`, for some groups.

    One hash of `key` and the group's number decides for its elements, 16 bits each, the lowest for
    the first (on machines whose lowest byte comes first). First the hashes of a chunk, then its
    elements: the compiler makes SIMD instructions of either loop, and of both in one it does not.
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
        read = values[GROUP * first : GROUP * (first + num_groups)]
        written = out[GROUP * first : GROUP * (first + num_groups)]
        for lane in range(len(read)):
            written[lane] = read[lane] * (scale if lanes[lane] >= least else zero)

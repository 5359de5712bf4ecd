"""Counter-based random bits, compiled by Numba. They depend on key and counter alone.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, uint64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
@no_type_check
def random_bits(key, counter):
    """Return 64 uniform bits: splitmix64 (Steele et al. 2014) of `key` and `counter`."""
    bits = key + GOLDEN * uint64(counter + 1)
    bits = (bits ^ (bits >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> uint64(27))) * uint64(0x94D049BB133111EB)
    return bits ^ (bits >> uint64(31))

"""The kernels of neighbourhood statistics on the CPU, which read each neighbour's row once.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from redditgnn.kernels.rows_numba import AHEAD, BLOCK, fetch_row, settle
from redditgnn.kernels.simd_numba import (
    LANES,
    bits,
    load,
    maximum,
    minimum,
    splat,
    store,
    where_positive,
)

NOBODY = -1  # the source that a row without edges picks


@njit(cache=True, nogil=True)
@no_type_check
def statistics_rows(start, stop, rowptr, col, weight, table, width, out, picks):
    """Write sum, sum of squares, largest and least of the rows that each destination reads.

    `out` is [4, dst, width]. `picks` [2, dst, width] gets the sources of largest and least, unless
    it is empty: the first of equal ones, as int32 in an array of float32. `weight` multiplies the
    summands, unless it is empty.
    """
    size = (len(rowptr) - 1) * width
    whole, part = np.empty(2 * width, np.float32), np.zeros(2 * width, np.float32)
    extremes, sources = np.empty(2 * width, np.float32), np.empty(2 * width, np.float32)
    for row in range(start, stop):
        first, last = rowptr[row], rowptr[row + 1]
        whole[:] = 0
        first_source = np.int64(col[first]) if last > first else NOBODY
        _start_extremes(table, first_source, width, extremes, sources)
        for begin in range(first, last, BLOCK):
            for edge in range(begin, min(begin + BLOCK, last)):
                fetch_row(table, np.int64(col[min(edge + AHEAD, last - 1)]), width)
                source = np.int64(col[edge])
                if len(picks) > 0:
                    _note_source(table, source, width, extremes, sources)
                factor = weight[edge] if len(weight) > 0 else np.float32(1)
                _add_source(table, source, width, factor, part, extremes)
            settle(part, whole)
        for k in range(0, width, LANES):
            place = row * width + k
            store(out, place, load(whole, k))
            store(out, size + place, load(whole, width + k))
            store(out, 2 * size + place, load(extremes, k))
            store(out, 3 * size + place, load(extremes, width + k))
            if len(picks) > 0:
                store(picks, place, load(sources, k))
                store(picks, size + place, load(sources, width + k))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _start_extremes(table, source, width, extremes, sources):
    """Initialise the extremes from one source, or with zeros if there is none."""
    for k in range(0, width, LANES):
        values = load(table, source * width + k) if source != NOBODY else splat(0.0)
        for into in (k, width + k):
            store(extremes, into, values)
            store(sources, into, bits(source))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _note_source(table, source, width, extremes, sources):
    """Store `source` where its row exceeds the extremes so far."""
    number = bits(source)
    for k in range(0, width, LANES):
        values = load(table, source * width + k)
        above, below = values - load(extremes, k), load(extremes, width + k) - values
        store(sources, k, where_positive(above, number, load(sources, k)))
        store(sources, width + k, where_positive(below, number, load(sources, width + k)))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _add_source(table, source, width, factor, part, extremes):
    """Add the row of `source` to the sums, and update the extremes."""
    factors = splat(factor)
    for k in range(0, width, LANES):
        values = load(table, source * width + k)
        weighted = values * factors
        store(part, k, load(part, k) + weighted)
        store(part, width + k, load(part, width + k) + weighted * values)
        store(extremes, k, maximum(values, load(extremes, k)))
        store(extremes, width + k, minimum(values, load(extremes, width + k)))


@njit(cache=True, nogil=True)
@no_type_check
def add_to_picked(start, stop, picks, grad, width, into):
    """Add `grad` [dst, width], in the columns from `start` to `stop`, to the sources in `picks`."""
    for place in range(0, len(picks), width):
        for k in range(start, stop):
            source = np.int64(picks[place + k])
            if source != NOBODY:
                into[source * width + k] += grad[place + k]

"""Self-loops at the ends of rows, compiled by Numba for the CPU.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def append_self_loops(rowptr, col):
    """Return row pointers and entries with row i itself as the last entry of row i."""
    rows = len(rowptr) - 1
    looped_rowptr, looped = np.empty_like(rowptr), np.empty(len(col) + rows, col.dtype)
    looped_rowptr[0] = 0
    for row in range(rows):
        first, last = rowptr[row], rowptr[row + 1]
        looped[first + row : last + row] = col[first:last]
        looped[last + row] = row
        looped_rowptr[row + 1] = last + row + 1
    return looped_rowptr, looped

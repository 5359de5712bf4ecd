"""The transpose of a CSR by counting, compiled by Numba for the CPU.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def transpose_csr(rowptr, col, num_src):
    """Return row pointers and entries of the transpose. The entries of a row ascend."""
    start = np.zeros(num_src + 1, np.int64)
    for source in col:
        start[source + 1] += 1
    for source in range(num_src):
        start[source + 1] += start[source]
    next_slot, row = start[:-1].copy(), np.empty(len(col), np.int32)
    for destination in range(len(rowptr) - 1):
        for edge in range(rowptr[destination], rowptr[destination + 1]):
            source = col[edge]
            row[next_slot[source]] = destination
            next_slot[source] += 1
    return start, row


@njit(cache=True, nogil=True)
@no_type_check
def find_transpose_edges(t_rowptr, col):
    """Return the position in `col` of each entry of the transpose."""
    next_slot, edges = t_rowptr[:-1].copy(), np.empty(len(col), np.int64)
    for edge in range(len(col)):
        source = col[edge]
        edges[next_slot[source]] = edge
        next_slot[source] += 1
    return edges

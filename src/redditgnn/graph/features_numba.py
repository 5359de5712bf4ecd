"""Rows of sparse features one after the other, compiled by Numba for the CPU.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def picked_rows(rowptr, col, values, node_ids):
    """Return the CSR and the values of the rows `node_ids`, in the order asked for."""
    picked = np.zeros(len(node_ids) + 1, np.int64)
    for place in range(len(node_ids)):
        node = node_ids[place]
        picked[place + 1] = picked[place] + rowptr[node + 1] - rowptr[node]
    out_col, out_values = np.empty(picked[-1], col.dtype), np.empty(picked[-1], values.dtype)
    for place in range(len(node_ids)):
        into, start = picked[place], rowptr[node_ids[place]]
        for entry in range(picked[place + 1] - into):
            out_col[into + entry] = col[start + entry]
            out_values[into + entry] = values[start + entry]
    return picked, out_col, out_values

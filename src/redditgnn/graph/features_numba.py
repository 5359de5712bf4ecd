"""Rows of sparse features, selected or made dense, compiled by Numba.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def select_rows(rowptr, col, values, node_ids):
    """Return the CSR and the values of the rows `node_ids`, in this order."""
    out_rowptr = np.zeros(len(node_ids) + 1, np.int64)
    for position in range(len(node_ids)):
        node = node_ids[position]
        out_rowptr[position + 1] = out_rowptr[position] + rowptr[node + 1] - rowptr[node]
    out_col, out_values = (
        np.empty(out_rowptr[-1], col.dtype),
        np.empty(out_rowptr[-1], values.dtype),
    )
    for position in range(len(node_ids)):
        into, start = out_rowptr[position], rowptr[node_ids[position]]
        for entry in range(out_rowptr[position + 1] - into):
            out_col[into + entry] = col[start + entry]
            out_values[into + entry] = values[start + entry]
    return out_rowptr, out_col, out_values


@njit(cache=True, nogil=True)
@no_type_check
def write_rows(rowptr, col, values, node_ids, out):
    """Write the rows `node_ids` into `out`, which holds zeros, in this order."""
    for position in range(len(node_ids)):
        node = node_ids[position]
        for entry in range(rowptr[node], rowptr[node + 1]):
            out[position, col[entry]] = values[entry]

"""Whether a graph is undirected, and both directions of its edges, compiled by Numba for the CPU.

`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def is_symmetric(rowptr, col, weight):
    """Whether rows ascend and every edge has its reverse of the same weight, without a copy.

    Sources ascend. So the reverse of the next edge into `j` is the next entry of row `j`. `weight`
    may be empty, and all edges count alike then.
    """
    next_entry, weighted = rowptr[:-1].copy(), len(weight) > 0
    for i in range(len(rowptr) - 1):
        previous = -1
        for e in range(rowptr[i], rowptr[i + 1]):
            j = col[e]
            place = next_entry[j]
            if j <= previous or place >= rowptr[j + 1] or col[place] != i:
                return False
            if weighted and weight[place] != weight[e]:
                return False
            next_entry[j] = place + 1
            previous = j
    return True


@njit(cache=True, nogil=True)
@no_type_check
def both_directions(source, target, num_nodes):
    """Return a CSR, with unsorted rows, that has every pair in both directions."""
    rowptr = np.zeros(num_nodes + 1, np.int64)
    for edge in range(len(source)):
        rowptr[source[edge] + 1] += 1
        rowptr[target[edge] + 1] += 1
    for node in range(num_nodes):
        rowptr[node + 1] += rowptr[node]
    next_slot, col = rowptr[:-1].copy(), np.empty(2 * len(source), np.int32)
    for edge in range(len(source)):
        i, j = source[edge], target[edge]
        col[next_slot[i]] = j
        col[next_slot[j]] = i
        next_slot[i] += 1
        next_slot[j] += 1
    return rowptr, col

"""Passes over the edges of a partitioned graph, compiled by Numba for the CPU.

`weight` may be empty, and all edges count 1 then. `no_type_check` keeps out the run-time type
checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def quotient(rowptr, col, weight, community, num_communities):
    """Return the CSR of the communities: the weights of the edges between two are added up.

    An edge inside of a community counts from both of its ends.
    """
    start, members = members_of(community, num_communities)
    links, weighted = np.zeros(num_communities, np.float64), len(weight) > 0
    touched, is_touched = np.empty(num_communities, np.uint32), np.zeros(num_communities, np.bool_)
    out_rowptr, used = np.zeros(num_communities + 1, np.int64), 0
    out_col, out_weight = np.empty(1024, np.uint32), np.empty(1024, np.float64)
    for number in range(num_communities):
        num_touched = 0
        for node in members[start[number] : start[number + 1]]:
            for edge in range(rowptr[node], rowptr[node + 1]):
                target = community[col[edge]]
                if not is_touched[target]:
                    is_touched[target] = True
                    touched[num_touched] = target
                    num_touched += 1
                links[target] += weight[edge] if weighted else 1.0
        if used + num_touched > len(out_col):
            capacity = max(used + num_touched, 2 * len(out_col))
            out_col, out_weight = _grown(out_col, capacity), _grown(out_weight, capacity)
        for target in np.sort(touched[:num_touched]):
            out_col[used], out_weight[used] = target, links[target]
            links[target], is_touched[target] = 0.0, False
            used += 1
        out_rowptr[number + 1] = used
    return out_rowptr, out_col[:used].copy(), out_weight[:used].copy()


@njit(cache=True, nogil=True)
@no_type_check
def members_of(community, num_communities):
    """Return the nodes by community, and where the nodes of each begin."""
    start = np.zeros(num_communities + 1, np.int64)
    for number in community:
        start[number + 1] += 1
    start = np.cumsum(start)
    place, members = start[:-1].copy(), np.empty(len(community), np.uint32)
    for node in range(len(community)):
        members[place[community[node]]] = node
        place[community[node]] += 1
    return start, members


@njit(cache=True, nogil=True)
@no_type_check
def _grown(values, capacity):
    grown = np.empty(capacity, values.dtype)
    grown[: len(values)] = values
    return grown


@njit(cache=True, nogil=True)
@no_type_check
def split_unconnected(rowptr, col, weight, community):
    """Number the connected pieces of the communities. An edge of weight 0 connects nothing."""
    n, count, weighted = len(community), 0, len(weight) > 0
    piece, stack = np.full(n, n, np.uint32), np.empty(n, np.uint32)
    for start in range(n):
        if piece[start] < n:
            continue
        piece[start], stack[0], height = count, start, 1
        while height > 0:
            height -= 1
            node = stack[height]
            for edge in range(rowptr[node], rowptr[node + 1]):
                other = col[edge]
                if piece[other] < n or community[other] != community[node]:
                    continue
                if not weighted or weight[edge] > 0:
                    piece[other], stack[height] = count, other
                    height += 1
        count += 1
    return piece


@njit(cache=True, nogil=True)
@no_type_check
def number_in_order(community):
    """Number the communities in the order of their first nodes; return their number, too."""
    n, count = len(community), 0
    new = np.full(n, n, np.uint32)
    out = np.empty(n, np.uint32)
    for node in range(n):
        old = community[node]
        if new[old] == n:
            new[old] = count
            count += 1
        out[node] = new[old]
    return out, count


@njit(cache=True, nogil=True)
@no_type_check
def row_sums(rowptr, weight):
    """Return the sum of each row's weights in float64."""
    sums = np.zeros(len(rowptr) - 1, np.float64)
    for row in range(len(rowptr) - 1):
        for entry in range(rowptr[row], rowptr[row + 1]):
            sums[row] += weight[entry]
    return sums

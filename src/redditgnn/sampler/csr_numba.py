"""Kernels over CSR rows, compiled by Numba for the CPU; each releases the GIL.

Those with `start, stop` work on a range of rows, for `run_on_rows`. Random numbers are
counter-based (splitmix64 of a key, a node and a draw), so that a batch depends on its key alone,
not on threads or on what was drawn before. `col` comes as uint32 and what counts edges is unsigned:
otherwise every access asks whether its index is negative, which takes half of the time.
`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, uint32, uint64

from redditgnn.runtime.hash_numba import hashed


@njit(cache=True, nogil=True)
@no_type_check
def row_pointers(rowptr, nodes, most):
    """Return the pointers of a CSR with at most `most` entries of each row (below 0: with all)."""
    picked = np.empty(len(nodes) + 1, np.int64)
    picked[0] = 0
    for row in range(len(nodes)):
        degree = rowptr[nodes[row] + 1] - rowptr[nodes[row]]
        picked[row + 1] = picked[row] + (degree if most < 0 else min(degree, most))
    return picked


@njit(cache=True, nogil=True)
@no_type_check
def pick_distinct(row_key, degree, picks):
    """Fill `picks` with distinct numbers below `degree`, uniformly (Floyd's algorithm)."""
    count = len(picks)
    for number in range(count):
        last = degree - count + number
        bits = hashed(row_key, number)
        drawn = np.int64((bits >> uint64(11)) * ((last + 1) * 2.0**-53))
        for before in range(number):
            if picks[before] == drawn:
                drawn = last
                break
        picks[number] = drawn


@njit(cache=True, nogil=True)
@no_type_check
def pick_neighbors(start, stop, picked, rowptr, col, nodes, key, neighbors):
    """Write the global ids of the in-neighbours that each of `nodes` keeps.

    `picked` points to each row's place in `neighbors` and so says how many there are; a row that
    keeps all has them in the order of `col`.
    """
    for row in range(start, stop):
        node = nodes[row]
        first, degree = uint64(rowptr[node]), rowptr[node + 1] - rowptr[node]
        into = neighbors[picked[row] : picked[row + 1]]
        if len(into) < degree:
            pick_distinct(hashed(key, node), degree, into)
            for number in range(len(into)):
                into[number] = col[first + uint64(into[number])]
        else:
            for number in range(degree):
                into[number] = col[first + uint64(number)]


@njit(cache=True, nogil=True)
@no_type_check
def append_unseen(nodes, neighbors, local_id):
    """Replace the ids in `neighbors` by local ones; return `nodes` and those not seen before.

    `local_id` maps global ids to positions in `nodes`, -1 for the unseen, which are numbered in
    order of first occurrence. One after another: which occurrence is first depends on all before.
    """
    num_nodes = len(nodes)
    grown = np.empty(num_nodes + len(neighbors), np.int64)
    grown[:num_nodes] = nodes
    for edge in range(len(neighbors)):
        source = uint32(neighbors[edge])
        if local_id[source] < 0:
            local_id[source] = num_nodes
            grown[num_nodes] = source
            num_nodes += 1
        neighbors[edge] = local_id[source]
    return grown[:num_nodes]


@njit(cache=True, nogil=True)
@no_type_check
def number_nodes(nodes, local_id):
    """Map each of `nodes` to its position."""
    for position in range(len(nodes)):
        local_id[nodes[position]] = position


@njit(cache=True, nogil=True)
@no_type_check
def forget_nodes(nodes, local_id):
    """Map each of `nodes` to -1 again."""
    for position in range(len(nodes)):
        local_id[nodes[position]] = -1


@njit(cache=True, nogil=True)
@no_type_check
def count_inside(start, stop, _, rowptr, col, nodes, local_id, counts):
    """Count the edges of each of `nodes` whose source has a local id."""
    for row in range(start, stop):
        node, count = nodes[row], 0
        for edge in range(uint64(rowptr[node]), uint64(rowptr[node + 1])):
            count += local_id[col[edge]] >= 0
        counts[row] = count


@njit(cache=True, nogil=True)
@no_type_check
def list_inside(start, stop, _, rowptr, col, nodes, local_id, kept, sources):
    """Write the local sources of the edges that `count_inside` counted; `kept` points to rows.

    Every source is written and only the place moves on: which edges stay is no pattern that a
    processor could predict. Leaving at a row's last edge keeps out of the next row.
    """
    for row in range(start, stop):
        place, end = uint64(kept[row]), uint64(kept[row + 1])
        edge = uint64(rowptr[nodes[row]])
        while place < end:
            source = local_id[col[edge]]
            sources[place] = source
            place += uint64(source >= 0)
            edge += uint64(1)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def list_inside_weighted(
    start, stop, _, rowptr, col, nodes, local_id, kept, sources, of_node, of_edge, weights
):
    """Do as `list_inside`, and weigh each edge by its destination's count over its own."""
    for row in range(start, stop):
        place, end = uint64(kept[row]), uint64(kept[row + 1])
        edge = uint64(rowptr[nodes[row]])
        while place < end:
            source = local_id[col[edge]]
            sources[place] = source
            weights[place] = of_edge[edge]
            place += uint64(source >= 0)
            edge += uint64(1)
        of_row = np.float32(max(of_node[nodes[row]], 1))
        into = weights[kept[row] : kept[row + 1]]
        for number in range(len(into)):
            into[number] = np.float32(1) / (max(into[number], np.float32(1)) / of_row)


@njit(cache=True, nogil=True)
@no_type_check
def add_inside(start, stop, _, rowptr, col, nodes, local_id, of_edge):
    """Add 1 to `of_edge`, in the order of `col`, at each edge that `count_inside` counts."""
    for row in range(start, stop):
        node = nodes[row]
        for edge in range(uint64(rowptr[node]), uint64(rowptr[node + 1])):
            of_edge[edge] += local_id[col[edge]] >= 0


@njit(cache=True, nogil=True)
@no_type_check
def mark_sources(start, stop, _, rowptr, col, nodes, is_source):
    """Set `is_source` at every in-neighbour of `nodes`; threads may set the same one."""
    for row in range(start, stop):
        node = nodes[row]
        for edge in range(uint64(rowptr[node]), uint64(rowptr[node + 1])):
            is_source[col[edge]] = True


@njit(cache=True, nogil=True)
@no_type_check
def list_sources(start, stop, picked, rowptr, col, nodes, local_id, sources):
    """Write the local ids of all in-neighbours of `nodes`; `picked` points to rows."""
    for row in range(start, stop):
        node, place = nodes[row], uint64(picked[row])
        for edge in range(uint64(rowptr[node]), uint64(rowptr[node + 1])):
            sources[place] = local_id[col[edge]]
            place += uint64(1)


@njit(cache=True, nogil=True)
@no_type_check
def add_to_sources(rowptr, col, of_row, total):
    """Add each row's value to `total` at all its sources, row after row."""
    for row in range(len(rowptr) - 1):
        for edge in range(uint64(rowptr[row]), uint64(rowptr[row + 1])):
            total[col[edge]] += of_row[row]

"""Kernels over CSR rows, compiled by Numba for the CPU. Each releases the GIL.

Kernels with `start, stop` work on a range of rows, for `run_on_rows`. Random numbers are
counter-based: splitmix64 of a key, a node and a draw. So a batch depends on its key alone, not on
threads or earlier draws. `col` is uint32 and edge counters are unsigned. With signed indices every
access checks for a negative index, which takes half of the time.
`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, uint32, uint64

from redditgnn.runtime.hash_numba import random_bits


@njit(cache=True, nogil=True)
@no_type_check
def row_pointers(rowptr, nodes, limit):
    """Return the pointers of a CSR with at most `limit` entries of each row (below 0: all)."""
    pointers = np.empty(len(nodes) + 1, np.int64)
    pointers[0] = 0
    for row in range(len(nodes)):
        degree = rowptr[nodes[row] + 1] - rowptr[nodes[row]]
        pointers[row + 1] = pointers[row] + (degree if limit < 0 else min(degree, limit))
    return pointers


@njit(cache=True, nogil=True)
@no_type_check
def pick_distinct(row_key, degree, picks):
    """Fill `picks` with distinct numbers below `degree`, uniformly (Floyd's algorithm)."""
    count = len(picks)
    for number in range(count):
        bound = degree - count + number
        bits = random_bits(row_key, number)
        pick = np.int64((bits >> uint64(11)) * ((bound + 1) * 2.0**-53))
        for earlier in range(number):
            if picks[earlier] == pick:
                pick = bound
                break
        picks[number] = pick


@njit(cache=True, nogil=True)
@no_type_check
def pick_neighbors(start, stop, pointers, rowptr, col, nodes, key, neighbors):
    """Write the global ids of the sampled in-neighbours of each of `nodes`.

    `pointers` bound each row's place in `neighbors`, and so its number of neighbours. A row with
    all its neighbours has them in the order of `col`.
    """
    for row in range(start, stop):
        node = nodes[row]
        first, degree = uint64(rowptr[node]), rowptr[node + 1] - rowptr[node]
        picks = neighbors[pointers[row] : pointers[row + 1]]
        if len(picks) < degree:
            pick_distinct(random_bits(key, node), degree, picks)
            for number in range(len(picks)):
                picks[number] = col[first + uint64(picks[number])]
        else:
            for number in range(degree):
                picks[number] = col[first + uint64(number)]


@njit(cache=True, nogil=True)
@no_type_check
def pick_entries(start, stop, pointers, rowptr, nodes, key, entries):
    """Write the positions in `col` of the neighbours that `pick_neighbors` writes."""
    for row in range(start, stop):
        node = nodes[row]
        degree = rowptr[node + 1] - rowptr[node]
        picks = entries[pointers[row] : pointers[row + 1]]
        if len(picks) < degree:
            pick_distinct(random_bits(key, node), degree, picks)
        else:
            picks[:] = np.arange(degree)
        picks += rowptr[node]


@njit(cache=True, nogil=True)
@no_type_check
def append_new_nodes(nodes, neighbors, local_id):
    """Replace the ids in `neighbors` by local ones, and return `nodes` with the new ones appended.

    `local_id` maps global ids to positions in `nodes`, -1 for new nodes. New nodes are numbered in
    order of first occurrence. One thread does it in sequence, since each occurrence depends on all
    before it.
    """
    num_nodes = len(nodes)
    all_nodes = np.empty(num_nodes + len(neighbors), np.int64)
    all_nodes[:num_nodes] = nodes
    for edge in range(len(neighbors)):
        source = uint32(neighbors[edge])
        if local_id[source] < 0:
            local_id[source] = num_nodes
            all_nodes[num_nodes] = source
            num_nodes += 1
        neighbors[edge] = local_id[source]
    return all_nodes[:num_nodes]


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
def list_inside(start, stop, _, rowptr, col, nodes, local_id, pointers, sources):
    """Write the local sources of the edges that `count_inside` counted. `pointers` bound the rows.

    Every source is written, and the place advances only for sources inside: a processor could not
    predict that branch. Stopping at a row's last edge leaves the next row untouched.
    """
    for row in range(start, stop):
        place, end = uint64(pointers[row]), uint64(pointers[row + 1])
        edge = uint64(rowptr[nodes[row]])
        while place < end:
            source = local_id[col[edge]]
            sources[place] = source
            place += uint64(source >= 0)
            edge += uint64(1)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def list_inside_scaled(
    start, stop, _, rowptr, col, nodes, local_id, pointers, sources, node_count, edge_count, scales
):
    """Do as `list_inside`, and scale each edge by its destination's count over its own."""
    for row in range(start, stop):
        place, end = uint64(pointers[row]), uint64(pointers[row + 1])
        edge = uint64(rowptr[nodes[row]])
        while place < end:
            source = local_id[col[edge]]
            sources[place] = source
            scales[place] = edge_count[edge]
            place += uint64(source >= 0)
            edge += uint64(1)
        row_count = np.float32(max(node_count[nodes[row]], 1))
        shares = scales[pointers[row] : pointers[row + 1]]
        for number in range(len(shares)):
            shares[number] = np.float32(1) / (max(shares[number], np.float32(1)) / row_count)


@njit(cache=True, nogil=True)
@no_type_check
def list_inside_weights(
    start, stop, _, rowptr, col, nodes, local_id, pointers, edge_weight, weights
):
    """Write the weights of the edges in the order of `list_inside`."""
    for row in range(start, stop):
        place, end = uint64(pointers[row]), uint64(pointers[row + 1])
        edge = uint64(rowptr[nodes[row]])
        while place < end:
            weights[place] = edge_weight[edge]
            place += uint64(local_id[col[edge]] >= 0)
            edge += uint64(1)


@njit(cache=True, nogil=True)
@no_type_check
def add_inside(start, stop, _, rowptr, col, nodes, local_id, edge_count):
    """Add 1 to `edge_count`, in the order of `col`, at each edge that `count_inside` counts."""
    for row in range(start, stop):
        node = nodes[row]
        for edge in range(uint64(rowptr[node]), uint64(rowptr[node + 1])):
            edge_count[edge] += local_id[col[edge]] >= 0


@njit(cache=True, nogil=True)
@no_type_check
def mark_sources(start, stop, _, rowptr, col, nodes, is_source):
    """Set `is_source` at every in-neighbour of `nodes`. Threads may set the same one."""
    for row in range(start, stop):
        node = nodes[row]
        for edge in range(uint64(rowptr[node]), uint64(rowptr[node + 1])):
            is_source[col[edge]] = True


@njit(cache=True, nogil=True)
@no_type_check
def list_sources(start, stop, pointers, rowptr, col, nodes, local_id, sources):
    """Write the local ids of all in-neighbours of `nodes`. `pointers` bound the rows."""
    for row in range(start, stop):
        node, place = nodes[row], uint64(pointers[row])
        for edge in range(uint64(rowptr[node]), uint64(rowptr[node + 1])):
            sources[place] = local_id[col[edge]]
            place += uint64(1)


@njit(cache=True, nogil=True)
@no_type_check
def add_to_sources(rowptr, col, row_value, total):
    """Add each row's value to `total` at all its sources, row after row."""
    for row in range(len(rowptr) - 1):
        for edge in range(uint64(rowptr[row]), uint64(rowptr[row + 1])):
            total[col[edge]] += row_value[row]

"""Kernels over CSR rows, compiled by Numba for the CPU; each releases the GIL.

Random numbers are counter-based (splitmix64 of a key, a node and a draw), so that a batch depends
on its key alone, not on threads or on what was drawn before. `no_type_check` keeps out the run-time
type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, uint64

from redditgnn.hash_numba import hashed


@njit(cache=True, nogil=True)
@no_type_check
def draw_below(key, node, draw, bound):
    """Return an integer in [0, bound): the `draw`-th random number of `node` under `key`."""
    bits = hashed(hashed(key, node), draw)
    return np.int64((bits >> uint64(11)) * (bound * 2.0**-53))


@njit(cache=True, nogil=True)
@no_type_check
def pick_distinct(key, node, degree, picks):
    """Fill `picks` with distinct numbers below `degree`, uniformly (Floyd's algorithm)."""
    count = len(picks)
    for number in range(count):
        last = degree - count + number
        drawn = draw_below(key, node, number, last + 1)
        for before in range(number):
            if picks[before] == drawn:
                drawn = last
                break
        picks[number] = drawn


@njit(cache=True, nogil=True)
@no_type_check
def sample_hop(rowptr, col, nodes, start, fanout, key, local_id):
    """Sample in-neighbours of `nodes[start:]` and append those not seen before.

    `local_id` maps global ids to positions in `nodes`, -1 for the unseen; it is updated. `fanout`
    below 0 takes all neighbours. Returns all nodes, edges per row, and local ids of the sources.
    """
    num_nodes = len(nodes)
    counts = np.empty(num_nodes - start, np.int64)
    for row in range(start, num_nodes):
        degree = rowptr[nodes[row] + 1] - rowptr[nodes[row]]
        counts[row - start] = degree if fanout < 0 else min(degree, fanout)
    num_edges = counts.sum()
    sources = np.empty(num_edges, np.int32)
    grown = np.empty(num_nodes + num_edges, np.int64)
    grown[:num_nodes] = nodes
    edge = 0
    picks = np.empty(max(fanout, 1), np.int64)
    for row in range(start, start + len(counts)):
        node, count = nodes[row], counts[row - start]
        first, degree = rowptr[node], rowptr[node + 1] - rowptr[node]
        sampled = count < degree
        if sampled:
            pick_distinct(key, node, degree, picks[:count])
        for number in range(count):
            source = col[first + (picks[number] if sampled else number)]
            if local_id[source] < 0:
                local_id[source] = num_nodes
                grown[num_nodes] = source
                num_nodes += 1
            sources[edge] = local_id[source]
            edge += 1
    return grown[:num_nodes], counts, sources


@njit(cache=True, nogil=True)
@no_type_check
def induced_edges(rowptr, col, nodes, local_id):
    """List the edges among `nodes`: edges per row, local source, position in `col`.

    `local_id` must map the global ids of `nodes` to their positions and all others to -1.
    """
    counts = np.zeros(len(nodes), np.int64)
    for row in range(len(nodes)):
        for edge in range(rowptr[nodes[row]], rowptr[nodes[row] + 1]):
            counts[row] += local_id[col[edge]] >= 0
    total = counts.sum()
    sources, positions = np.empty(total, np.int32), np.empty(total, np.int64)
    filled = 0
    for row in range(len(nodes)):
        for edge in range(rowptr[nodes[row]], rowptr[nodes[row] + 1]):
            if local_id[col[edge]] >= 0:
                sources[filled] = local_id[col[edge]]
                positions[filled] = edge
                filled += 1
    return counts, sources, positions

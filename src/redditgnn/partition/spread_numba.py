"""Label propagation over the edges, compiled by Numba for the CPU.

Indices are unsigned, as in `moves_numba`. `no_type_check` keeps out the run-time type checks of the
tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit, uint64

from redditgnn.partition.moves_numba import add_links, clear, enqueue
from redditgnn.runtime.hash_numba import random_bits


@njit(cache=True, nogil=True)
@no_type_check
def spread_labels(rowptr, col, weight, order, key):
    """Give each node the label with the largest weight of edges to it, until all nodes have it.

    Ties are broken by random bits of `key`, the node and the label. A node whose label is among the
    largest keeps it. A queue holds the nodes to look at, first all in this `order`.
    """
    n = len(order)
    label = np.arange(n).astype(np.uint32)
    links, touched = np.zeros(n, np.float64), np.empty(n, np.uint32)
    queue, waiting, head, length = order.copy(), np.ones(n, np.bool_), 0, n
    while length > 0:
        node = queue[head]
        head, length = (0 if head + 1 == n else head + 1), length - 1
        waiting[node] = False
        own = label[node]
        num_touched = add_links(rowptr, col, weight, node, label, links, touched)
        best = _dominant(own, random_bits(key, node), links, touched, num_touched)
        clear(links, touched, num_touched)
        if best == own:
            continue
        label[node] = best
        length = enqueue(rowptr, col, node, label, queue, waiting, head, length)
    return label


@njit(cache=True, nogil=True)
@no_type_check
def _dominant(own, key, links, touched, num_touched):
    """Return the label of largest weight: `own` if it is one, otherwise a random one."""
    largest = links[own]
    for place in range(num_touched):
        largest = max(largest, links[touched[place]])
    if links[own] == largest:
        return own
    best, best_bits = own, uint64(0)
    for place in range(num_touched):
        target = touched[place]
        bits = random_bits(key, target)
        if links[target] == largest and bits >= best_bits:
            best, best_bits = target, bits
    return best

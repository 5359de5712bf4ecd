"""Moves of single nodes between communities, compiled by Numba for the CPU.

The gain of a node that joins a community is the weight of its edges into it, minus `rate` times its
own mass times the mass of the community. With degrees as masses and resolution / 2m as the rate
this is modularity. With numbers of nodes as masses and the resolution as the rate it is the
constant Potts model.

Indices are unsigned: `rowptr` is uint64, `col` and communities are uint32. With signed ones every
access checks for a negative index. `weight` may be empty, and all edges count 1 then.
`no_type_check` keeps out the run-time type checks of the tests, which Numba cannot compile.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def move_nodes(rowptr, col, weight, mass, rate, tolerance, order, community):
    """Move nodes to the community of largest gain, in place, until no move gains.

    A queue holds the nodes to look at, first all in this `order`. A node that moves puts its
    neighbours outside of its new community back into it. Returns the number of moves.
    """
    n, num_moves = len(mass), 0
    total, size, empty, num_empty = _totals(mass, community)
    links, touched = np.zeros(n, np.float64), np.empty(n, np.uint32)
    queue, waiting, head, length = order.copy(), np.ones(n, np.bool_), 0, n
    while length > 0:
        node = queue[head]
        head, length = (0 if head + 1 == n else head + 1), length - 1
        waiting[node] = False
        own = community[node]
        num_touched = add_links(rowptr, col, weight, node, community, links, touched)
        total[own] -= mass[node]
        size[own] -= 1
        best, gain = _best(own, rate * mass[node], tolerance, links, touched, num_touched, total)
        clear(links, touched, num_touched)
        if gain < -tolerance and size[own] > 0:  # alone is better
            num_empty -= 1
            best = empty[num_empty]
        total[best] += mass[node]
        size[best] += 1
        if best == own:
            continue
        community[node] = best
        num_moves += 1
        if size[own] == 0:
            empty[num_empty] = own
            num_empty += 1
        length = enqueue(rowptr, col, node, community, queue, waiting, head, length)
    return num_moves


@njit(cache=True, nogil=True)
@no_type_check
def enqueue(rowptr, col, node, community, queue, waiting, head, length):
    """Append the neighbours of `node` in other communities to a circular queue, once each.

    Its `length` entries begin at `head`. Returns the new length.
    """
    n = len(queue)
    for edge in range(rowptr[node], rowptr[node + 1]):
        other = col[edge]
        if not waiting[other] and community[other] != community[node]:
            place = head + length
            queue[place - n if place >= n else place] = other
            waiting[other] = True
            length += 1
    return length


@njit(cache=True, nogil=True)
@no_type_check
def refine(rowptr, col, weight, mass, rate, community, order):
    """Return a partition inside of `community`: nodes that are alone join a set where they gain.

    Node and set must be well connected to the rest of their community. Each node joins the set of
    largest gain, where the paper draws one at random: after GVE-Leiden (Sahu 2023).
    """
    n = len(mass)
    whole = _totals(mass, community)[0]
    subset = np.arange(n).astype(np.uint32)
    total, size = mass.copy(), np.ones(n, np.int32)
    links, touched = np.zeros(n, np.float64), np.empty(n, np.uint32)
    outside = _links_inside(rowptr, col, weight, community)
    for node in order:
        parent, own = community[node], subset[node]
        rest = rate * (whole[parent] - mass[node])
        if size[own] != 1 or outside[own] < mass[node] * rest:
            continue
        num_touched = _add_links_inside(
            rowptr, col, weight, node, community, subset, links, touched
        )
        best, gain = own, 0.0
        for target in touched[:num_touched]:
            new_gain = links[target] - rate * mass[node] * total[target]
            rest = rate * (whole[parent] - total[target])
            if new_gain > gain and outside[target] >= total[target] * rest:
                best, gain = target, new_gain
        if best != own:
            subset[node] = best
            size[own], size[best] = 0, size[best] + 1
            total[best] += mass[node]
            outside[best] += outside[own] - 2.0 * links[best]
        clear(links, touched, num_touched)
    return subset


@njit(cache=True, nogil=True)
@no_type_check
def add_links(rowptr, col, weight, node, community, links, touched):
    """Add the weights of a node's edges by community of the other end, without its self-loop.

    Returns the number of communities, whose ids stand at the beginning of `touched`.
    """
    num_touched, weighted = 0, len(weight) > 0
    for edge in range(rowptr[node], rowptr[node + 1]):
        other = col[edge]
        if other == node:
            continue
        target = community[other]
        if links[target] == 0.0:
            touched[num_touched] = target
            num_touched += 1
        links[target] += weight[edge] if weighted else 1.0
    return num_touched


@njit(cache=True, nogil=True)
@no_type_check
def _add_links_inside(rowptr, col, weight, node, community, subset, links, touched):
    """Add the weights of a node's edges in its community by `subset`, as `add_links` does."""
    num_touched, weighted, parent = 0, len(weight) > 0, community[node]
    for edge in range(rowptr[node], rowptr[node + 1]):
        other = col[edge]
        if community[other] != parent or other == node:
            continue
        target = subset[other]
        if links[target] == 0.0:
            touched[num_touched] = target
            num_touched += 1
        links[target] += weight[edge] if weighted else 1.0
    return num_touched


@njit(cache=True, nogil=True)
@no_type_check
def clear(links, touched, num_touched):
    """Set what `add_links` added back to zero."""
    for place in range(num_touched):
        links[touched[place]] = 0.0


@njit(cache=True, nogil=True)
@no_type_check
def _best(own, cost, tolerance, links, touched, num_touched, total):
    """Return the community of largest gain, and that gain. A tie is no reason to leave."""
    best, best_gain = own, links[own] - cost * total[own]
    for place in range(num_touched):
        target = touched[place]
        gain = links[target] - cost * total[target]
        if gain > best_gain + tolerance:
            best, best_gain = target, gain
    return best, best_gain


@njit(cache=True, nogil=True)
@no_type_check
def _totals(mass, community):
    """Return mass and number of nodes of each id, and the ids without nodes with their number."""
    n, num_empty = len(mass), 0
    total, size, empty = np.zeros(n, np.float64), np.zeros(n, np.int32), np.empty(n, np.uint32)
    for node in range(n):
        total[community[node]] += mass[node]
        size[community[node]] += 1
    for number in range(n - 1, -1, -1):
        if size[number] == 0:
            empty[num_empty] = number
            num_empty += 1
    return total, size, empty, num_empty


@njit(cache=True, nogil=True)
@no_type_check
def _links_inside(rowptr, col, weight, community):
    """Return the weight of each node's edges to others of its community."""
    inside, weighted = np.zeros(len(community), np.float64), len(weight) > 0
    for node in range(len(community)):
        own, links = community[node], 0.0
        for edge in range(rowptr[node], rowptr[node + 1]):
            if community[col[edge]] == own and col[edge] != node:
                links += weight[edge] if weighted else 1.0
        inside[node] = links
    return inside

"""Which communities of a snapshot are those of the one before, and what happened to them.

Two communities are linked if more than a share, the threshold, of the nodes of the earlier one are
in the later one, or of the nodes of the later one come from the earlier one. All events follow from
the links.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, Integer
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

ABSENT = -1  # in place of a community: the node is not in the snapshot
Kind = Literal["continue", "grow", "shrink", "merge", "split", "birth", "death"]
Groups = Integer[ndarray, " nodes"]


class Event(NamedTuple):
    """What happened between two snapshots. `before` and `after` are ids of communities.

    `common` is the number of nodes that are in one of `before` and in one of `after`.
    """

    kind: Kind
    before: tuple[int, ...]
    after: tuple[int, ...]
    nodes_before: int
    nodes_after: int
    common: int


class Overlaps(NamedTuple):
    """The nodes that two communities have in common, for each two that have any."""

    first: Int64[ndarray, " pairs"]
    second: Int64[ndarray, " pairs"]
    nodes: Int64[ndarray, " pairs"]

    def at(self, chosen: Bool[ndarray, " pairs"] | Int64[ndarray, " chosen"]) -> Overlaps:
        """Return some of the pairs."""
        return Overlaps(*(values[chosen] for values in self))


def overlaps(before: Groups, after: Groups) -> Overlaps:
    """Count the nodes that are in both snapshots."""
    common = (before != ABSENT) & (after != ABSENT)
    width = int(after.max(initial=0)) + 1
    code = before[common].astype(np.int64) * width + after[common]
    pairs, nodes = np.unique(code, return_counts=True)
    return Overlaps(pairs // width, pairs % width, nodes)


def linked(before: Groups, after: Groups, threshold: float) -> Overlaps:
    """Return the overlaps of the communities that are linked."""
    pairs = overlaps(before, after)
    most_of_first = pairs.nodes > threshold * sizes(before)[pairs.first]
    most_of_second = pairs.nodes > threshold * sizes(after)[pairs.second]
    return pairs.at(most_of_first | most_of_second)


def sizes(groups: Groups) -> Int64[ndarray, " communities"]:
    """Return the number of nodes of each community."""
    return np.bincount(groups[groups != ABSENT])


def identities(links: Overlaps, number: int, next_id: int) -> Int64[ndarray, " communities"]:
    """Return an id for each of the `number` later communities.

    One keeps the id of the earlier community that it is matched with, so that matched communities
    have as many nodes in common as possible. The others have new ids from `next_id` on.
    """
    ids = np.full(number, ABSENT, np.int64)
    for first, second in _matching(links):
        ids[second] = first
    new = ids == ABSENT
    ids[new] = next_id + np.arange(new.sum())
    return ids


def _matching(links: Overlaps) -> Iterator[tuple[int, int]]:
    """Match by the Hungarian method, for each set of communities that links connect."""
    if not len(links.nodes):
        return
    num_first, num_second = int(links.first.max()) + 1, int(links.second.max()) + 1
    ends = links.first, links.second + num_first
    shape = (num_first + num_second,) * 2
    _, component = connected_components(coo_matrix((links.nodes, ends), shape))
    owner = component[links.first]
    order = np.argsort(owner, kind="stable")
    for chosen in np.split(order, np.flatnonzero(np.diff(owner[order])) + 1):
        yield from _best_matching(links.at(chosen))


def _best_matching(links: Overlaps) -> Iterator[tuple[int, int]]:
    first, row = np.unique(links.first, return_inverse=True)
    second, column = np.unique(links.second, return_inverse=True)
    common = np.zeros((len(first), len(second)), np.int64)
    common[row, column] = links.nodes
    for i, j in zip(*linear_sum_assignment(common, maximize=True), strict=True):
        if common[i, j]:
            yield int(first[i]), int(second[j])


def events(before: Groups, after: Groups, threshold: float) -> list[Event]:
    """Return what happened between two snapshots, whose communities have their ids.

    A community that is linked to several later ones splits. Several that are linked to the same
    later one merge. One without links dies, or is born. Of the others, two that are linked are
    alone with each other: one continues if most of either is in the other, grows if only most of
    the earlier one is in the later one, and shrinks if it is the other way round.
    """
    links = linked(before, after, threshold)
    old, new = sizes(before), sizes(after)
    later, earlier = _neighbours(*links[:2]), _neighbours(links.second, links.first)
    groups: list[tuple[Kind, Sequence[int], Sequence[int]]] = []
    groups += [("split", [a], to) for a, to in later.items() if len(to) > 1]
    groups += [("merge", of, [b]) for b, of in earlier.items() if len(of) > 1]
    for a, b, nodes in zip(*(values.tolist() for values in links), strict=True):
        if len(later[a]) == len(earlier[b]) == 1:
            shares = nodes > threshold * old[a], nodes > threshold * new[b]
            groups.append(
                ("continue" if all(shares) else "grow" if shares[0] else "shrink", [a], [b])
            )
    groups += [("death", [a], []) for a in np.flatnonzero(old).tolist() if a not in later]
    groups += [("birth", [], [b]) for b in np.flatnonzero(new).tolist() if b not in earlier]
    pairs = overlaps(before, after)
    common = {(a, b): n for a, b, n in zip(*(v.tolist() for v in pairs), strict=True)}
    return [_event(common, old, new, *group) for group in groups]


def _neighbours(first: ndarray, second: ndarray) -> dict[int, list[int]]:
    neighbours: dict[int, list[int]] = {}
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        neighbours.setdefault(one, []).append(other)
    return neighbours


def _event(
    common: Mapping[tuple[int, int], int],
    old: ndarray,
    new: ndarray,
    kind: Kind,
    before: Sequence[int],
    after: Sequence[int],
) -> Event:
    return Event(
        kind,
        tuple(before),
        tuple(after),
        int(old[list(before)].sum()),
        int(new[list(after)].sum()),
        sum(common.get(pair, 0) for pair in product(before, after)),
    )

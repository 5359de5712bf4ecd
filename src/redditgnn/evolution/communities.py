"""The communities of a snapshot, found from those of the snapshot before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, UInt32
from numpy import ndarray

from redditgnn.evolution.matching import ABSENT, Groups
from redditgnn.evolution.settings import EvolveSettings
from redditgnn.partition import search
from redditgnn.partition.adjacency import Adjacency
from redditgnn.partition.blocks import blocks_of, modularity
from redditgnn.partition.comparison import adjusted_mutual_information
from redditgnn.partition.leiden import Leiden

ITERATIONS = 2


class Partition(NamedTuple):
    """Communities of the nodes that have edges, numbered from the largest. Others are `ABSENT`.

    `floor` is the AMI between two other starts: partitions that are closer differ by noise alone.
    """

    groups: Int64[ndarray, " nodes"]
    modularity: float
    floor: float


class _Start(NamedTuple):
    groups: Int64[ndarray, " nodes"]
    modularity: float
    quality: float


def find_communities(
    adjacency: Adjacency, previous: Groups | None, settings: EvolveSettings
) -> Partition:
    """Start Leiden twice from single nodes, and once from the communities before.

    The last is taken, unless each of the others is better: then these communities are no more.
    """
    fresh = [_start(adjacency, settings, number, None) for number in range(2)]
    best = max(fresh, key=lambda start: start.quality)
    if previous is not None:
        warm = _start(adjacency, settings, len(fresh), _as_start(previous))
        best = best if warm.quality < min(start.quality for start in fresh) else warm
    present = best.groups != ABSENT
    floor = adjusted_mutual_information(*(start.groups[present] for start in fresh))
    return Partition(best.groups, best.modularity, floor)


def compile_kernels(settings: EvolveSettings, *, weighted: bool) -> None:
    """Let Numba compile, or read, what Leiden needs."""
    search.compile_kernels(_method(settings), weighted=weighted)


def _method(settings: EvolveSettings) -> Leiden:
    return Leiden(
        objective="modularity",
        resolution=settings.resolution,
        weights=True,
        iterations=ITERATIONS,
        restarts=1,
        seed=settings.seed,
    )


def _start(
    adjacency: Adjacency,
    settings: EvolveSettings,
    number: int,
    start: UInt32[ndarray, " nodes"] | None,
) -> _Start:
    method = _method(settings)
    generator = np.random.default_rng([settings.seed, number])
    membership = method.partition(adjacency, settings.resolution, generator, start)
    membership = search.connected_by_size(adjacency, membership)
    blocks = blocks_of(adjacency, membership)
    return _Start(
        _among(membership, adjacency.degree > 0),
        modularity(blocks),
        method.quality(blocks, settings.resolution),
    )


def _among(
    membership: UInt32[ndarray, " nodes"], present: Bool[ndarray, " nodes"]
) -> Int64[ndarray, " nodes"]:
    """Number the communities of the nodes that are `present` without gaps, in the same order."""
    groups = np.full(len(membership), ABSENT, np.int64)
    groups[present] = np.unique(membership[present], return_inverse=True)[1]
    return groups


def _as_start(groups: Groups) -> UInt32[ndarray, " nodes"]:
    """Give the nodes of a community the number of one of them. Absent nodes are alone."""
    start = np.arange(len(groups), dtype=np.uint32)
    members = np.flatnonzero(groups != ABSENT)
    _, first, position = np.unique(groups[members], return_index=True, return_inverse=True)
    start[members] = members[first][position]
    return start

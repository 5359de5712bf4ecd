"""The search for communities: candidates are compared, the best is run several times.

Starts run in parallel threads. Each has random numbers of its own and reads nothing of the others,
so that the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Int32, UInt32
from numpy import ndarray

from redditgnn.partition.adjacency import NO_WEIGHTS, Adjacency
from redditgnn.partition.base import Candidate, Method
from redditgnn.partition.blocks import Blocks, blocks_of, modularity
from redditgnn.partition.comparison import adjusted_mutual_information
from redditgnn.partition.description import description_length


@dataclass(frozen=True, kw_only=True)
class Start:
    """One run of a method, and its scores. Communities are connected, and numbered by size.

    `modularity` is that with the graph's weights at resolution 1, `quality` what was maximised.
    """

    candidate: Candidate
    number: int
    membership: Int32[ndarray, " nodes"]
    blocks: Blocks
    quality: float
    modularity: float
    description_length: float


@dataclass(frozen=True, kw_only=True)
class Communities:
    """What a search ended with.

    Attributes:
        starts: All starts, in the order in which they were made.
        best: The start that was taken.
        agreement: Mean AMI between any two starts of its candidate: differences from another
            partition that are smaller are noise. None if there was one start.
    """

    starts: Sequence[Start]
    best: Start
    agreement: float | None


def find_communities(method: Method, adjacency: Adjacency) -> Communities:
    """Start each candidate once, and the one of least description length `method.restarts` times.

    Of those starts the one of largest quality is the best.
    """
    candidates = list(method.candidates(adjacency))
    first = list(_run(method, adjacency, [(candidate, 0) for candidate in candidates]))
    chosen = min(first, key=lambda start: start.description_length)
    others = [(chosen.candidate, number) for number in range(1, method.restarts)]
    repeats = [chosen, *_run(method, adjacency, others)]
    pairs = combinations([start.membership for start in repeats], 2)
    agreements = [adjusted_mutual_information(*pair) for pair in pairs]
    return Communities(
        starts=[*first, *repeats[1:]],
        best=max(repeats, key=lambda start: start.quality),
        agreement=float(np.mean(agreements)) if agreements else None,
    )


def _run(
    method: Method, adjacency: Adjacency, tasks: Sequence[tuple[Candidate, int]]
) -> Iterator[Start]:
    if not tasks:
        return
    with ThreadPoolExecutor(min(len(tasks), torch.get_num_threads())) as threads:
        yield from threads.map(lambda task: _start(method, adjacency, *task), tasks)


def _start(method: Method, adjacency: Adjacency, candidate: Candidate, number: int) -> Start:
    edges = adjacency if candidate.weighted else adjacency.without_weights()
    generator = np.random.default_rng([method.seed, number])
    found = method.partition(edges, candidate.resolution, generator)
    membership = connected_by_size(adjacency, found)
    blocks = blocks_of(adjacency, membership)
    own = blocks if candidate.weighted else blocks.without_weights()
    return Start(
        candidate=candidate,
        number=number,
        membership=membership.view(np.int32),
        blocks=blocks,
        quality=method.quality(own, candidate.resolution),
        modularity=modularity(blocks),
        description_length=description_length(blocks),
    )


def connected_by_size(
    adjacency: Adjacency, membership: UInt32[ndarray, " nodes"]
) -> UInt32[ndarray, " nodes"]:
    """Split communities into connected ones, and number them from the largest to the smallest.

    Of equal ones that with the first node comes first. Without the split, a community whose link
    node moved away may be left in pieces.
    """
    from redditgnn.partition.quotient_numba import split_unconnected

    csr = adjacency.rowptr, adjacency.col, adjacency.weight
    pieces = split_unconnected(*csr, membership)
    order = np.argsort(-np.bincount(pieces), kind="stable")
    rank = np.empty(len(order), np.uint32)
    rank[order] = np.arange(len(order), dtype=np.uint32)
    return rank[pieces]


def compile_kernels(method: Method, *, weighted: bool) -> None:
    """Let Numba compile, or read, what a search needs, on a graph of one edge."""
    pair = Adjacency(
        rowptr=np.array([0, 1, 2], np.uint64),
        col=np.array([1, 0], np.uint32),
        weight=np.ones(2, np.float32) if weighted else NO_WEIGHTS,
    )
    _start(method, pair, method.candidates(pair)[0], 0)

"""Small graphs, and partitions of them, for the tests of communities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.partition.adjacency import Adjacency, undirected

# Zachary 1977, as printed in the paper: who met whom outside of the club, nodes from 1.
KARATE = (
    "2 1|3 1|3 2|4 1|4 2|4 3|5 1|6 1|7 1|7 5|7 6|8 1|8 2|8 3|8 4|9 1|9 3|10 3|11 1|11 5|11 6|12 1|"
    "13 1|13 4|14 1|14 2|14 3|14 4|17 6|17 7|18 1|18 2|20 1|20 2|22 1|22 2|26 24|26 25|28 3|28 24|"
    "28 25|29 3|30 24|30 27|31 2|31 9|32 1|32 25|32 26|32 29|33 3|33 9|33 15|33 16|33 19|33 21|"
    "33 23|33 24|33 30|33 31|33 32|34 9|34 10|34 14|34 15|34 16|34 19|34 20|34 21|34 23|34 24|"
    "34 27|34 28|34 29|34 30|34 31|34 32|34 33"
)


def graph_of(matrix: np.ndarray, labels: np.ndarray | None = None) -> GraphData:
    """A graph with this matrix of weights. If all are 0 or 1, it is one without weights."""
    weights = torch.from_numpy(np.asarray(matrix, np.float32))
    present, n = weights != 0, len(weights)
    y = torch.zeros(n, dtype=torch.int64) if labels is None else torch.from_numpy(labels)
    turn = torch.arange(n) % 3
    return GraphData(
        name="small",
        x=torch.zeros(n, 1),
        rowptr=pointers(present.sum(1)),
        col=present.nonzero()[:, 1].int(),
        edge_weight=weights[present] if (weights[present] != 1).any() else None,
        y=y,
        num_classes=int(y.max()) + 1,
        train_mask=turn == 0,
        val_mask=turn == 1,
        test_mask=turn == 2,
        fingerprint=Fingerprint("small"),
    )


def adjacency_of(matrix: np.ndarray) -> Adjacency:
    return undirected(graph_of(matrix))


def karate_club() -> np.ndarray:
    matrix = np.zeros((34, 34))
    for pair in KARATE.split("|"):
        first, second = (int(number) - 1 for number in pair.split())
        matrix[first, second] = matrix[second, first] = 1
    return matrix


def ring_of_cliques(num_cliques: int, size: int) -> np.ndarray:
    """Cliques, of which each two neighbours in the ring are joined by an edge."""
    matrix = np.kron(np.eye(num_cliques), np.ones((size, size)) - np.eye(size))
    for number in range(num_cliques):
        first, second = number * size, (number + 1) % num_cliques * size + 1
        matrix[first, second] = matrix[second, first] = 1
    return matrix


def random_matrix(
    num_nodes: int, density: float, seed: int, *, weighted: bool = False
) -> np.ndarray:
    generator = np.random.default_rng(seed)
    upper = np.triu(generator.random((num_nodes, num_nodes)) < density, 1).astype(float)
    if weighted:
        upper *= generator.integers(1, 5, upper.shape)
    return upper + upper.T


def all_partitions(num_nodes: int) -> Iterator[np.ndarray]:
    """Every partition once, its parts numbered in the order of their first nodes."""

    def extend(prefix: list[int]) -> Iterator[np.ndarray]:
        if len(prefix) == num_nodes:
            yield np.array(prefix)
            return
        for number in range(max(prefix, default=-1) + 2):
            yield from extend([*prefix, number])

    return extend([])

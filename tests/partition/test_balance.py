"""Parts of equal size from communities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from redditgnn.partition.balance import leiden_parts
from redditgnn.partition.parts import parts_of, random_parts
from tests.partition.graphs import graph_of, random_matrix, ring_of_cliques


def cut_edges(matrix: np.ndarray, part: np.ndarray) -> float:
    return float(matrix[part[:, None] != part[None, :]].sum() / 2)


@pytest.mark.parametrize("num_parts", [1, 2, 7, 40])
def test_every_node_is_in_one_part_and_sizes_differ_by_at_most_one(num_parts):
    graph = graph_of(random_matrix(40, 0.1, 0))
    parts = parts_of(graph, num_parts, "leiden")
    assert sorted(torch.cat(parts).tolist()) == list(range(40))
    assert len(parts) == num_parts
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("num_parts", "most_cut"), [(12, 12), (6, 12), (24, 12 + 12 * 9)])
def test_parts_follow_the_cliques_where_sizes_allow_it(num_parts, most_cut):
    matrix = ring_of_cliques(12, 6)
    assert cut_edges(matrix, leiden_parts(graph_of(matrix), num_parts)) <= most_cut


def test_fewer_edges_leave_parts_of_communities_than_random_ones():
    matrix = np.kron(np.eye(5), np.ones((20, 20))) * random_matrix(100, 0.4, 0)
    matrix = np.maximum(matrix, random_matrix(100, 0.02, 1))
    part = np.empty(100, np.int64)
    for number, ids in enumerate(random_parts(graph_of(matrix), 10, torch.Generator())):
        part[ids] = number
    assert cut_edges(matrix, leiden_parts(graph_of(matrix), 10)) < 0.8 * cut_edges(matrix, part)

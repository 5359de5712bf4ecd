"""Leiden, Louvain and label propagation: what must hold of the communities that they find."""

from __future__ import annotations

import gzip
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networkx import to_numpy_array
from networkx.generators.atlas import graph_atlas_g
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData
from redditgnn.partition.adjacency import Adjacency, undirected
from redditgnn.partition.base import Method
from redditgnn.partition.blocks import blocks_of, modularity
from redditgnn.partition.comparison import compare
from redditgnn.partition.label_propagation import LabelPropagation
from redditgnn.partition.leiden import Leiden
from redditgnn.partition.louvain import Louvain
from redditgnn.partition.moves_numba import move_nodes
from redditgnn.partition.quotient_numba import number_in_order
from redditgnn.partition.search import Communities, find_communities
from tests.partition.graphs import (
    adjacency_of,
    all_partitions,
    graph_of,
    karate_club,
    random_matrix,
    ring_of_cliques,
)

KEYS: dict[str, Any] = {
    "objective": "modularity",
    "resolution": 1.0,
    "weights": "auto",
    "iterations": 2,
    "restarts": 1,
    "seed": 0,
}


def leiden(**changes: Any) -> Leiden:
    return Leiden(**KEYS | changes)


METHODS: dict[str, Method] = {
    "leiden": leiden(),
    "leiden cpm": leiden(objective="cpm", resolution=0.1),
    "louvain": Louvain(**KEYS),
    "label propagation": LabelPropagation(weights=True, restarts=2, seed=0),
}
each_method = pytest.mark.parametrize("name", METHODS)


def found(method: Method, matrix: np.ndarray) -> Communities:
    return find_communities(method, adjacency_of(matrix))


@each_method
@given(seed=st.integers(0, 999), density=st.floats(0, 0.4), weighted=st.booleans())
@settings(max_examples=10, deadline=None)
def test_communities_are_connected_numbered_by_size_and_isolated_nodes_are_alone(
    name, seed, density, weighted
):
    matrix = random_matrix(40, density, seed, weighted=weighted)
    membership = found(METHODS[name], matrix).best.membership
    sizes = np.bincount(membership)
    assert (np.diff(sizes) <= 0).all()
    assert (sizes > 0).all()
    assert (sizes[membership[matrix.sum(1) == 0]] == 1).all()
    for number in range(len(sizes)):
        inside = np.flatnonzero(membership == number)
        assert connected_components(csr_matrix(matrix[np.ix_(inside, inside)]))[0] == 1


@each_method
def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(name):
    matrix = random_matrix(60, 0.1, 0)
    several = METHODS[name]
    if name != "label propagation":
        several = leiden(resolution=[0.5, 1.0, 2.0], restarts=3)
    memberships, before = [], torch.get_num_threads()
    try:
        for num_threads in (1, 2, 5):
            torch.set_num_threads(num_threads)
            memberships.append(found(several, matrix).best.membership.tobytes())
    finally:
        torch.set_num_threads(before)
    assert len({*memberships}) == 1


def test_other_seeds_give_other_starts():
    matrix = random_matrix(60, 0.1, 0)
    methods = [LabelPropagation(weights=True, restarts=1, seed=seed) for seed in range(5)]
    assert len({found(method, matrix).best.membership.tobytes() for method in methods}) > 1


@pytest.mark.every_python
@pytest.mark.parametrize("method", [leiden(restarts=5), Louvain(**KEYS | {"restarts": 5})])
def test_the_karate_club_has_the_modularity_of_the_known_optimum(method):
    best = found(method, karate_club()).best
    assert best.modularity == pytest.approx(0.41979, abs=1e-5)
    assert len(best.blocks.sizes) == 4


@cache
def same_part(num_nodes: int) -> np.ndarray:
    """Which two nodes every partition has together."""
    return np.stack([part[:, None] == part[None, :] for part in all_partitions(num_nodes)])


def best_by_brute_force(matrix: np.ndarray) -> float:
    degree, total = matrix.sum(1), max(1.0, matrix.sum())
    gains = (matrix - np.outer(degree, degree) / total) / total
    return float((same_part(len(matrix)) * gains).sum((1, 2)).max())


@pytest.mark.parametrize("num_nodes", range(2, 7))
def test_no_partition_of_any_small_graph_is_better(num_nodes):
    graphs = [graph for graph in graph_atlas_g() if len(graph) == num_nodes]
    for matrix in map(to_numpy_array, graphs):
        adjacency, method = adjacency_of(matrix), leiden()
        starts = [
            method.partition(adjacency, 1.0, np.random.default_rng(seed)) for seed in range(4)
        ]
        best = max(quality(adjacency, number_in_order(start)[0]) for start in starts)
        assert best == pytest.approx(best_by_brute_force(matrix), abs=1e-12)


def test_a_higher_resolution_finds_the_cliques_of_a_ring_that_modularity_merges():
    matrix = ring_of_cliques(30, 5)
    cliques = np.arange(150) // 5
    assert len(found(leiden(restarts=3), matrix).best.blocks.sizes) < 30
    assert compare(found(leiden(resolution=4), matrix).best.membership, cliques).ami == 1


def test_auto_finds_the_cliques_of_a_ring():
    best = found(leiden(resolution="auto"), ring_of_cliques(8, 8)).best
    assert compare(best.membership, np.arange(64) // 8).ami == pytest.approx(1)


def test_a_move_changes_the_modularity_by_its_gain():
    matrix = random_matrix(12, 0.4, 3)
    adjacency, n = adjacency_of(matrix), 12
    rate, mass = 1 / adjacency.total, adjacency.strength
    membership = np.arange(n, dtype=np.uint32) % 4
    for node in range(n):
        for target in range(4):
            moved = membership.copy()
            moved[node] = target
            gain = link_gain(matrix, mass, rate, membership, node, target)
            change = quality(adjacency, moved) - quality(adjacency, membership)
            assert change == pytest.approx(2 * gain / adjacency.total, abs=1e-12)


def link_gain(matrix, mass, rate, membership, node, target) -> float:
    """What moves_numba says of a move: links minus rate times masses, there against here."""
    others = np.arange(len(mass)) != node

    def joined(number: int) -> float:
        inside = (membership == number) & others
        return matrix[node, inside].sum() - rate * mass[node] * mass[inside].sum()

    return joined(target) - joined(membership[node])


def quality(adjacency: Adjacency, membership: np.ndarray) -> float:
    return modularity(blocks_of(adjacency, membership))


@given(seed=st.integers(0, 999), weighted=st.booleans())
@settings(max_examples=10, deadline=None)
def test_moves_never_make_the_partition_worse(seed, weighted):
    matrix = random_matrix(20, 0.2, seed, weighted=weighted)
    adjacency, n = adjacency_of(matrix), 20
    before = np.arange(n, dtype=np.uint32) % (1 + seed % 6)
    rate, after = 1 / max(1.0, adjacency.total), before.copy()
    csr = adjacency.rowptr, adjacency.col, adjacency.weight
    order = np.arange(n, dtype=np.uint32)
    num_moves = move_nodes(*csr, adjacency.strength, rate, 1e-10, order, after)
    gained = quality(adjacency, number_in_order(after)[0]) - quality(adjacency, before)
    assert gained > 0 or (num_moves == 0 and gained == 0)


def test_other_numbers_of_the_nodes_give_as_good_communities():
    matrix = random_matrix(60, 0.1, 0)
    order = np.random.default_rng(0).permutation(60)
    first = found(leiden(restarts=10), matrix).best.modularity
    second = found(leiden(restarts=10), matrix[np.ix_(order, order)]).best.modularity
    assert first == pytest.approx(second, abs=0.005)


def test_the_edges_of_an_undirected_graph_are_not_copied():
    graph = graph_of(random_matrix(20, 0.3, 0))
    assert np.shares_memory(undirected(graph).col, graph.col.numpy())


@pytest.mark.parametrize("weighted", [False, True])
def test_a_directed_graph_counts_edges_in_both_directions(weighted):
    matrix = np.triu(random_matrix(20, 0.3, 0, weighted=weighted))
    directed, both = undirected(graph_of(matrix)), undirected(graph_of(matrix + matrix.T))
    assert (directed.was_directed, both.was_directed) == (True, False)
    assert (directed.rowptr == both.rowptr).all()
    assert (directed.col == both.col).all()
    assert (directed.weight == both.weight).all()


def test_a_graph_whose_two_directions_differ_in_weight_is_directed():
    matrix = random_matrix(20, 0.3, 0)
    matrix[np.triu(matrix) > 0] = 2
    assert undirected(graph_of(matrix)).was_directed


def test_an_edge_of_weight_zero_connects_nothing():
    graph = graph_of(ring_of_cliques(1, 3)[:2, :2] * 2)
    graph = replace(graph, edge_weight=torch.zeros(2))
    assert find_communities(leiden(), undirected(graph)).best.membership.tolist() == [0, 1]


def test_weights_decide_where_all_nodes_are_joined():
    matrix = np.kron(np.eye(2) * 9 + 1, np.ones((5, 5)))
    np.fill_diagonal(matrix, 0)
    halves = np.arange(10) // 5
    for resolution in (1.0, "auto"):
        best = found(leiden(resolution=resolution), matrix).best
        assert best.candidate.weighted
        assert compare(best.membership, halves).ami == 1
    alike = found(leiden(weights=False), matrix).best
    assert len(alike.blocks.sizes) == 1


def test_agreement_is_that_of_the_starts_and_missing_where_there_is_one():
    matrix = karate_club()
    assert found(leiden(), matrix).agreement is None
    assert found(leiden(restarts=3), matrix).agreement == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"restarts": 0}, "communities.restarts must be positive, got 0"),
        ({"iterations": 0}, "communities.iterations must be positive, got 0"),
        ({"resolution": -1.0}, "communities.resolution must be positive, got -1.0"),
        ({"resolution": []}, "communities.resolution must hold at least one number"),
        ({"resolution": [1, 0]}, "communities.resolution must be positive, got 0"),
        ({"seed": -1}, r"communities.seed must be in \[0, 2\*\*63\), got -1"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        leiden(**changes)


def high_school(realdata: Path) -> GraphData:
    """Who met whom how often in a school, and everyone's class."""
    path = realdata / "temporal" / "HighSchool2013_proximity_net.csv.gz"
    if not path.exists():
        pytest.skip(f"no real data in {path.parent}")
    numbers: dict[str, int] = {}
    classes: dict[str, int] = {}
    labels, contacts = [], []
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        _, first, second, *names = line.split()
        for person, name in zip((first, second), names, strict=True):
            if person not in numbers:
                numbers[person] = len(numbers)
                labels.append(classes.setdefault(name, len(classes)))
        contacts.append((numbers[first], numbers[second]))
    matrix = np.zeros((len(numbers), len(numbers)))
    np.add.at(matrix, tuple(np.array(contacts).T), 1)
    return graph_of(matrix + matrix.T, np.array(labels))


@pytest.mark.realdata
@pytest.mark.parametrize("weights", ["auto", False])
def test_auto_finds_the_nine_classes_of_a_school(realdata, weights):
    graph = high_school(realdata)
    method = leiden(resolution="auto", weights=weights, restarts=2)
    best = find_communities(method, undirected(graph)).best
    assert len(best.blocks.sizes) == 9
    assert compare(best.membership, graph.y.numpy()).ami >= 0.98

"""Modularity, the constant Potts model and description length against their definitions."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import comb, factorial, lgamma, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redditgnn.partition.blocks import blocks_of, constant_potts, modularity
from redditgnn.partition.description import description_length, edges_length, weights_length
from redditgnn.partition.quotient_numba import number_in_order
from tests.partition.graphs import adjacency_of, random_matrix

CASES = {"num_nodes": st.integers(2, 50), "density": st.floats(0, 1), "seed": st.integers(0, 99)}


def random_membership(num_nodes: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(1 + seed % 9, size=num_nodes)
    return number_in_order(drawn.astype(np.uint32) % num_nodes)[0]


def dense_modularity(matrix: np.ndarray, membership: np.ndarray, resolution: float) -> float:
    degree, total = matrix.sum(1), matrix.sum()
    same = membership[:, None] == membership[None, :]
    return float(((matrix - resolution * np.outer(degree, degree) / total) * same).sum() / total)


def dense_edges_length(matrix: np.ndarray, membership: np.ndarray) -> float:
    """Peixoto 2017, equations 9, 24, 40 and 43, with exact integers."""
    n, count, num_edges = len(matrix), membership.max() + 1, int(matrix.sum()) // 2
    sizes = np.bincount(membership)
    between = np.array(
        [
            [int(matrix[np.ix_(membership == r, membership == s)].sum()) for s in range(count)]
            for r in range(count)
        ]
    )
    nats = -sum(log(factorial(int(degree))) for degree in matrix.sum(1))
    for r, s in combinations_with_replacement(range(count), 2):
        edges = int(between[r, s])
        double = 2 ** (edges // 2) * factorial(edges // 2)
        nats -= log(double) if r == s else log(factorial(edges))
    for size, volume in zip(sizes.tolist(), between.sum(1).tolist(), strict=True):
        nats += log(factorial(volume)) + log(comb(size + volume - 1, volume))
        nats -= log(factorial(size))
    pairs = count * (count + 1) // 2
    nats += log(comb(pairs + num_edges - 1, num_edges))
    return nats + log(factorial(n)) + log(comb(n - 1, count - 1)) + log(n)


def dense_weights_length(matrix: np.ndarray, membership: np.ndarray) -> float:
    """The normal-inverse-gamma marginal likelihood as a product of Student's t densities."""
    first, second = np.nonzero(np.triu(matrix))
    logs = np.log(matrix[first, second])
    mean, variance = logs.mean(), logs.var()
    blocks = np.sort(np.stack([membership[first], membership[second]], 1), axis=1)
    nats = 0.0
    for pair in np.unique(blocks, axis=0):
        weight, centre, shape, scale = 1.0, mean, 1.0, variance
        for value in logs[(blocks == pair).all(1)]:
            spread = scale * (weight + 1) / (shape * weight)
            degrees = 2 * shape
            nats -= lgamma((degrees + 1) / 2) - lgamma(degrees / 2)
            nats += log(degrees * np.pi * spread) / 2
            nats += (degrees + 1) / 2 * log(1 + (value - centre) ** 2 / (degrees * spread))
            scale += weight * (value - centre) ** 2 / (2 * (weight + 1))
            centre += (value - centre) / (weight + 1)
            weight, shape = weight + 1, shape + 0.5
    return nats


@given(**CASES, resolution=st.floats(0.1, 5))
@settings(max_examples=40, deadline=None)
def test_modularity_is_that_of_the_dense_definition(num_nodes, density, seed, resolution):
    matrix = random_matrix(num_nodes, density, seed, weighted=seed % 2 == 0)
    membership = random_membership(num_nodes, seed)
    quality = modularity(blocks_of(adjacency_of(matrix), membership), resolution)
    expected = dense_modularity(matrix, membership, resolution) if matrix.any() else 0.0
    assert quality == pytest.approx(expected, abs=1e-6)


@given(**CASES, resolution=st.floats(0.1, 5))
@settings(max_examples=40, deadline=None)
def test_the_potts_quality_is_that_of_the_dense_definition(num_nodes, density, seed, resolution):
    matrix = random_matrix(num_nodes, density, seed, weighted=seed % 2 == 0)
    membership = random_membership(num_nodes, seed)
    pairs = np.triu(membership[:, None] == membership[None, :], 1)
    quality = constant_potts(blocks_of(adjacency_of(matrix), membership), resolution)
    assert quality == pytest.approx(((matrix - resolution) * pairs).sum(), abs=1e-6)


@given(**CASES)
@settings(max_examples=40, deadline=None)
def test_the_description_length_of_edges_is_that_of_the_definition(num_nodes, density, seed):
    matrix, membership = random_matrix(num_nodes, density, seed), random_membership(num_nodes, seed)
    blocks = blocks_of(adjacency_of(matrix), membership)
    expected = dense_edges_length(matrix, membership)
    assert edges_length(blocks) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert description_length(blocks) == edges_length(blocks)


@pytest.mark.parametrize("seed", range(5))
def test_the_description_length_of_weights_is_that_of_the_definition(seed):
    matrix = random_matrix(30, 0.3, seed, weighted=True)
    membership = random_membership(30, seed)
    blocks = blocks_of(adjacency_of(matrix), membership)
    expected = dense_weights_length(matrix, membership)
    assert weights_length(blocks) == pytest.approx(expected, rel=1e-5)


def test_another_unit_of_the_weights_prefers_the_same_partition():
    matrix = random_matrix(30, 0.3, 0, weighted=True)
    differences = []
    for unit in (1, 1000):
        blocks = [
            blocks_of(adjacency_of(unit * matrix), random_membership(30, seed)) for seed in (3, 8)
        ]
        differences.append(description_length(blocks[0]) - description_length(blocks[1]))
    assert differences[0] == pytest.approx(differences[1], rel=1e-4)


def test_merging_the_blocks_gives_those_of_one_community():
    matrix = random_matrix(30, 0.3, 1, weighted=True)
    adjacency = adjacency_of(matrix)
    merged = blocks_of(adjacency, random_membership(30, 8)).merged()
    whole = blocks_of(adjacency, np.zeros(30, np.uint32))
    assert description_length(merged) == pytest.approx(description_length(whole))

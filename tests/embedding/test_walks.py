"""Walks visit and turn as they should, and the skip-gram follows its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.nn import functional as F

from redditgnn.embedding.deepwalk import DeepWalk, Node2Vec, Walk
from redditgnn.embedding.skipgram_numba import learn_walks, step
from redditgnn.embedding.walks_numba import walk_from

LEAST_P = 1e-4  # of a correct kernel, one seed in 10,000 fails: seeds are fixed


UNIFORM = Walk()
NOBODY = np.zeros(0, np.bool_)


def walks_on(edges, starts, length, walk=UNIFORM, key=7):
    out = np.empty((len(starts), length), np.int32)
    starts = np.asarray(starts, np.int32)
    walk_from(starts, np.uint64(key), edges.rowptr, edges.col, *map(float, walk), out)
    return out


def test_every_step_is_along_an_edge(make_edges):
    edges = make_edges(num_nodes=30, num_edges=120)
    dense = edges.matrix().toarray()
    for walk in (Walk(), Walk(p=0.2, q=3.0)):
        walks = walks_on(edges, np.flatnonzero(edges.degree), 20, walk)
        assert dense[walks[:, :-1], walks[:, 1:]].all()


def test_long_walks_visit_nodes_in_proportion_to_their_degree(make_edges):
    edges = make_edges(num_nodes=20, num_edges=140)
    walks = walks_on(edges, np.repeat(np.flatnonzero(edges.degree), 400), 24)
    ends = np.bincount(walks[:, -1], minlength=20)  # one of each walk: they are independent
    expected = edges.degree / edges.num_edges * len(walks)
    assert chisquare(ends[expected > 0], expected[expected > 0]).pvalue > LEAST_P


@pytest.mark.parametrize("walk", [Walk(), Walk(0.25, 4.0), Walk(4.0, 0.5), Walk(1.0, 0.1)])
def test_the_second_step_has_node2vecs_frequencies(walk, make_edges):
    edges = make_edges(num_nodes=12, num_edges=60)
    dense = edges.matrix().toarray()
    start = int(edges.degree.argmax())
    walks = walks_on(edges, np.full(30_000, start), 3, walk)
    second = int(np.bincount(walks[:, 1]).argmax())
    ends = walks[walks[:, 1] == second, 2]
    bias = np.where(dense[start] > 0, 1.0, 1 / walk.q)
    bias[start] = 1 / walk.p
    expected = bias * dense[second]
    expected *= len(ends) / expected.sum()
    counts = np.bincount(ends, minlength=12)
    assert not counts[expected == 0].any()
    assert chisquare(counts[expected > 0], expected[expected > 0]).pvalue > LEAST_P


def test_a_walk_depends_on_its_number_and_the_key_alone(make_edges):
    edges = make_edges(num_nodes=20, num_edges=100)
    starts = np.flatnonzero(edges.degree)
    assert np.array_equal(walks_on(edges, starts, 9)[:5], walks_on(edges, starts[:5], 9))
    assert not np.array_equal(walks_on(edges, starts, 9), walks_on(edges, starts, 9, key=8))


@pytest.mark.parametrize("width", [8, 16, 24])
def test_a_step_follows_the_gradient_of_the_log_likelihood(width):
    generator = torch.Generator().manual_seed(0)
    row = torch.randn(width, generator=generator).requires_grad_()
    contexts = torch.randn(4, width, generator=generator).requires_grad_()
    used = [2, 0, 3]  # the context of the pair, then negatives
    score = contexts[used] @ row
    (F.logsigmoid(score[0]) + F.logsigmoid(-score[1:]).sum()).backward()
    rows, table = row.detach().numpy().copy(), contexts.detach().numpy().copy().reshape(-1)
    places = np.array([width * node for node in used])
    empty = np.zeros(width, np.float32), np.zeros(3, np.float32)
    step(rows, 0, table, places, 3, width, np.float32(0.1), *empty, NOBODY)
    torch.testing.assert_close(torch.from_numpy(rows), row.detach() + 0.1 * row.grad)
    moved = contexts.detach() + 0.1 * contexts.grad
    torch.testing.assert_close(torch.from_numpy(table).view(4, width), moved)


def test_learning_pulls_nodes_of_a_window_together_and_pushes_others_apart():
    walks = np.tile(np.array([[0, 1, 0, 1], [2, 3, 2, 3]], np.int32), (400, 1))
    rows = np.random.default_rng(0).normal(0, 0.1, (4, 8)).astype(np.float32)
    contexts = np.zeros((4, 8), np.float32)
    noise = np.arange(4, dtype=np.int32)
    flat = rows.reshape(-1), contexts.reshape(-1)
    learn_walks(walks, np.uint64(1), 1, 3, noise, 0.1, 0.1, *flat, 8, NOBODY)
    likely = 1 / (1 + np.exp(-rows @ contexts.T))
    assert likely[[0, 1, 2, 3], [1, 0, 3, 2]].min() > 0.9
    assert likely[:2, 2:].max() < 0.1
    assert likely[2:, :2].max() < 0.1


def test_rows_and_contexts_of_fixed_nodes_stay_and_those_of_others_learn():
    walks = np.tile(np.array([[0, 1, 2, 3]], np.int32), (9, 1))
    tables = np.random.default_rng(0).normal(0, 0.1, (2, 4, 8)).astype(np.float32)
    before, fixed = tables.copy(), np.array([True, False, True, False])
    flat = tables[0].reshape(-1), tables[1].reshape(-1)
    noise = np.arange(4, dtype=np.int32)
    learn_walks(walks, np.uint64(1), 2, 3, noise, 0.1, 0.1, *flat, 8, fixed)
    assert np.array_equal(tables[:, fixed], before[:, fixed])
    assert (tables[:, ~fixed] != before[:, ~fixed]).all()


def test_walks_that_return_and_leave_alike_are_those_of_deepwalk(make_edges):
    edges = make_edges(num_nodes=20, num_edges=100)
    keys = {"num_walks": 2, "walk_length": 5, "window": 2, "negatives": 2, "lr": 0.05}
    shape = {"dim": 4, "normalize": None}
    plain = DeepWalk(**keys, **shape).compute(edges, 0)
    assert np.array_equal(plain, Node2Vec(p=1.0, q=1.0, **keys, **shape).compute(edges, 0))
    assert not np.array_equal(plain, Node2Vec(p=0.1, q=1.0, **keys, **shape).compute(edges, 0))


def test_the_estimate_of_seconds_grows_with_the_number_of_walks(make_edges, monkeypatch):
    monkeypatch.setattr("redditgnn.embedding.deepwalk.TRIAL_S", 0.01)
    edges = make_edges(num_nodes=20, num_edges=100)
    keys = {"walk_length": 50, "window": 2, "negatives": 2, "lr": 0.05, "dim": 8, "normalize": None}
    few, many = (DeepWalk(num_walks=n, **keys).estimate_s(edges, 0) for n in (10, 1000))
    assert 0 < few < many

"""Each method gives what its paper's formula says, the same for a seed, from the edges alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.embedding.adjacency import Adjacency, adjacency_of
from redditgnn.embedding.base import Embedding
from redditgnn.embedding.factors import scaled_left_factors
from redditgnn.embedding.fastrp import FastRP, random_projection
from redditgnn.embedding.netmf import NetMF
from redditgnn.embedding.prone import ProNE, log_ratios
from redditgnn.errors import ConfigError

SMALL = ("embedding.dim=6",)
WALKS = ("embedding.num_walks=2", "embedding.walk_length=6")
METHODS = {
    "fastrp": SMALL,
    "netmf": SMALL,
    "prone": SMALL,
    "deepwalk": (*SMALL, *WALKS),
    "node2vec": (*SMALL, *WALKS, "embedding.p=0.5"),
}
every_method = pytest.mark.parametrize("method", METHODS)


def build(method: str) -> Embedding:
    settings = compose_settings([f"embedding={method}", *METHODS[method]])
    embedding: Embedding = settings.build("embedding")
    return embedding


def without_edges_of(graph, node):
    keep = torch.ones(graph.num_nodes, dtype=torch.bool)
    keep[node] = False
    part = graph.subgraph(keep)
    row = part.rowptr[node]
    return replace(
        graph, rowptr=torch.cat([part.rowptr[:node], row.view(1), part.rowptr[node:]]), col=part.col
    )


@every_method
def test_a_seed_gives_the_same_bytes_and_another_seed_others(method, make_edges):
    edges = make_edges(num_nodes=30, num_edges=120)
    first, again, other = (build(method).compute(edges, seed) for seed in (3, 3, 4))
    assert first.dtype == np.float32
    assert first.shape == (30, 6)
    assert np.isfinite(first).all()
    assert first.tobytes() == again.tobytes()
    assert method in ("netmf", "prone") or first.tobytes() != other.tobytes()


@every_method
def test_neither_labels_nor_features_nor_splits_reach_an_embedding(method, make_graph):
    graph = make_graph(num_nodes=30, num_edges=120)
    poisoned = replace(
        graph,
        x=graph.x * torch.nan,
        y=graph.y.flip(0),
        train_mask=graph.test_mask,
        test_mask=graph.train_mask,
    )
    clean, dirty = (build(method).compute(adjacency_of(g), 0) for g in (graph, poisoned))
    assert clean.tobytes() == dirty.tobytes()


@every_method
def test_a_node_without_edges_gets_zeros(method, make_graph):
    graph = without_edges_of(make_graph(num_nodes=30, num_edges=200), 29)
    table = build(method).compute(adjacency_of(graph), 0)
    assert not table[29].any()
    assert table[:29].any(1).sum() > 20


@every_method
def test_a_graph_without_edges_gives_zeros(method, make_graph):
    assert not build(method).compute(adjacency_of(make_graph(num_nodes=8, num_edges=0)), 0).any()


@pytest.mark.parametrize("beta", [0.0, -0.9])
def test_fastrp_is_the_product_that_the_paper_writes(beta, make_edges):
    edges = make_edges(num_nodes=25, num_edges=70)
    weights = [0.5, 0.0, 2.0]
    fastrp = FastRP(dim=7, weights=weights, beta=beta, normalize=None)
    degree = np.maximum(edges.degree, 1)
    power = random_projection(25, 7, 1).astype(np.float64)
    power *= ((degree / edges.num_edges) ** beta)[:, None]
    expected = np.zeros((25, 7))
    for weight in weights:
        power = edges.matrix().toarray() @ power / degree[:, None]
        length = np.linalg.norm(power, axis=1, keepdims=True)
        expected += weight * np.divide(power, length, out=np.zeros_like(power), where=length > 0)
    np.testing.assert_allclose(fastrp.compute(edges, 1), expected, atol=1e-5)


def test_a_random_projection_has_mean_zero_and_variance_one():
    values = random_projection(1000, 100, 0)
    assert abs(values.mean()) < 0.01
    assert abs(values.var() - 1) < 0.01


def test_netmf_factorises_the_papers_matrix(make_edges):
    edges = make_edges(num_nodes=20, num_edges=80)
    netmf = NetMF(dim=20, window=3, negatives=2, normalize=None)
    dense = edges.matrix().toarray().astype(np.float64)
    inverse = np.diag(1 / np.maximum(edges.degree, 1))
    powers = sum(np.linalg.matrix_power(inverse @ dense, k) for k in (1, 2, 3))
    expected = np.log(np.maximum(dense.sum() / (2 * 3) * powers @ inverse, 1))
    np.testing.assert_allclose(netmf.matrix(edges), expected, atol=1e-5)
    left, values, _ = np.linalg.svd(expected)
    gram = (left * values) @ left.T  # free of the signs of the singular vectors
    table = netmf.compute(edges, 0)
    np.testing.assert_allclose(table @ table.T, gram, atol=1e-4)


def test_netmf_refuses_a_matrix_that_does_not_fit_and_names_a_way_out(make_edges, monkeypatch):
    monkeypatch.setattr("redditgnn.embedding.netmf.free_memory", lambda device: 1000)
    netmf = NetMF(dim=4, window=3, negatives=1, normalize=None)
    with pytest.raises(ConfigError, match=r"20 x 20.*embedding=prone"):
        netmf.compute(make_edges(), 0)


def test_prone_factorises_log_ratios_over_the_edges(make_edges):
    edges = make_edges(num_nodes=20, num_edges=80)
    dense = edges.matrix().toarray().astype(np.float64)
    walk = dense / np.maximum(edges.degree, 1)[:, None]
    share = np.maximum(walk.sum(0), np.finfo(np.float32).tiny) ** 0.75
    logs = np.log(np.where(walk > 0, walk, 1)) - np.log(share / share.sum())
    expected = np.where(walk > 0, logs, 0)
    matrix = edges.matrix(log_ratios(edges)).toarray()
    np.testing.assert_allclose(matrix, expected, atol=1e-4)


def test_the_filter_of_prone_is_its_chebyshev_sum(make_edges):
    edges = make_edges(num_nodes=12, num_edges=60)
    prone = ProNE(dim=5, order=6, mu=0.2, theta=0.5, normalize=None)
    start = np.random.default_rng(0).standard_normal((12, 5)).astype(np.float32)
    found = prone._filter(edges, start)
    np.testing.assert_allclose(found, filtered_densely(edges, start, 6), atol=1e-4)


def filtered_densely(edges: Adjacency, start: np.ndarray, order: int) -> np.ndarray:
    """Sum i_k T_k((M^2 - 2) / 2) of the shifted Laplacian M, by the polynomials' recurrence."""
    from scipy.special import iv

    looped = edges.matrix().toarray().astype(np.float64) + np.eye(edges.num_nodes)
    shifted = np.eye(edges.num_nodes) * (1 - 0.2) - looped / looped.sum(1, keepdims=True)
    x = 0.5 * (shifted @ shifted) - np.eye(edges.num_nodes)
    terms = [np.eye(edges.num_nodes), x]
    for _ in range(2, order):
        terms.append(2 * x @ terms[-1] - terms[-2])
    signs = [iv(0, 0.5), *((-1) ** k * 2 * iv(k, 0.5) for k in range(1, order))]
    total = sum(sign * term for sign, term in zip(signs, terms, strict=True))
    return looped @ (start - total @ start)


def test_factors_are_those_of_the_singular_value_decomposition():
    generator = np.random.default_rng(0)
    matrix = generator.standard_normal((40, 30)) @ np.diag(0.7 ** np.arange(30))
    matrix = np.pad(matrix, ((0, 0), (0, 10)))
    left, values, _ = np.linalg.svd(matrix)
    expected = left[:, :5] * np.sqrt(values[:5])
    found = scaled_left_factors(lambda b: matrix @ b, lambda b: matrix.T @ b, 40, 5, 0)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-4)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["embedding=fastrp", "embedding.dim=0"], "embedding.dim must be positive, got 0"),
        (["embedding=fastrp", "embedding.weights=[0,0]"], "embedding.weights must have a number"),
        (["embedding=deepwalk", "embedding.window=0"], "embedding.window must be positive, got 0"),
        (["embedding=node2vec", "embedding.p=0"], "embedding.p must be positive, got 0"),
        (["embedding=prone", "embedding.order=1"], "embedding.order must be at least 2, got 1"),
        (["embedding=netmf", "embedding.negatives=0"], "embedding.negatives must be positive"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        compose_settings(overrides).build("embedding")

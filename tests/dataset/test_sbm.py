"""The synthetic graph has the shape it promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from redditgnn.dataset import blockmodel
from redditgnn.dataset.blockmodel import MAX_DENSITY, class_sizes, quotas, symmetric_csr
from redditgnn.errors import ConfigError
from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.data import GraphData

SMALL = ["dataset=sbm", "dataset.scale=0.004", "dataset.num_classes=5", "dataset.num_features=32"]


@pytest.fixture
def small(tmp_path, build):
    return build(tmp_path, *SMALL)


def test_the_counts_follow_the_scale(tmp_path, build):
    graph = build(tmp_path, *SMALL, "dataset.scale=0.01", "dataset.num_classes=2")
    assert graph.spec[:4] == (2_330, 32, 2, False)
    assert graph.num_edges == 2 * round(114_615_892 // 2 * 0.01)
    sizes = [int(graph.mask(split).sum()) for split in ("train", "val", "test")]
    assert sizes == [1_534, 238, 558]


def test_the_graph_is_symmetric_without_loops_and_repetitions(small):
    row, col = row_of_edge(small.rowptr), small.col.long()
    keys = row * small.num_nodes + col
    assert not (row == col).any()
    assert (keys.diff() > 0).all()
    assert torch.equal((col * small.num_nodes + row).sort().values, keys)


def test_a_graph_too_small_for_the_degree_says_so(small, caplog, tmp_path, build):
    build(tmp_path / "other", *SMALL)
    assert "room for a mean degree of" in caplog.text
    assert small.num_edges / small.num_nodes < 492


def test_degrees_are_skewed(tmp_path, build):
    graph = build(tmp_path, "dataset=sbm", "dataset.num_features=8", "dataset.scale=0.05")
    degree = graph.degree.double()
    above = degree > degree.mean()
    assert 0.25 < above.double().mean() < 0.4
    assert 0.65 < degree[above].sum() / degree.sum() < 0.85
    assert degree.max() > 8 * degree.mean()


def test_most_edges_stay_inside_a_class(tmp_path, build):
    graph = build(tmp_path, *SMALL, "dataset.label_noise=0.0")
    inside = graph.y[row_of_edge(graph.rowptr)] == graph.y[graph.col]
    assert float(inside.double().mean()) == pytest.approx(0.76, abs=0.001)


def test_the_seed_decides(tmp_path, build):
    same, again, other = (
        build(tmp_path / place, *SMALL, f"dataset.seed={seed}")
        for place, seed in (("a", 3), ("b", 3), ("a", 4))
    )
    assert same.fingerprint == again.fingerprint != other.fingerprint


def test_neighbourhoods_say_more_than_features(tmp_path, build):
    graph = build(tmp_path, "dataset=sbm")
    total = torch.zeros_like(graph.x)
    total.index_add_(0, row_of_edge(graph.rowptr), graph.x[graph.col])
    mean = total / graph.degree.clamp(min=1)[:, None]
    alone, together = (ridge_accuracy(graph, x) for x in (graph.x, torch.cat([graph.x, mean], 1)))
    assert 0.4 < alone < 0.7
    assert together > alone + 0.25


def ridge_accuracy(graph: GraphData, x: torch.Tensor) -> float:
    """Test accuracy of a linear least-squares classifier."""
    train = x[graph.train_mask].double()
    target = torch.nn.functional.one_hot(graph.y[graph.train_mask]).double()
    gram = train.T @ train + 10 * torch.eye(x.size(1), dtype=torch.double)
    predicted = (x[graph.test_mask].double() @ torch.linalg.solve(gram, train.T @ target)).argmax(1)
    return float((predicted == graph.y[graph.test_mask]).double().mean())


@given(
    num_nodes=st.integers(60, 5_000),
    num_classes=st.integers(2, 15),
    num_edges=st.integers(0, 10**6),
    homophily=st.sampled_from([0.0, 0.3, 0.76, 1.0]),
)
def test_quotas_fit_into_the_classes(num_nodes, num_classes, num_edges, homophily):
    sizes = class_sizes(num_nodes, num_classes, 0.7)
    inside, between = quotas(sizes, num_edges, homophily)
    total = int(inside.sum()) + between
    assert sizes.sum() == num_nodes
    assert (sizes >= 2).all()
    assert ((inside >= 0) & (inside <= MAX_DENSITY * sizes * (sizes - 1) / 2)).all()
    assert 0 <= between <= total <= num_edges
    assert abs(int(inside.sum()) - homophily * total) <= 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dataset.scale=0.0", "dataset.scale must be positive, got 0.0"),
        ("dataset.scale=0.0001", "dataset.scale must be at least 7.0e-04 for 4 nodes per class"),
        ("dataset.homophily=1.5", r"dataset.homophily must be in \[0, 1\], got 1.5"),
        ("dataset.num_classes=1", "dataset.num_classes must be at least 2, got 1"),
        ("dataset.seed=-1", "dataset.seed must be at least 0, got -1"),
    ],
)
def test_a_parameter_out_of_range_is_named(override, message, tmp_path, build):
    with pytest.raises(ConfigError, match=message):
        build(tmp_path, "dataset=sbm", override)


def test_labels_are_noisy_as_asked(tmp_path, build):
    clean, noisy = (build(tmp_path, *SMALL, f"dataset.label_noise={noise}") for noise in (0.0, 0.5))
    changed = float((clean.y != noisy.y).double().mean())
    assert 0.25 < changed < 0.5
    assert np.array_equal(clean.col, noisy.col)


def test_both_directions_are_the_same_with_and_without_numba(monkeypatch):
    source, target = np.triu_indices(30, 1)
    kept = np.random.default_rng(0).permutation(len(source))[:200]
    ends = [end[kept].astype(np.int32) for end in (source, target)]
    compiled = symmetric_csr(*ends, 31)
    monkeypatch.setattr(blockmodel, "numba_works", lambda: False)
    for ours, others in zip(compiled, symmetric_csr(*ends, 31), strict=True):
        assert ours.dtype == others.dtype
        assert np.array_equal(ours, others)


def test_draws_in_pieces_are_those_of_one_call(monkeypatch):
    monkeypatch.setattr(blockmodel, "_DRAWS_AT_ONCE", 7)
    stubs = np.arange(1000, dtype=np.int32)
    drawn = blockmodel._draw_ends(stubs, 100, np.random.default_rng(1))
    assert np.array_equal(drawn, np.random.default_rng(1).integers(0, 1000, size=(2, 100)))

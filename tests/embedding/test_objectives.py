"""Each self-supervised loss is its paper's formula, and gradients go only where they should."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import pi

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from redditgnn.embedding import contrast as contrast_module
from redditgnn.embedding.bgrl import Bootstrap
from redditgnn.embedding.contrast import LEAST_TEMPERATURE, contrast
from redditgnn.embedding.dgi import Infomax
from redditgnn.embedding.encoder import Encoder
from redditgnn.embedding.grace import Contrast
from redditgnn.embedding.graphsage import PairBatch, PairBatches, PairLoss, random_walks
from redditgnn.embedding.learned import node_batches
from redditgnn.embedding.views import TwoViews, drop_edges, mask_columns, shuffle_features
from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.features import Rows
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.sampler.neighbor import NeighborSampler

DIM = 4
NO_CHANGE, CHANGES = TwoViews((0, 0), (0, 0)), TwoViews((0.3, 0.4), (0.2, 0.1))
CPU = torch.device("cpu")


@pytest.fixture
def graph(make_graph):
    everyone = torch.ones(12, dtype=torch.bool)
    return replace(make_graph(num_nodes=12, num_edges=50), train_mask=everyone, num_classes=DIM)


@pytest.fixture
def batch(graph):
    settings = {"num_layers": 2, "batch_size": None, "num_neighbors": None}
    (whole,) = node_batches(graph, settings, 0)
    return whole


@pytest.fixture
def encoder(graph):
    torch.manual_seed(0)
    return Encoder(
        graph.spec,
        conv="gcn",
        hidden_channels=5,
        num_layers=2,
        norm=None,
        activation="prelu",
        ends_linear=False,
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dense_encoder(encoder, graph, x):
    """The encoder by dense matrices: PReLU((D^-1/2 (A + I) D^-1/2 x) W + b), twice."""
    adjacency = torch.eye(graph.num_nodes)
    rows = torch.arange(graph.num_nodes).repeat_interleave(graph.degree)
    adjacency[rows, graph.col.long()] = 1
    scale = adjacency.sum(1).rsqrt()
    for conv, end in zip(encoder.convs, encoder.ends, strict=True):
        x = scale[:, None] * adjacency * scale @ x @ conv.lin.weight.T + conv.bias
        x = F.prelu(x, end[1].weight)
    return x


def test_the_encoder_ends_in_an_activation_and_equals_dense_matrices(encoder, graph, batch):
    expected = dense_encoder(encoder, graph, graph.x)
    torch.testing.assert_close(encoder(batch), expected, rtol=1e-4, atol=1e-5)


def test_dgi_is_the_cross_entropy_of_real_and_shuffled_nodes(encoder, graph, batch):
    loss = Infomax(encoder, DIM)(batch, generator())
    order = torch.randperm(12, generator=generator())
    h, shuffled = (dense_encoder(encoder, graph, x) for x in (graph.x, graph.x[order]))
    objective = Infomax(encoder, DIM)
    nn.init.eye_(objective.weight)
    summary = torch.sigmoid(h.mean(0))
    real, fake = torch.sigmoid(h @ summary), torch.sigmoid(shuffled @ summary)
    expected = -(real.log().sum() + (1 - fake).log().sum()) / 24
    torch.testing.assert_close(objective(batch, generator()), expected, rtol=1e-4, atol=1e-5)
    assert loss.isfinite()


def test_grace_is_the_contrast_of_each_node_with_all_others(encoder, batch):
    objective = Contrast(encoder, nn.Linear(DIM, 3), 0.5, CHANGES)
    views = CHANGES(batch, generator())
    u, v = (F.normalize(objective.projection(encoder(view))).double() for view in views)
    total = 0.0
    for a, b in ((u, v), (v, u)):
        for i in range(12):
            positive = (a[i] @ b[i] / 0.5).exp()
            others = sum((a[i] @ b[k] / 0.5).exp() + (a[i] @ a[k] / 0.5).exp() for k in range(12))
            others = others - (a[i] @ a[i] / 0.5).exp()
            total -= (positive / others).log()
    torch.testing.assert_close(objective(batch, generator()).double(), total / 24)


@pytest.mark.parametrize("strip", [1, 5, 24])
def test_the_contrast_in_strips_is_that_of_the_matrix_of_all_pairs(strip, monkeypatch):
    monkeypatch.setattr(contrast_module, "STRIP", strip)
    views = torch.randn(2, 12, 3, dtype=torch.float64, generator=generator())
    loss, gradient = [], []
    for function in (contrast, dense_contrast):
        u, v = views.clone().requires_grad_()
        loss.append(function(F.normalize(u), F.normalize(v), 0.1) * 3)
        gradient.append(torch.autograd.grad(loss[-1], [u, v]))
    torch.testing.assert_close(*loss)
    torch.testing.assert_close(*gradient)


def dense_contrast(u, v, temperature):
    z = torch.cat([u, v])
    itself = torch.eye(len(z), dtype=torch.bool)
    scores = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    return F.cross_entropy(scores, torch.arange(len(z)).roll(len(u)))


def test_the_contrast_is_finite_at_the_least_temperature():
    u = F.normalize(torch.ones(1, 4)).requires_grad_()
    loss = contrast(u, -u, LEAST_TEMPERATURE)
    (gradient,) = torch.autograd.grad(loss, u)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_bgrl_compares_the_prediction_of_each_view_with_the_other_views_target(encoder, batch):
    objective = Bootstrap(encoder, nn.Linear(DIM, DIM), 0.9, CHANGES)
    nn.init.constant_(objective.target.convs[0].lin.weight, 0.3)  # another network than the encoder
    first, second = CHANGES(batch, generator())
    expected = 2.0
    for view, other in ((first, second), (second, first)):
        p, h = objective.predictor(encoder(view)), objective.target(other)
        expected = expected - ((p * h).sum(1) / p.norm(dim=1) / h.norm(dim=1)).mean()
    torch.testing.assert_close(objective(batch, generator()), expected)


def test_the_target_of_bgrl_has_no_gradient_and_follows_as_a_moving_average(encoder, batch):
    objective = Bootstrap(encoder, nn.Linear(DIM, DIM), 0.9, NO_CHANGE)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight += 1
    before = [p.clone() for p in objective.target.parameters()]
    objective(batch, generator()).backward()
    assert all(p.grad is None for p in objective.target.parameters())
    assert all(p.grad is not None for p in objective.encoder.parameters())
    assert all(p.grad is not None for p in objective.predictor.parameters())
    objective.end_step(0.25)
    momentum = 1 - 0.1 * (np.cos(pi / 4) + 1) / 2
    for old, ours, theirs in zip(
        before, objective.target.parameters(), encoder.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, momentum * old + (1 - momentum) * theirs)
    after = [p.clone() for p in objective.target.parameters()]
    objective.end_step(1.0)
    assert all(map(torch.equal, after, objective.target.parameters())), "momentum ends at 1"


def test_graphsage_is_eq_1_over_the_pairs_of_a_batch(encoder, batch):
    start, visited = torch.tensor([0, 3, 5]), torch.tensor([1, 2, 11])
    negative = torch.tensor([7, 7])
    loss = PairLoss(encoder)(PairBatch(batch, start, visited, negative), generator())
    z = F.normalize(encoder(batch))
    total = sum(-torch.sigmoid(z[u] @ z[v]).log() for u, v in zip(start, visited, strict=True))
    total = total - sum(torch.sigmoid(-z[u] @ z[n]).log() for u in start for n in negative)
    torch.testing.assert_close(loss, total / 3)


@pytest.mark.parametrize("size", [None, 7])
def test_pairs_are_a_start_and_a_node_that_its_walk_visits(graph, size):
    settings = {"num_layers": 2, "batch_size": size, "num_neighbors": size and [-1, -1]}
    batches = PairBatches(graph, node_batches(graph, settings, 0), size, 2, 4, 0, drops_pairs=False)
    pairs = []
    for item in batches:
        ids = item.batch.node_ids
        pairs += zip(ids[item.start].tolist(), ids[item.visited].tolist(), strict=True)
        assert len(item.negative) == 4
    starts = graph.degree.nonzero().view(-1).tolist()  # one node has no edges
    assert len(starts) == 11
    assert len(batches) == (1 if size is None else -(-2 * 11 // 7))
    assert sorted(start for start, _ in pairs) == sorted(starts * 2)
    neighbors = [set(graph.col[a:b].tolist()) for a, b in pairwise(graph.rowptr)]
    two_hops = [near.union(*(neighbors[i] for i in near)) for near in neighbors]
    assert all(node in two_hops[start] for start, node in pairs)


@pytest.mark.parametrize("drops_pairs", [False, True])
def test_a_batch_of_pairs_can_be_without_the_edges_between_them(graph, drops_pairs):
    settings = {"num_layers": 2, "batch_size": 7, "num_neighbors": [-1, -1]}
    sampler = node_batches(graph, settings, 0)
    num_between = num_edges = 0
    for item in PairBatches(graph, sampler, 7, 1, 4, 0, drops_pairs=drops_pairs):
        row = row_of_edge(item.batch.rowptr)
        edges = set(zip(row.tolist(), item.batch.col.tolist(), strict=True))
        pairs = list(zip(item.start.tolist(), item.visited.tolist(), strict=True))
        num_between += len(edges & {*pairs, *((v, u) for u, v in pairs)})
        num_edges += len(edges)
    assert (num_between == 0) == drops_pairs
    assert num_edges > 0


def test_walks_step_to_each_neighbour_alike_and_negatives_follow_the_degree(graph):
    walks = random_walks(graph, torch.zeros(6000, dtype=torch.int64), 2, generator())
    near = graph.col[graph.rowptr[0] : graph.rowptr[1]]
    counts = torch.bincount(walks[:, 0], minlength=12)
    assert set(counts.nonzero().view(-1).tolist()) == set(near.tolist())
    assert counts[near].max() < 1.25 * counts[near].min()
    settings = {"num_layers": 1, "batch_size": None, "num_neighbors": None}
    batches = PairBatches(
        graph, node_batches(graph, settings, 0), None, 1, 60000, 0, drops_pairs=False
    )
    (item,) = batches
    share = torch.bincount(item.negative, minlength=12) / 60000
    expected = graph.degree.double() ** 0.75
    torch.testing.assert_close(share.double(), expected / expected.sum(), atol=0.01, rtol=0)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_a_view_masks_the_stated_share_of_columns_at_all_nodes(make_graph, is_sparse):
    x = torch.ones(6, 4000)
    rows = Rows(SparseFeatures.from_dense(x) if is_sparse else x)
    graph = replace(make_graph(num_nodes=6), x=x, train_mask=torch.ones(6, dtype=torch.bool))
    settings = {"num_layers": 1, "batch_size": None, "num_neighbors": None}
    (batch,) = node_batches(graph, settings, 0)
    masked = mask_columns(replace(batch, features=rows), 0.3, generator()).features
    values = (masked.sparse.gather(None) if is_sparse else masked.dense).mean(0)
    assert set(values.tolist()) == {0.0, 1.0}
    assert abs(float(values.mean()) - 0.7) < 0.03


def test_shuffled_features_are_those_of_other_nodes_of_the_batch(batch):
    shuffled = shuffle_features(batch, generator()).x
    assert not torch.equal(shuffled, batch.x)
    assert sorted(shuffled[:, 0].tolist()) == sorted(batch.x[:, 0].tolist())


def test_a_view_of_the_whole_graph_drops_the_stated_share_of_edges_and_their_degrees(make_graph):
    graph = make_graph(num_nodes=200, num_edges=20000)
    settings = {"num_layers": 2, "batch_size": None, "num_neighbors": None}
    (batch,) = node_batches(graph, settings, 0)
    view = drop_edges(batch, 0.4, generator())
    assert abs(len(view.col) / len(batch.col) - 0.6) < 0.02
    assert torch.equal(view.degree, view.rowptr.diff())
    for node in range(200):
        ours, theirs = (b.col[b.rowptr[node] : b.rowptr[node + 1]].tolist() for b in (view, batch))
        assert set(ours) <= set(theirs)
    block = view.block(1)
    assert (len(block.col), block.num_dst) == (len(view.col), 200)


def test_a_view_of_a_sampled_batch_scales_what_is_left_up_to_the_degree(graph):
    sampler = NeighborSampler(
        graph,
        num_layers=2,
        device=CPU,
        seed=0,
        num_neighbors=[3, 3],
        batch_size=4,
        feature_tier="auto",
        pack_gib=None,
    )
    batch = next(iter(sampler))
    view = drop_edges(batch, 0.5, generator())
    count = view.rowptr.diff()
    assert torch.equal(view.degree, batch.degree)
    has_edges = count > 0
    expected = view.degree[: len(count)][has_edges] / count[has_edges]
    assert torch.equal(view.row_scale[has_edges], expected)
    assert view.block(0).num_src == len(view.node_ids)

"""Trees of a fixed shape: what is drawn, what it estimates, and that its shape is fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from redditgnn.errors import ConfigError
from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.kernels.neighbors import neighbor_mean, neighbor_sum
from redditgnn.sampler.neighbor_tree import TreeSampler

CPU = torch.device("cpu")
DEFAULTS: dict[str, Any] = {
    "num_layers": 2,
    "device": CPU,
    "seed": 0,
    "num_neighbors": [3, 2],
    "batch_size": 7,
    "feature_tier": "auto",
    "cuda_graph": "auto",
}


def trees(graph: GraphData, **settings: Any) -> TreeSampler:
    return TreeSampler(graph, **DEFAULTS | settings)


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    """60 nodes, of which 20 train; some have no neighbours."""
    graph = make_graph(num_nodes=60, num_edges=160)
    assert (graph.degree == 0).any()
    return graph


def test_all_batches_have_the_same_shape_and_the_same_csr(graph: GraphData) -> None:
    batches = list(trees(graph))
    assert len(batches) == len(trees(graph)) == 3
    for batch in batches:
        assert batch.node_ids.shape == batch.degree.shape == (7 + 21 + 42,)
        assert batch.num_dst == (28, 7)
        assert batch.num_edges == (63, 21) == (int(batch.rowptr[28]), int(batch.rowptr[7]))
        assert torch.equal(batch.rowptr, batches[0].rowptr)
        assert torch.equal(batch.col, torch.arange(7, 70, dtype=torch.int32))
        assert batch.rowptr.diff().tolist() == [3] * 7 + [2] * 21
        assert torch.equal(batch.degree, graph.degree[batch.node_ids])


def test_the_last_batch_is_filled_up_with_targets_that_weigh_nothing(graph: GraphData) -> None:
    *_, last = trees(graph)
    assert last.loss_weight.tolist() == pytest.approx([3 / 20] * 6 + [0])


def test_few_training_nodes_make_one_batch_without_padding(graph: GraphData) -> None:
    (batch,) = trees(graph, batch_size=1000)
    assert sorted(batch.node_ids[:20].tolist()) == graph.train_mask.nonzero().view(-1).tolist()
    assert batch.loss_weight.tolist() == pytest.approx([1 / 20] * 20)


def test_neighbours_are_drawn_uniformly_with_replacement(graph: GraphData) -> None:
    node = int(graph.degree.argmax())
    first, last = graph.rowptr[node : node + 2].tolist()
    sampler = trees(graph, num_layers=1, num_neighbors=[1000])
    batch = sampler.draw(torch.full((7,), node), torch.ones(7))
    drawn = torch.bincount(batch.node_ids[7:], minlength=60)
    neighbors = graph.col[first:last].long()
    assert int(drawn[neighbors].sum()) == 7000
    assert 0.0005 < stats.chisquare(drawn[neighbors].numpy()).pvalue < 0.9995


def test_places_of_the_same_node_draw_independently(graph: GraphData) -> None:
    node = int(graph.degree.argmax())
    degree = int(graph.degree[node])
    graph = replace(graph, train_mask=torch.arange(60) < 2)  # trees of two targets
    sampler = trees(graph, num_layers=1, num_neighbors=[1])
    pairs = np.zeros((60, 60))
    for _ in range(1500):
        one, other = sampler.draw(torch.tensor([node, node]), torch.ones(2)).node_ids[2:].tolist()
        pairs[one, other] += 1
    seen = pairs[pairs.sum(1) > 0][:, pairs.sum(0) > 0]
    assert seen.shape == (degree, degree)
    assert stats.chi2_contingency(seen).pvalue > 0.0005


def test_sums_and_means_over_neighbours_are_unbiased(graph: GraphData) -> None:
    targets, everyone = torch.arange(60), torch.ones(60, dtype=torch.bool)
    graph = replace(graph, train_mask=everyone)
    sampler = trees(graph, num_layers=1, num_neighbors=[4000], batch_size=60)
    batch = sampler.draw(targets, torch.ones(60))
    block = batch.block(0)
    rows = torch.arange(60).repeat_interleave(graph.degree)
    total = torch.zeros(60, 5).index_add_(0, rows, graph.x[graph.col])
    mean = total / graph.degree.clamp(min=1)[:, None]
    torch.testing.assert_close(neighbor_mean(batch.x, block), mean, atol=0.1, rtol=0)
    torch.testing.assert_close(neighbor_sum(batch.x, block), total, atol=0.5, rtol=0)


def test_a_node_without_neighbours_aggregates_zeros(graph: GraphData) -> None:
    lonely = (graph.degree == 0).nonzero().view(-1)[:1].expand(7)
    batch = trees(graph, num_layers=1, num_neighbors=[3]).draw(lonely, torch.ones(7))
    assert torch.equal(neighbor_mean(batch.x, batch.block(0)), torch.zeros(7, 5))


def test_a_graph_without_edges_gives_trees_of_scale_zero(graph: GraphData) -> None:
    empty = replace(graph, rowptr=pointers(torch.zeros(60, dtype=torch.int64)), col=graph.col[:0])
    batch = next(iter(trees(empty)))
    assert batch.edge_scale is not None
    assert not batch.edge_scale.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_neighbors": [3, -1]}, r"must be positive, since trees have a fixed shape, got \[3"),
        ({"num_neighbors": [3]}, "one entry for each of model.num_layers=2"),
        ({"batch_size": 0}, "sampler.batch_size must be positive, got 0"),
        ({"cuda_graph": True}, "cuda_graph=true needs device=cuda.*use sampler.cuda_graph=auto"),
        ({"feature_tier": "pinned"}, "feature_tier=pinned needs device=cuda; use .*=auto"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    graph: GraphData, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        trees(graph, **settings)

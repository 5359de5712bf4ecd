"""GraphSAINT: sampling probabilities and both normalisations."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from redditgnn.errors import ConfigError
from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.sampler.saint import SaintEdge, SaintNode, SaintRandomWalk, node_importance

CPU = torch.device("cpu")
KINDS = {
    "node": (SaintNode, {"batch_size": 12}),
    "edge": (SaintEdge, {"batch_size": 6}),
    "random walk": (SaintRandomWalk, {"batch_size": 4, "walk_length": 2}),
}


@pytest.fixture(scope="module")
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=30, num_edges=120)


@pytest.fixture(scope="module")
def normalised(graph: GraphData) -> Callable[[tuple], SaintNode | SaintEdge | SaintRandomWalk]:
    """Samplers with a precise normalisation, which takes seconds: of each kind one."""
    return cache(lambda name: build(KINDS[name], graph))


def build(kind: tuple, graph: GraphData, seed: int = 0, coverage: int = 2000):
    cls, sizes = kind
    common = {"num_layers": 1, "device": CPU, "num_steps": 2000, "sample_coverage": coverage}
    return cls(graph, seed=seed, **common, **sizes)


def frequencies(kind: tuple, graph: GraphData) -> tuple[Tensor, Tensor, int]:
    """How often independent subgraphs contain each node, and each edge.

    Draws are independent, so that one large subgraph is drawn and cut into those of the size.
    """
    cls, sizes = kind
    size, trials = sizes["batch_size"], 4000
    large = (cls, {**sizes, "batch_size": size * trials})
    drawn = build(large, graph, seed=1, coverage=1).draw().view(-1, trials, size)
    inside = torch.zeros(trials, graph.num_nodes, dtype=torch.bool)
    inside[torch.arange(trials)[:, None], drawn] = True
    rows = torch.arange(graph.num_nodes).repeat_interleave(graph.degree)
    both = inside[:, rows] & inside[:, graph.col.long()]
    return inside.float().mean(0), both.float().mean(0), trials


@pytest.mark.parametrize(
    "name",
    [
        "edge",
        "random walk",
        pytest.param("node", marks=pytest.mark.slow),  # has a closed form
    ],
)
def test_normalisation_agrees_with_a_monte_carlo_estimate(
    name: str, normalised: Callable, graph: GraphData
) -> None:
    sampler = normalised(name)
    node, edge, trials = frequencies(KINDS[name], graph)
    allowed = 5 * (0.25 / trials) ** 0.5 + 0.01
    assert (sampler.node_probability - node).abs().max() < allowed
    rows = torch.arange(graph.num_nodes).repeat_interleave(graph.degree)
    seen = node[rows] > 0.05
    alpha = sampler.edge_probability(torch.arange(graph.num_edges))
    assert (alpha - edge / node[rows])[seen].abs().max() < allowed / 0.05**0.5


def test_node_probabilities_have_their_closed_form(normalised: Callable, graph: GraphData) -> None:
    sampler = normalised("node")
    share = node_importance(graph) / node_importance(graph).sum()
    expected = 1 - (1 - share) ** 12
    reached = expected > 0
    error = (sampler.node_probability.double() - expected)[reached].abs()
    assert error.max() < 0.03


def test_edges_are_drawn_by_the_sum_of_inverse_degrees(graph: GraphData) -> None:
    sampler = build((SaintEdge, {"batch_size": 6 * 4000}), graph, coverage=1)
    ends, drawn = sampler.draw().view(2, -1), torch.zeros(30, 30)
    drawn.index_put_((ends[0], ends[1]), torch.ones(ends.shape[1]), accumulate=True)
    undirected = drawn + drawn.T
    rows = torch.arange(30).repeat_interleave(graph.degree)
    degree = graph.degree.double()
    expected = torch.zeros(30, 30, dtype=torch.float64)
    expected[rows, graph.col.long()] = 1 / degree[rows] + 1 / degree[graph.col.long()]
    expected *= undirected.sum() / expected.sum()
    assert ((undirected - expected).abs() <= 6 * expected.sqrt()).all()


@pytest.mark.parametrize(
    "name",
    [
        "random walk",  # the others differ in what they draw, which the tests above compare
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("node", "edge")),
    ],
)
def test_losses_and_sums_are_unbiased(name: str, normalised: Callable, graph: GraphData) -> None:
    sampler = normalised(name)
    weight, sums, count = torch.zeros(30), torch.zeros(30), torch.zeros(30)
    for batch in sampler:
        weight.index_add_(0, batch.node_ids, batch.loss_weight)
        source, destination = batch.block(0).edge_index
        rows = batch.node_ids[destination]
        sums.index_add_(0, rows, batch.edge_scale * batch.x[source, 0])
        count[batch.node_ids] += 1
    reached = count > 100
    expected = graph.train_mask / graph.train_mask.sum()
    assert (weight / len(sampler) - expected)[reached].abs().max() < 0.15 * expected.max()
    rows = torch.arange(30).repeat_interleave(graph.degree)
    full = torch.zeros(30).index_add_(0, rows, graph.x[graph.col.long(), 0])
    # The mean over subgraphs that contain a node estimates its full sum.
    assert (sums / count - full)[count > 400].abs().median() < 0.25


def test_a_walker_without_neighbours_stays(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=30, num_edges=10)
    sampler = build(KINDS["random walk"], graph, coverage=1)
    steps = sampler.draw().view(3, -1)
    alone = graph.degree[steps[0]] == 0
    assert alone.any()
    assert torch.equal(steps[0][alone], steps[2][alone])


@pytest.fixture
def isolated(make_graph: Callable[..., GraphData]) -> Callable[[int], GraphData]:
    """A function: a ring of 20 nodes after some without edges. The first 10 nodes train."""

    def graph(count: int) -> GraphData:
        ring = torch.arange(20)
        ends = torch.stack([(ring - 1) % 20, (ring + 1) % 20], 1).sort(1).values + count
        degree = torch.cat([torch.zeros(count, dtype=torch.int64), torch.full((20,), 2)])
        return replace(
            make_graph(num_nodes=20 + count),
            rowptr=pointers(degree),
            col=ends.reshape(-1).int(),
            train_mask=torch.arange(20 + count) < 10,
        )

    return graph


@pytest.mark.parametrize("cls", [SaintNode, SaintEdge])
def test_training_nodes_that_are_never_drawn_are_said(
    cls: type, isolated: Callable[..., GraphData], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        build((cls, {"batch_size": 6}), isolated(4), coverage=1)
    assert "4 of 10 training nodes have no edge, so this sampler never draws them; use samp" in (
        caplog.text
    )


@pytest.mark.parametrize("cls", [SaintNode, SaintEdge])
def test_a_sampler_that_draws_no_training_node_is_refused(
    cls: type, isolated: Callable[..., GraphData]
) -> None:
    with pytest.raises(ConfigError, match="10 of 10 training nodes have no edge, so"):
        build((cls, {"batch_size": 6}), isolated(10), coverage=1)


def test_a_walk_draws_nodes_without_edges(
    isolated: Callable[..., GraphData], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        sampler = build(KINDS["random walk"], isolated(4), coverage=1)
    assert bool(sampler.drawable.all())
    assert "never draws" not in caplog.text

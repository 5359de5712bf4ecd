"""Neighbour sampling, by Numba and by tensor operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from redditgnn.errors import ConfigError
from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.data import GraphData
from redditgnn.sampler.neighbor import NeighborSampler, check_num_neighbors
from redditgnn.sampler.neighbor_numba import NumbaNeighborhoods
from redditgnn.sampler.neighbor_torch import TorchNeighborhoods

CPU = torch.device("cpu")
both = pytest.mark.parametrize("sampling", [NumbaNeighborhoods, TorchNeighborhoods])


CENTERS = 100


def stars(leaves: int) -> tuple[Tensor, Tensor]:
    """Each of `CENTERS` nodes has in-neighbours of its own, which follow and have none."""
    num_edges = CENTERS * leaves
    rowptr = torch.arange(CENTERS + num_edges + 1).clamp(max=CENTERS) * leaves
    return rowptr, torch.arange(CENTERS, CENTERS + num_edges, dtype=torch.int32)


def drawn_leaves(neighborhoods: Any, leaves: int, fanout: int, key: int) -> np.ndarray:
    """Draw for every centre; return the numbers of the leaves, (centres, fanout)."""
    nodes, _, _ = neighborhoods.sample(torch.arange(CENTERS), [fanout], key)
    center, leaf = np.divmod(nodes[CENTERS:].numpy() - CENTERS, leaves)
    assert np.array_equal(center, np.arange(CENTERS).repeat(fanout))
    return leaf.reshape(CENTERS, fanout)


@both
@pytest.mark.parametrize(("leaves", "fanout"), [(11, 4), (7, 6), (30, 1), (300, 25)])
def test_neighbours_are_drawn_uniformly_without_replacement(
    sampling: Callable, leaves: int, fanout: int
) -> None:
    neighborhoods, counts, trials = sampling(*stars(leaves)), np.zeros(leaves), 3000
    for key in range(trials // CENTERS):
        drawn = drawn_leaves(neighborhoods, leaves, fanout, key)
        assert (np.diff(np.sort(drawn)) > 0).all(), "a leaf twice"
        counts += np.bincount(drawn.ravel(), minlength=leaves)
    assert counts.sum() == trials * fanout
    # Fewer degrees of freedom than draws: without replacement the variance is smaller.
    share = fanout / leaves
    statistic = ((counts - trials * share) ** 2).sum() / (trials * share * (1 - share))
    assert 0.0005 < stats.chi2.sf(statistic * (leaves - 1) / leaves, leaves - 1) < 0.9995


@both
def test_pairs_are_drawn_uniformly_too(sampling: Callable) -> None:
    neighborhoods, pairs = sampling(*stars(5)), np.zeros((5, 5))
    for key in range(4000 // CENTERS):
        drawn = np.sort(drawn_leaves(neighborhoods, 5, 2, key))
        np.add.at(pairs, (drawn[:, 0], drawn[:, 1]), 1)
    assert pairs.sum() == 4000
    assert stats.chisquare(pairs[np.triu_indices(5, 1)]).pvalue > 0.0005


@both
def test_nodes_stand_in_breadth_first_order_and_rows_keep_their_fanout(
    sampling: Callable, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    targets = torch.tensor([5, 50, 20])
    nodes, rowptr, col = sampling(graph.rowptr, graph.col).sample(targets, [3, 2], key=7)
    assert torch.equal(nodes[:3], targets)
    first_seen = {}
    for position, source in enumerate(col.tolist()):
        first_seen.setdefault(source, position)
    discovered = [first_seen[i] for i in range(3, len(nodes))]
    assert discovered == sorted(discovered)
    wanted = torch.tensor([3] * 3 + [2] * (len(rowptr) - 4))
    assert torch.equal(rowptr.diff(), torch.minimum(graph.degree[nodes[: len(rowptr) - 1]], wanted))


@both
def test_the_same_key_gives_the_same_neighbours_whatever_came_before(
    sampling: Callable, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    fresh, used = (sampling(graph.rowptr, graph.col) for _ in range(2))
    targets = torch.arange(10)
    used.sample(targets + 20, [4, 4], key=1)
    for one, other in zip(
        fresh.sample(targets, [4, 4], 2), used.sample(targets, [4, 4], 2), strict=True
    ):
        assert torch.equal(one, other)


@both
def test_a_graph_without_edges_gives_the_targets_alone(sampling: Callable) -> None:
    empty = torch.zeros(5, dtype=torch.int64), torch.zeros(0, dtype=torch.int32)
    nodes, rowptr, col = sampling(*empty).sample(torch.tensor([2, 0]), [3, -1], key=0)
    assert nodes.tolist() == [2, 0]
    assert rowptr.tolist() == [0, 0, 0]
    assert len(col) == 0


def test_scales_make_sums_unbiased(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=60, num_edges=600)
    sampler = NeighborSampler(
        graph,
        num_layers=1,
        device=CPU,
        seed=0,
        num_neighbors=[4],
        batch_size=100,
        feature_tier="auto",
        pack_gib=None,
    )
    total = torch.zeros(60, 5)
    for _ in range(400):
        (batch,) = sampler
        block = batch.block(0)
        source, destination = block.edge_index
        message = batch.x[source] * block.edge_scale[:, None]
        total.index_add_(0, batch.node_ids[destination], message)
    targets = graph.train_mask.nonzero().view(-1)
    rows = torch.arange(60).repeat_interleave(graph.degree)
    expected = torch.zeros(60, 5).index_add_(0, rows, graph.x[graph.col])
    error = (total / 400 - expected)[targets]
    assert error.abs().max() < 5 * 10 / 20  # five standard errors of a sum of about ten terms


def test_an_epoch_shuffles_the_targets_anew(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=60, num_edges=200)
    sampler = NeighborSampler(
        graph,
        num_layers=2,
        device=CPU,
        seed=0,
        num_neighbors=[2, 2],
        batch_size=6,
        feature_tier="auto",
        pack_gib=None,
    )
    epochs = [[b.node_ids[: b.num_targets].tolist() for b in sampler] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert sorted(sum(epochs[0], [])) == sorted(sum(epochs[1], []))
    assert [len(ids) for ids in epochs[0]] == [6, 6, 6, 2]


@pytest.mark.parametrize(
    ("num_neighbors", "message"),
    [
        ([5], r"one entry for each of model.num_layers=2, got \[5\]; try .*=\[5,5\]'"),
        ([5, 5, 5], r"got \[5, 5, 5\]; try 'sampler.num_neighbors=\[5,5\]'"),
        ([], r"got \[\]; try 'sampler.num_neighbors=\[10,10\]'"),
        ([5, 0], r"must be positive, or -1 for all neighbours, got \[5, 0\]"),
        ([5, -2], "must be positive, or -1"),
    ],
)
def test_a_wrong_list_of_fanouts_is_refused(num_neighbors: list[int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_num_neighbors(num_neighbors, 2)


def test_pygs_loader_gives_valid_batches_or_says_what_it_lacks(
    make_graph: Callable[..., GraphData],
) -> None:
    from torch_geometric import typing as extensions

    from redditgnn.sampler.neighbor_pyg import PygNeighborSampler

    graph = make_graph(num_nodes=60, num_edges=200)
    weight = torch.rand(graph.num_edges, generator=torch.Generator().manual_seed(1))
    graph = replace(graph, edge_weight=weight)
    matrix = torch.zeros(60, 60)
    matrix[row_of_edge(graph.rowptr), graph.col.long()] = weight

    def build() -> PygNeighborSampler:
        return PygNeighborSampler(
            graph, num_layers=2, device=CPU, seed=0, num_neighbors=[3, 2], batch_size=6
        )

    if not (extensions.WITH_PYG_LIB or extensions.WITH_TORCH_SPARSE):
        with pytest.raises(ConfigError, match="needs pyg_lib or torch_sparse.*pip install"):
            build()
        return
    seen = []
    for batch in build():
        seen.append(batch.node_ids)
        assert torch.equal(batch.x, graph.x[batch.node_ids])
        assert batch.block(0).rowptr.diff().max() <= 3
        assert batch.num_dst[0] >= batch.num_dst[1] == batch.num_targets
        source, destination = batch.node_ids[batch.block(0).edge_index]
        assert torch.equal(batch.edge_weight, matrix[destination, source])
        torch.testing.assert_close(batch.degree, matrix.sum(1)[batch.node_ids])
    torch.manual_seed(9)  # the global generator must not matter
    assert all(torch.equal(b.node_ids, ids) for b, ids in zip(build(), seen, strict=True))

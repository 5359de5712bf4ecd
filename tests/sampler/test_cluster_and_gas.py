"""METIS parts, Cluster-GCN's unions of them, and GNNAutoScale's halos and histories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.histories.table import HistoryTable
from redditgnn.partition.parts import parts_of
from redditgnn.sampler.cluster import ClusterSampler
from redditgnn.sampler.gas import GASSampler

CPU = torch.device("cpu")
USUAL = {
    "num_layers": 2,
    "device": CPU,
    "seed": 0,
    "num_parts": 2,
    "batch_size": 1,
    "partition": "metis",
    "history_device": "auto",
    "max_steps": None,
    "refresh_every": 0,
    "lipschitz_weight": 0,
    "lipschitz_noise": 0.1,
    "log_staleness": False,
}
CLUSTER_KEYS = ("num_layers", "device", "seed", "num_parts", "batch_size", "partition")


def two_cliques() -> GraphData:
    """Two cliques of eight nodes, joined by one edge; odd nodes are in the first."""
    from redditgnn.graph.csr import pointers

    odd = torch.arange(16) % 2 == 1
    adjacency = odd[:, None] == odd[None]
    adjacency[0, 1] = adjacency[1, 0] = True
    adjacency.fill_diagonal_(False)
    turn = torch.arange(16) % 3
    return GraphData(
        name="cliques",
        x=torch.randn(16, 4),
        rowptr=pointers(adjacency.sum(1)),
        col=adjacency.nonzero()[:, 1].int(),
        y=odd.long(),
        num_classes=2,
        train_mask=turn == 0,
        val_mask=turn == 1,
        test_mask=turn == 2,
        fingerprint=Fingerprint("cliques"),
    )


def test_metis_finds_the_cut() -> None:
    parts = parts_of(two_cliques(), 2)
    assert sorted(sorted(part.tolist()) for part in parts) == [
        list(range(0, 16, 2)),
        list(range(1, 16, 2)),
    ]


def test_a_partition_is_kept_and_a_damaged_one_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph = replace(two_cliques(), cache_dir=tmp_path)
    first = parts_of(graph, 2)
    (kept,) = tmp_path.glob("metis-2-*.npy")
    before = kept.stat().st_mtime_ns
    parts_of(graph, 2)
    assert kept.stat().st_mtime_ns == before
    kept.write_bytes(kept.read_bytes()[:50])
    again = parts_of(graph, 2)
    assert "is damaged and is computed again" in caplog.text
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("num_parts", [0, 17])
def test_a_wrong_number_of_parts_is_refused(num_parts: int) -> None:
    with pytest.raises(ConfigError, match=rf"sampler.num_parts must be in \[1, 16\].*{num_parts}"):
        parts_of(two_cliques(), num_parts)


def test_a_directed_graph_is_partitioned_as_if_undirected(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph(num_nodes=30, num_edges=120)
    upper = graph.col > torch.arange(30).repeat_interleave(graph.degree)
    counts = torch.bincount(torch.arange(30).repeat_interleave(graph.degree)[upper], minlength=30)
    from redditgnn.graph.csr import pointers

    directed = replace(graph, rowptr=pointers(counts), col=graph.col[upper])
    parts = parts_of(directed, 3)
    assert sorted(torch.cat(parts).tolist()) == list(range(30))


def test_a_cluster_batch_has_the_edges_between_its_parts() -> None:
    graph = two_cliques()
    common = {"num_layers": 2, "device": CPU, "seed": 0, "partition": None}
    (batch,) = ClusterSampler(graph, num_parts=2, batch_size=2, **common)
    assert len(batch.col) == graph.num_edges
    assert torch.equal(batch.degree, graph.degree[batch.node_ids])
    for batch in ClusterSampler(graph, num_parts=2, batch_size=1, **common):
        assert batch.degree.tolist() == [7] * 8


def test_more_parts_a_batch_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="sampler.batch_size must be at most sampler.num_parts=2"):
        ClusterSampler(
            two_cliques(),
            num_layers=2,
            device=CPU,
            seed=0,
            num_parts=2,
            batch_size=3,
            partition=None,
        )


def test_a_gas_batch_has_complete_rows_and_a_halo() -> None:
    graph = two_cliques()
    for batch in GASSampler(graph, **USUAL):
        assert batch.num_dst == (8, 8)
        assert len(batch.node_ids) == 9  # the halo: the other end of the joining edge
        inside = batch.node_ids[:8]
        assert torch.equal(batch.rowptr.diff(), graph.degree[inside])


def test_a_random_partition_has_parts_of_equal_size_and_another_for_each_seed(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph(num_nodes=41)

    def parts(seed: int) -> set[frozenset[int]]:
        sampler = GASSampler(
            graph, **{**USUAL, "num_parts": 4, "partition": "random", "seed": seed}
        )
        return {frozenset(b.node_ids[: b.num_targets].tolist()) for b in sampler}

    found = [parts(seed) for seed in (0, 0, 1)]
    assert sorted(map(len, found[0])) == [10, 10, 10, 11]
    assert frozenset.union(*found[0]) == set(range(41))
    assert found[0] == found[1] != found[2]


def test_a_partition_by_order_has_equal_ranges_of_node_ids_whatever_the_seed(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph(num_nodes=41)
    keys = USUAL | {"num_parts": 4, "partition": "order"}
    cluster_keys = {key: keys[key] for key in CLUSTER_KEYS}
    ranges = torch.arange(41).split([11, 10, 10, 10])
    for seed in (0, 1):
        for sampler in (
            GASSampler(graph, **keys | {"seed": seed}),
            ClusterSampler(graph, **cluster_keys | {"seed": seed}),
        ):
            parts = sorted((b.node_ids[: b.num_targets] for b in sampler), key=lambda ids: ids[0])
            assert all(map(torch.equal, parts, ranges))


def test_a_random_partition_is_not_kept(tmp_path: Path) -> None:
    GASSampler(replace(two_cliques(), cache_dir=tmp_path), **{**USUAL, "partition": "random"})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("num_parts", "batch_size", "max_steps"), [(8, 2, 2), (7, 3, 1), (5, 2, 9)]
)
def test_a_limited_epoch_estimates_the_mean_loss(
    num_parts: int, batch_size: int, max_steps: int, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40)
    sizes = {"num_parts": num_parts, "batch_size": batch_size, "max_steps": max_steps}
    sampler = GASSampler(graph, **{**USUAL, **sizes, "partition": "random"})
    total, num_batches = torch.zeros(40, dtype=torch.float64), 0
    for _ in range(600):
        batches = list(sampler)
        assert len(batches) == len(sampler) == min(max_steps, -(-num_parts // batch_size))
        num_batches += len(batches)
        for batch in batches:
            total.index_add_(0, batch.node_ids[: batch.num_targets], batch.loss_weight.double())
    expected = (graph.train_mask / graph.train_mask.sum()).double()
    torch.testing.assert_close(total / num_batches, expected, rtol=0.2, atol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_steps": 0}, "sampler.max_steps must be positive, or null for all parts, got 0"),
        ({"refresh_every": -1}, "sampler.refresh_every must be at least 0, got -1"),
        ({"lipschitz_weight": -0.5}, "sampler.lipschitz_weight must be at least 0, got -0.5"),
        ({"lipschitz_noise": 0}, "sampler.lipschitz_noise must be positive, got 0"),
    ],
)
def test_impossible_settings_of_histories_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GASSampler(two_cliques(), **{**USUAL, **changes})


def test_histories_push_the_inside_and_pull_the_halo() -> None:
    table = HistoryTable(4, CPU)
    h = torch.tensor([[1.0], [2.0]], requires_grad=True)
    first = table.exchange(0, h, torch.tensor([3, 0, 1]))
    assert first.tolist() == [[1.0], [2.0], [0.0]]
    second = table.exchange(0, h[:1] * 5, torch.tensor([1, 3, 0]))
    assert second.tolist() == [[5.0], [1.0], [2.0]]
    second.sum().backward()
    assert h.grad.tolist() == [[5.0], [0.0]]  # nothing flows into what was pulled


def test_histories_of_another_precision_are_converted() -> None:
    table = HistoryTable(3, CPU)
    table.exchange(0, torch.tensor([[1.0], [2.0]]), torch.tensor([2, 1]))
    h = torch.tensor([[5.0]], dtype=torch.bfloat16)
    joined = table.exchange(0, h, torch.tensor([0, 2, 1]))
    assert joined.dtype == torch.bfloat16
    assert joined.tolist() == [[5.0], [1.0], [2.0]]
    assert table.states[0].dtype == torch.float32
    assert table.states[0].tolist() == [[5.0], [2.0], [1.0]]

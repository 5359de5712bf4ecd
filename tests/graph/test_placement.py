"""Where graph and features are kept: what decides it, and that every place gives the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from redditgnn.errors import ConfigError
from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import FeatureTable, Rows
from redditgnn.graph.host_table import HostTable
from redditgnn.graph.placement import (
    Choice,
    Demand,
    Memory,
    PlacedGraph,
    choose_tier,
    demand_of,
    describe_choice,
    most_read_nodes,
    place,
)
from redditgnn.runtime.memory import GIB

CPU = torch.device("cpu")
DEMAND = Demand(graph=100, features=1000, row=10, pinned=1024)


@pytest.mark.parametrize(
    ("memory", "expected", "reason"),
    [
        (Memory(1100, 0), ("device", 0), "graph and features fit on the device"),
        (Memory(1099, 1024), ("pinned", 99), "the features do not fit on the device"),
        (Memory(100, 1024), ("pinned", 0), "the features do not fit on the device"),
        (Memory(99, 9999), ("mmap", 0), "the graph does not fit on the device"),
        (
            Memory(1099, 1023),
            ("mmap", 0),
            "the features fit neither on the device nor in half of host memory",
        ),
        (Memory(-5, 9999), ("mmap", 0), "the graph does not fit on the device"),
    ],
)
def test_the_fastest_place_that_is_large_enough_is_chosen(
    memory: Memory, expected: tuple[str, int], reason: str
) -> None:
    assert choose_tier("auto", DEMAND, memory) == (*expected, reason)


@pytest.mark.parametrize(
    ("tier", "memory", "num_cached"),
    [
        ("device", Memory(0, 0), 0),
        ("pinned", Memory(600, 0), 50),
        ("pinned", Memory(9999, 0), 100),
        ("pinned", Memory(-600, 0), 0),
        ("mmap", Memory(9999, 9999), 0),
    ],
)
def test_a_setting_overrides_what_fits(tier: str, memory: Memory, num_cached: int) -> None:
    reason = "as sampler.feature_tier says"
    assert choose_tier(tier, DEMAND, memory) == Choice(tier, num_cached, reason)


def test_one_line_says_what_is_where_and_why() -> None:
    demand = Demand(graph=GIB // 2, features=40 * GIB, row=GIB // 4, pinned=64 * GIB)
    choice = choose_tier("auto", demand, Memory(device=18 * GIB + GIB // 2, host=99 * GIB))
    assert describe_choice(choice, demand) == (
        "feature_tier=pinned: graph (0.50 GiB) is on the device, which reads features (40.00 GiB) "
        "from page-locked host memory, 18.00 GiB of them cached on it: "
        "the features do not fit on the device"
    )
    for tier in ("device", "mmap"):
        assert "\n" not in describe_choice(Choice(tier, 0, "reason"), demand)


def test_demand_counts_the_bytes_of_every_tensor(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=20, num_features=5)
    demand = demand_of(graph)
    assert demand.features == 20 * 5 * 4
    assert demand.row == 20
    assert demand.pinned == 512
    held = 21 * 8 + graph.num_edges * 4 + 20 * 8 + 3 * 20
    assert demand.graph - held == 20 * 32


def test_the_hottest_nodes_are_those_that_most_edges_lead_to(
    make_graph: Callable[..., GraphData],
) -> None:
    edges = torch.tensor([3, 1, 3, 0, 3, 1], dtype=torch.int32)  # sources of rows 0, 1 and 2
    rowptr = pointers(torch.tensor([2, 2, 2] + [0] * 17))
    graph = replace(make_graph(num_nodes=20), rowptr=rowptr, col=edges)
    assert most_read_nodes(graph, 3).tolist() == [3, 1, 0]


@pytest.mark.parametrize("zero_copy", [False, True], ids=["copied", "zero-copy"])
@pytest.mark.parametrize("num_hot", [0, 7, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [1, 5, 300])
def test_rows_are_the_same_whether_they_are_cached_or_not(
    zero_copy: bool, num_hot: int, dtype: torch.dtype, width: int
) -> None:
    if zero_copy:
        pytest.importorskip("triton", exc_type=ImportError)
    generator = torch.Generator().manual_seed(0)
    host = torch.randn(20, width, generator=generator).to(dtype)
    hot_ids = torch.randperm(20, generator=generator)[:num_hot]
    table = HostTable(host, hot_ids, CPU, zero_copy=zero_copy)
    assert isinstance(table, FeatureTable)
    for count in (0, 1, 33):
        node_ids = torch.randint(20, (count,), generator=generator)
        assert torch.equal(table.gather(node_ids), host[node_ids])
        assert torch.equal(Rows(table, node_ids).dense, host[node_ids].float())
    assert torch.equal(table.gather(), host)


def test_a_cache_that_is_filled_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redditgnn.graph.host_table.ROWS_AT_ONCE", 3)
    host, ids = torch.randn(20, 4), torch.arange(20)
    table = HostTable(host, ids[:8], CPU, zero_copy=False)
    assert torch.equal(table.gather(ids), host)


def test_cached_rows_are_not_read_from_the_host() -> None:
    host = torch.ones(4, 3)
    for zero_copy in (False, True):
        table = HostTable(host, torch.tensor([2]), CPU, zero_copy=zero_copy)
        host[2] = torch.nan
        assert table.gather(torch.tensor([2, 0])).isfinite().all()
        host[2] = 1.0


def test_rows_that_come_over_the_bus_are_read_at_once(make_graph: Callable[..., GraphData]) -> None:
    graph, ids = make_graph(), torch.tensor([3, 1])
    table = HostTable(graph.x, torch.tensor([1]), CPU, zero_copy=False)
    rows = PlacedGraph(graph, table).rows(ids)
    assert isinstance(rows.table, torch.Tensor)
    assert torch.equal(rows.dense, graph.x[ids])


@pytest.mark.parametrize("tier", ["auto", "device", "mmap"])
def test_on_a_cpu_everything_stays_where_it_is(
    tier: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph()
    placed = place(graph, CPU, tier)
    assert placed.graph is graph
    assert placed.table is graph.x
    assert not placed.is_on_cuda


SPARSE = DEMAND._replace(pinned=None)


def test_sparse_features_are_dense_on_a_device_if_they_fit_and_never_page_locked() -> None:
    assert choose_tier("auto", SPARSE, Memory(1100, 10_000)).tier == "device"
    choice = choose_tier("auto", SPARSE, Memory(1099, 10_000))
    assert choice.tier == "mmap"
    assert "GiB when dense) stay memory-mapped on the host" in describe_choice(choice, SPARSE)
    with pytest.raises(ConfigError, match=r"feature_tier=pinned needs dense .*feature_tier=mmap"):
        choose_tier("pinned", SPARSE, Memory(1099, 10_000))

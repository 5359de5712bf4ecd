"""Batches are what a readable reimplementation gives, on any number of threads, hubs included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import pytest
import torch
from torch import Tensor

from redditgnn.graph.batch import Batch
from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.sampler import neighbor_numba, subgraph_numba
from redditgnn.sampler.base import Divisible
from redditgnn.sampler.cluster import ClusterSampler
from redditgnn.sampler.gas import GASSampler
from redditgnn.sampler.neighbor import NeighborSampler
from redditgnn.sampler.neighbor_numba import NumbaNeighborhoods
from redditgnn.sampler.neighbor_torch import TorchNeighborhoods
from redditgnn.sampler.saint import SaintEdge, SaintNode, SaintRandomWalk, node_importance
from redditgnn.sampler.subgraph import Inclusions, build_subgraphs
from redditgnn.sampler.subgraph_numba import NumbaSubgraphs
from redditgnn.sampler.subgraph_torch import TorchSubgraphs
from redditgnn.trainer.epoch import Prefetched

COMMON = {"num_layers": 2, "device": torch.device("cpu"), "seed": 3}
SAINT = {**COMMON, "num_steps": 3, "sample_coverage": 2}
PARTS = {**COMMON, "num_parts": 6, "batch_size": 2, "partition": None}
GAS = {
    **PARTS,
    "partition": "metis",
    "history_device": "auto",
    "max_steps": None,
    "refresh_every": 0,
    "lipschitz_weight": 0,
    "lipschitz_noise": 0.1,
    "log_staleness": False,
}
DRAWN_BY_TORCH: dict[str, Callable] = {
    "saint_node": lambda graph: SaintNode(graph, batch_size=20, **SAINT),
    "saint_edge": lambda graph: SaintEdge(graph, batch_size=12, **SAINT),
    "saint_rw": lambda graph: SaintRandomWalk(graph, batch_size=8, walk_length=2, **SAINT),
    "cluster": lambda graph: ClusterSampler(graph, **PARTS),
    "gas": lambda graph: GASSampler(graph, **GAS),
}
SAMPLERS = {
    **DRAWN_BY_TORCH,
    "neighbor": lambda graph: NeighborSampler(
        graph, num_neighbors=[3, 2], batch_size=10, feature_tier="auto", pack_gib=None, **COMMON
    ),
}
FIELDS = ("x", "y", "loss_weight", "node_ids", "rowptr", "col", "degree", "edge_scale")


@pytest.fixture(params=[1, 3])
def many_tasks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """One and three threads; tasks so small that tiny graphs are cut into several."""
    monkeypatch.setattr(neighbor_numba, "PICKS_A_TASK", 4)
    monkeypatch.setattr(subgraph_numba, "ENTRIES_A_TASK", 8)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("subgraph", "neighbor", "saint"):
        monkeypatch.setattr(f"redditgnn.sampler.{module}.numba_works", lambda: False)


def hub(leaves: int, without_neighbors: int = 3) -> GraphData:
    """Node 0 and `leaves` others are each other's neighbours; the last nodes have none."""
    num_nodes = 1 + leaves + without_neighbors
    counts = torch.zeros(num_nodes, dtype=torch.int64)
    counts[0] = leaves
    counts[1 : leaves + 1] = 1
    everyone = torch.ones(num_nodes, dtype=torch.bool)
    return GraphData(
        name="hub",
        x=torch.arange(float(num_nodes))[:, None],
        rowptr=pointers(counts),
        col=torch.cat([torch.arange(1, leaves + 1), torch.zeros(leaves)]).int(),
        y=torch.zeros(num_nodes, dtype=torch.int64),
        num_classes=2,
        train_mask=everyone,
        val_mask=everyone,
        test_mask=everyone,
        fingerprint=Fingerprint("hub"),
    )


def assert_equal_batches(found: list[Batch], expected: list[Batch]) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one.num_dst == other.num_dst
        for name in FIELDS:
            mine, wanted = getattr(one, name), getattr(other, name)
            assert type(mine) is type(wanted), name
            if wanted is not None:
                assert mine.dtype == wanted.dtype, name
                assert torch.equal(mine, wanted), name


def hashed(key: int, counter: int) -> int:
    """Splitmix64, in whole numbers of any size."""
    bits = (key + 0x9E3779B97F4A7C15 * (counter + 1)) % 2**64
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % 2**64
    return bits ^ bits >> 31


def picked(key: int, node: int, degree: int, fanout: int) -> list[int]:
    """Numbers of the neighbours that a node keeps, by Floyd's algorithm."""
    if fanout < 0 or degree <= fanout:
        return list(range(degree))
    picks: list[int] = []
    for number in range(fanout):
        last = degree - fanout + number
        bits = hashed(hashed(key, node), number)
        drawn = int((bits >> 11) * ((last + 1) * 2.0**-53))
        picks.append(last if drawn in picks else drawn)
    return picks


def sampled_one_by_one(
    graph: GraphData, targets: list[int], fanouts: list[int], key: int
) -> tuple[list[int], list[int], list[int]]:
    """What `sample` has to give, by lists and a dictionary."""
    rowptr, col = graph.rowptr.tolist(), graph.col.tolist()
    local_id = {node: number for number, node in enumerate(targets)}
    hop, ends, sources = targets, [0], []
    for fanout in fanouts:
        seen = len(local_id)
        for node in hop:
            degree = rowptr[node + 1] - rowptr[node]
            for pick in picked(key, node, degree, fanout):
                source = col[rowptr[node] + pick]
                sources.append(local_id.setdefault(source, len(local_id)))
            ends.append(len(sources))
        hop = list(local_id)[seen:]
    return list(local_id), ends, sources


def assert_sampled_one_by_one(graph: GraphData, targets: list[int], fanouts: list[int]) -> None:
    key = 2**61 + 12345
    found = NumbaNeighborhoods(graph.rowptr, graph.col).sample(torch.tensor(targets), fanouts, key)
    expected = sampled_one_by_one(graph, targets, fanouts, key)
    assert [part.tolist() for part in found] == [list(part) for part in expected]


@pytest.mark.parametrize("fanouts", [[3, 2], [1, 1, 1], [-1, 2], [4, -1]], ids=str)
@pytest.mark.every_python
def test_neighbors_are_those_of_a_readable_reimplementation(
    fanouts: list[int], many_tasks: int, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=80, num_edges=700)
    assert_sampled_one_by_one(graph, [5, 70, 20, 0, 79, 33], fanouts)


@pytest.mark.parametrize("fanouts", [[25, 10], [-1, 3]], ids=str)
def test_neighbors_of_a_hub_and_of_rows_without_any_are_those_too(
    fanouts: list[int], many_tasks: int
) -> None:
    graph = hub(leaves=20_000)
    assert_sampled_one_by_one(graph, [20_003, 0, 7, 20_001], fanouts)


def test_a_sampled_batch_stays_what_it_was_when_the_reference_rows_were_made() -> None:
    graph = hub(leaves=200)
    nodes, rowptr, col = NumbaNeighborhoods(graph.rowptr, graph.col).sample(
        torch.tensor([9, 0]), [5, 3], key=42
    )
    assert nodes.tolist() == [9, 0, 68, 189, 97, 14, 136]
    assert rowptr.tolist() == [0, 1, 6, 7, 8, 9, 10, 11]
    assert col.tolist() == [1, 2, 3, 4, 5, 6, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("name", SAMPLERS)
def test_batches_do_not_depend_on_the_number_of_threads(
    name: str, many_tasks: int, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=60, num_edges=500)
    found = [batch for _ in range(2) for batch in SAMPLERS[name](graph)]
    torch.set_num_threads(1)
    assert_equal_batches(found, [batch for _ in range(2) for batch in SAMPLERS[name](graph)])


@pytest.mark.parametrize("name", SAMPLERS)
def test_batches_prepared_ahead_are_the_same(
    name: str, many_tasks: int, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=60, num_edges=500)
    assert_equal_batches(list(Prefetched(SAMPLERS[name](graph))), list(SAMPLERS[name](graph)))


@pytest.mark.parametrize("name", DRAWN_BY_TORCH)
def test_batches_without_numba_are_the_same(
    name: str, make_graph: Callable[..., GraphData], request: pytest.FixtureRequest
) -> None:
    graph = make_graph(num_nodes=60, num_edges=500)
    expected = list(SAMPLERS[name](graph))
    request.getfixturevalue("without_numba")
    assert isinstance(build_subgraphs(graph), TorchSubgraphs)
    assert_equal_batches(list(SAMPLERS[name](graph)), expected)


@pytest.mark.usefixtures("without_numba")
def test_without_numba_neighbors_are_sampled_by_torch(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=60, num_edges=500)
    sampler = SAMPLERS["neighbor"](graph)
    assert isinstance(sampler._neighborhoods, TorchNeighborhoods)
    assert sum(batch.num_targets for batch in sampler) == graph.train_mask.sum()


BOTH = (NumbaSubgraphs, TorchSubgraphs)
GRAPHS = {
    "a hub": (hub(20_000), [0, 20_002, 5, 19_999, 20_000]),
    "leaves without their hub": (hub(20_000), [1, 2, 3]),
    "all nodes": (hub(30), list(range(34))),
    "no nodes": (hub(30), []),
    "one node": (hub(0, without_neighbors=0), [0]),
    "no edges": (hub(0), [2, 0]),
}


@pytest.mark.parametrize(("graph", "nodes"), GRAPHS.values(), ids=GRAPHS.keys())
def test_pieces_are_those_of_tensor_operations(
    graph: GraphData, nodes: list[int], many_tasks: int
) -> None:
    node_ids = torch.tensor(nodes, dtype=torch.int64)
    found, expected = (pieces(kind(graph), graph, node_ids) for kind in BOTH)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def pieces(subgraphs, graph: GraphData, node_ids: Tensor) -> list[Tensor]:
    """Everything that `subgraphs` can tell about some nodes, asked twice: nothing may be left."""
    seen, outputs = Inclusions(graph), []
    for _ in range(2):
        subgraphs.include(node_ids, seen)
        subgraphs.include(node_ids[::2], seen)
        outputs += [subgraphs.distinct(torch.cat([node_ids, node_ids.flip(0)]))]
        outputs += subgraphs.edges(node_ids)
        outputs += subgraphs.scaled_edges(node_ids, seen)
        outputs += subgraphs.neighborhood(node_ids)
    return [*outputs, seen.node_counts, seen.edge_counts]


def test_few_nodes_of_many_are_made_distinct_by_sorting() -> None:
    drawn = torch.tensor([900, 5, 900, 7])
    assert NumbaSubgraphs(hub(20_000)).distinct(drawn).tolist() == [5, 7, 900]


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name.startswith("saint")])
def test_edges_weigh_the_inverse_of_their_probability(
    name: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=60, num_edges=500)
    sampler = SAMPLERS[name](graph)
    position = torch.full((60, 60), -1)
    rows = torch.arange(60).repeat_interleave(graph.degree)
    position[rows, graph.col.long()] = torch.arange(graph.num_edges)
    for batch in sampler:
        source, destination = batch.node_ids[batch.block(0).edge_index]
        edges = position[destination, source]
        assert (edges >= 0).all()
        assert torch.equal(batch.edge_scale, 1 / sampler.edge_probability(edges))


def test_the_importance_of_nodes_is_the_same_without_numba(
    make_graph: Callable[..., GraphData], request: pytest.FixtureRequest
) -> None:
    graph = make_graph(num_nodes=60, num_edges=500)
    expected = node_importance(graph)
    request.getfixturevalue("without_numba")
    assert torch.equal(node_importance(graph), expected)


def test_a_graph_of_one_node_gives_a_batch_of_one_node() -> None:
    graph = hub(0, without_neighbors=0)
    parts = {**COMMON, "num_parts": 1, "batch_size": 1, "partition": "metis"}
    for sampler in (
        NeighborSampler(
            graph, num_neighbors=[-1, 5], batch_size=4, feature_tier="auto", pack_gib=None, **COMMON
        ),
        ClusterSampler(graph, **parts),
        GASSampler(graph, **{**GAS, **parts}),
    ):
        (batch,) = islice(sampler, 1)
        assert batch.node_ids.tolist() == [0]
        assert batch.rowptr.tolist() == [0, 0]
        assert len(batch.col) == 0


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "gas"])
def test_chosen_batches_are_those_of_an_epoch_that_builds_all(
    name: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=60, num_edges=200)
    whole, divided = SAMPLERS[name](graph), SAMPLERS[name](graph)
    assert isinstance(divided, Divisible)
    for _ in range(2):
        expected = list(whole)[1::2]
        chosen = list(divided.select(lambda number: number % 2 == 1))
        assert chosen
        assert_equal_batches(chosen, expected)


def test_histories_forbid_to_build_batches_apart_from_each_other(
    make_graph: Callable[..., GraphData],
) -> None:
    assert not isinstance(SAMPLERS["gas"](make_graph(num_nodes=60)), Divisible)

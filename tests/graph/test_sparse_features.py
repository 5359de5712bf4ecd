"""Features that are stored sparse: the numbers of dense ones, and no dense table of all nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from redditgnn.config.compose import compose_settings
from redditgnn.evaluation.exact import ExactInference, precomputed
from redditgnn.graph import sparse_features
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows
from redditgnn.graph.sparse_features import DenseTableTooLarge, SparseFeatures
from redditgnn.memory.estimate import estimate_sampler
from redditgnn.parts import Parts

CPU = torch.device("cpu")
NUM_NODES, WIDTH = 60, 50
NO_DROPOUT = {"dropout": 0.0, "input_dropout": 0.0, "attention_dropout": 0.0}
LINEAR = ["mlp", "gcn", "sage", "gat", "gatv2", "gcn2", "appnp"]
OTHERS = ["sage model.aggr=max", "sage model.aggr=lstm", "gin", "pna", "pyg", "sgc", "sign"]
SAMPLERS = ["full", "neighbor", "neighbor_tree", "saint_node", "saint_edge", "saint_rw"]
SAMPLERS += ["cluster", "gas sampler.partition=random"]
SMALL = {"batch_size": 9, "num_parts": 18, "walk_length": 2}


def mostly_zeros() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(NUM_NODES, WIDTH, generator=generator)
    return table * (torch.rand(NUM_NODES, WIDTH, generator=generator) < 0.04)


@pytest.fixture
def dense(make_graph: Callable[..., GraphData]) -> GraphData:
    graph = make_graph(num_nodes=NUM_NODES, num_edges=240, num_features=WIDTH)
    return replace(graph, x=mostly_zeros())


@pytest.fixture
def sparse(dense: GraphData) -> GraphData:
    return replace(dense, x=SparseFeatures.from_dense(dense.x))


def numbers_of(graph: GraphData, model: str, sampler: str) -> list[Tensor]:
    """Logits of a training batch, exact logits, whole and in chunks, and all gradients."""
    settings = compose_settings([*f"model={model} sampler={sampler} device=cpu".split()])
    for group, values in (("model", NO_DROPOUT), ("sampler", SMALL)):
        keys = settings.components[group]
        keys.update({key: value for key, value in values.items() if key in keys})
    for key, value in {"num_layers": 2, "hidden_channels": 8}.items():
        if key in settings.components["model"]:
            settings.components["model"][key] = value
    torch.manual_seed(0)
    net = settings.build("model", graph.spec)
    graph = precomputed(net, graph, CPU)
    layers = net.num_layers
    if "num_neighbors" in settings.components["sampler"]:
        settings.components["sampler"]["num_neighbors"] = [2] * layers
    batches = settings.build("sampler", graph, num_layers=layers, device=CPU, seed=0)
    logits = net.train()(next(iter(batches)))
    logits.square().mean().backward()
    exact = [ExactInference(graph, CPU, chunk_edges=c)(net.eval()) for c in (None, 60)]
    return [logits.detach(), *exact, *(p.grad for p in net.parameters() if p.grad is not None)]


def assert_equal_numbers(dense: GraphData, sparse: GraphData, model: str, sampler: str) -> None:
    pairs = zip(numbers_of(dense, model, sampler), numbers_of(sparse, model, sampler), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sampler", ["full", "neighbor"])
@pytest.mark.parametrize("model", LINEAR + OTHERS)
def test_every_first_layer_computes_what_it_does_on_dense_features(
    model: str, sampler: str, dense: GraphData, sparse: GraphData
) -> None:
    assert_equal_numbers(dense, sparse, model, sampler)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_gives_the_batches_that_it_gives_on_dense_features(
    sampler: str, dense: GraphData, sparse: GraphData
) -> None:
    assert_equal_numbers(dense, sparse, "gcn", sampler)


@pytest.mark.parametrize("sampler", ["full", "neighbor"])
@pytest.mark.parametrize("model", LINEAR)
def test_a_linear_first_layer_makes_no_dense_rows(
    model: str, sampler: str, sparse: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(x: SparseFeatures, node_ids: Tensor | None = None) -> Tensor:
        pytest.fail("dense rows were made")

    monkeypatch.setattr(SparseFeatures, "gather", refuse)
    numbers_of(sparse, model, sampler)


@pytest.mark.parametrize("model", ["sage model.aggr=max", "gin", "pna", "pyg"])
def test_other_models_make_the_rows_of_a_batch_dense(
    model: str, sparse: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = compose_settings([*f"model={model} sampler=neighbor".split()])
    settings.components["sampler"] |= {"batch_size": 3, "num_neighbors": [2, 2]}
    settings.components["model"]["num_layers"] = 2
    batches = settings.build("sampler", sparse, num_layers=2, device=CPU, seed=0)
    gathered: list[int] = []
    gather = SparseFeatures.gather

    def counted(x: SparseFeatures, node_ids: Tensor | None = None) -> Tensor:
        gathered.append(len(x) if node_ids is None else len(node_ids))
        return gather(x, node_ids)

    monkeypatch.setattr(SparseFeatures, "gather", counted)
    batch = next(iter(batches))
    settings.build("model", sparse.spec)(batch)
    assert 0 < max(gathered) <= len(batch.node_ids) < NUM_NODES


@pytest.mark.parametrize("model", ["gin", "sgc", "sign"])
def test_a_dense_table_that_does_not_fit_is_refused_in_one_line(
    model: str, sparse: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse_features, "GIB", 2**10)
    monkeypatch.setattr(sparse_features, "free_memory", lambda device: 2**11)
    with pytest.raises(
        DenseTableTooLarge, match=r"60 x 50 sparse features take [\d.]+ GiB as \d dense, "
    ):
        numbers_of(sparse, model, "full")


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_rows_are_those_of_the_table_in_its_precision(
    compiled: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(sparse_features, "numba_works", lambda: False)
    table, picked = mostly_zeros().to(dtype), torch.tensor([7, 3, 3, 59, 0])
    x = SparseFeatures.from_dense(table)
    assert (x.shape, x.dtype, len(x)) == (table.shape, dtype, NUM_NODES)
    assert torch.equal(x.gather(), table)
    assert torch.equal(x.gather(picked), table[picked])
    assert torch.equal(x.select(picked).gather(), table[picked])
    assert Rows(x, picked).dense.dtype == torch.float32
    assert Rows(x, picked).sparse.values.dtype == torch.float32
    assert torch.equal(Rows(x, picked).sparse.gather(), table[picked].float())


def test_a_subgraph_and_joined_tables_stay_sparse(sparse: GraphData, dense: GraphData) -> None:
    part, expected = (graph.subgraph(graph.train_mask) for graph in (sparse, dense))
    assert torch.equal(part.x.gather(), expected.x)
    both = SparseFeatures.concatenated([sparse.x, part.x])
    assert torch.equal(both.gather(), torch.cat([dense.x, expected.x]))


def test_the_graph_counts_what_is_stored_and_a_device_what_is_dense(
    sparse: GraphData, dense: GraphData
) -> None:
    assert sparse.num_bytes < dense.num_bytes
    assert sparse.num_bytes_on_cuda == dense.num_bytes_on_cuda == dense.num_bytes
    assert sparse.spec == dense.spec


@pytest.mark.parametrize("sampler", ["full", "neighbor"])
def test_the_estimate_of_a_linear_first_layer_holds_no_dense_table(
    sampler: str, make_graph: Callable[..., GraphData]
) -> None:
    width = 20_000
    graph = make_graph(num_nodes=400, num_edges=1200, num_features=1)
    x = SparseFeatures.from_dense(torch.eye(400, width))
    graph = replace(graph, x=x)
    small = ["model.hidden_channels=8", "model.num_layers=2", "device=cpu"]
    parts = Parts(compose_settings(["model=gcn", f"sampler={sampler}", *small]), graph=graph)
    estimated = estimate_sampler(parts, parts.sampler)
    assert estimated.graph < 2**20
    assert estimated.step < 400 * width * 4 / 2
    assert estimated.evaluation < 400 * width * 4 / 2

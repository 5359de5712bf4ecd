"""What models and samplers must fulfil on a graph with edge weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
import torch
from torch import Tensor, nn

from redditgnn.config.compose import compose_settings
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError
from redditgnn.evaluation.exact import ExactInference, precomputed
from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import estimate_sampler
from redditgnn.parts import Parts
from redditgnn.sampler.full import FullSampler
from redditgnn.sampler.neighbor import NeighborSampler
from redditgnn.sampler.neighbor_numba import NumbaNeighborhoods
from redditgnn.sampler.neighbor_torch import TorchNeighborhoods
from tests.samplers import SAMPLERS

CPU = torch.device("cpu")
MODELS = {
    "mlp": "model=mlp",
    "sage mean": "model=sage model.jk=cat",
    "sage gcn": "model=sage model.aggr=gcn",
    "gcn": "model=gcn model.norm=layer",
    "gcn2": "model=gcn2 model.shared_weights=false",
    "appnp": "model=appnp",
    "dagnn": "model=dagnn",
    "cheb": "model=cheb",
    "sgc": "model=sgc",
    "sign": "model=sign",
    "gin": "model=gin",
    "pyg GraphConv": "model=pyg",
    "pyg GraphConv, mean": "model=pyg +model.conv.aggr=mean",
    "pyg GCNConv": "model=pyg model.conv._target_=torch_geometric.nn.GCNConv",
}
STEPPING = ["sage mean", "sage gcn", "gcn", "gcn2", "gin", "pyg GraphConv"]
REFUSED = {
    "sage max": "model=sage model.aggr=max",
    "sage lstm": "model=sage model.aggr=lstm",
    "gat": "model=gat",
    "gatv2": "model=gatv2",
    "pna": "model=pna",
    "pyg GATConv": "model=pyg model.conv._target_=torch_geometric.nn.GATConv",
    "pyg TransformerConv": "model=pyg model.conv._target_=torch_geometric.nn.TransformerConv",
    "pyg SAGEConv": "model=pyg model.conv._target_=torch_geometric.nn.SAGEConv",
}
NARROW = {"model=sgc": [], "model=sign": ["model.hidden_channels=8"]}
LOCAL = {name: text for name, text in MODELS.items() if "GCNConv" not in text}  # allow a halo
every_local_model = pytest.mark.parametrize("overrides", LOCAL.values(), ids=LOCAL)
every_model = pytest.mark.parametrize("overrides", MODELS.values(), ids=MODELS)
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    """A graph whose weights differ by direction: many are 0, and all those of node 3."""
    plain = make_graph(num_nodes=40, num_edges=160)
    weight = 2 * torch.rand(plain.num_edges, generator=torch.Generator().manual_seed(1))
    weight[weight < 0.5] = 0
    weight[plain.rowptr[3] : plain.rowptr[4]] = 0
    return replace(plain, edge_weight=weight)


@cache
def settings(*overrides: str) -> Settings:
    words = [word for text in overrides for word in text.split()]
    sizes = NARROW.get(words[0], ["model.hidden_channels=8", "model.num_layers=2"])
    return compose_settings([words[0], *sizes, *words[1:], "device=cpu"])


def parts_of(graph: GraphData, *overrides: str) -> Parts:
    torch.manual_seed(0)
    return Parts(settings(*overrides), graph=graph)


def model_of(graph: GraphData, overrides: str) -> nn.Module:
    return parts_of(graph, overrides, "sampler=full").model.eval()


@torch.no_grad()
def full_logits(model: nn.Module, graph: GraphData) -> Tensor:
    graph = precomputed(model, graph, CPU)
    facts = {"num_layers": model.num_layers, "device": CPU, "seed": 0}
    return model(next(iter(FullSampler(graph, **facts, cuda_graph=False))))


@pytest.mark.parametrize("overrides", [text for text in MODELS.values() if "aggr=mean" not in text])
def test_edges_of_weight_zero_are_as_good_as_none(overrides: str, graph: GraphData) -> None:
    """A mean of PyG, which divides by the number of edges, is left out."""
    model, is_there = model_of(graph, overrides), graph.edge_weight > 0
    counts = torch.bincount(row_of_edge(graph.rowptr)[is_there], minlength=graph.num_nodes)
    without = replace(
        graph,
        rowptr=torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]),
        col=graph.col[is_there],
        edge_weight=graph.edge_weight[is_there],
    )
    torch.testing.assert_close(full_logits(model, graph), full_logits(model, without))


@every_model
def test_weights_matter_to_all_models_that_read_edges(overrides: str, graph: GraphData) -> None:
    model = model_of(graph, overrides)
    plain = full_logits(model, replace(graph, edge_weight=None))
    ignored = torch.allclose(full_logits(model, graph), plain, atol=1e-3)
    assert ignored == (overrides == "model=mlp")


@every_model
@pytest.mark.parametrize("chunk_edges", [25, None])
def test_inference_in_chunks_equals_the_full_forward(
    overrides: str, chunk_edges: int | None, graph: GraphData
) -> None:
    model = model_of(graph, overrides)
    prepared = precomputed(model, graph, CPU, chunk_edges)
    logits = ExactInference(prepared, CPU, chunk_edges=chunk_edges)(model)
    torch.testing.assert_close(logits, full_logits(model, graph))


@pytest.mark.parametrize("sampling", [NumbaNeighborhoods, TorchNeighborhoods])
@every_local_model
def test_complete_neighborhoods_give_the_logits_of_the_full_graph(
    overrides: str, sampling: Callable, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(graph, overrides)
    monkeypatch.setattr(
        NeighborSampler, "_build_neighborhoods", lambda self, g: sampling(g.rowptr, g.col)
    )
    sampler = NeighborSampler(
        precomputed(model, graph, CPU),
        num_layers=model.num_layers,
        device=CPU,
        seed=0,
        num_neighbors=[-1] * model.num_layers,
        batch_size=5,
        feature_tier="auto",
        pack_gib=None,
    )
    expected = full_logits(model, graph)
    for batch in sampler:
        with torch.no_grad():
            torch.testing.assert_close(model(batch), expected[batch.node_ids[: batch.num_targets]])


@every_local_model
def test_histories_become_exact_while_weights_are_frozen(overrides: str, graph: GraphData) -> None:
    model = model_of(graph, overrides)
    gas = "sampler=gas sampler.num_parts=5 sampler.batch_size=1"
    sampler = parts_of(precomputed(model, graph, CPU), "model=gcn", gas).sampler
    logits = torch.empty(graph.num_nodes, graph.num_classes)
    with torch.no_grad():
        for _ in range(model.num_layers + 1):
            for batch in sampler:
                logits[batch.node_ids[: batch.num_targets]] = model(batch)
    torch.testing.assert_close(logits, full_logits(model, graph))


@every_sampler
@pytest.mark.parametrize("numba", [True, False], ids=["numba", "torch"])
def test_a_batch_has_the_weights_of_its_own_edges(
    sampler: str, numba: bool, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not numba:
        for module in ("subgraph", "neighbor", "saint"):
            monkeypatch.setattr(f"redditgnn.sampler.{module}.numba_works", lambda: False)
    matrix = torch.zeros(graph.num_nodes, graph.num_nodes)
    matrix[row_of_edge(graph.rowptr), graph.col.long()] = graph.edge_weight
    num_checked = 0
    for batch in parts_of(graph, "model=gcn", sampler).sampler:
        block = batch.block(0)
        source, destination = batch.node_ids[block.edge_index]
        drawn = torch.ones(len(source)) if block.edge_scale is None else block.edge_scale
        expected = torch.where(drawn > 0, matrix[destination, source], 1)
        assert torch.equal(batch.edge_weight, expected)
        total = matrix.sum(1)[batch.node_ids]
        if "cluster" in sampler:
            total = torch.zeros(block.num_dst).index_add_(0, block.csr.row, block.edge_weight)
        torch.testing.assert_close(batch.degree, total)
        num_checked += len(expected)
    assert num_checked > 0


@every_sampler
def test_weights_of_one_change_nothing(sampler: str, graph: GraphData) -> None:
    plain = replace(graph, edge_weight=None)
    weighted = replace(graph, edge_weight=torch.ones(graph.num_edges))
    models = [model_of(plain, MODELS[name]) for name in STEPPING]
    pairs = zip(
        *(parts_of(g, "model=gcn", sampler).sampler for g in (weighted, plain)), strict=True
    )
    for one, other in islice(pairs, 2):
        assert one.edge_weight is not None
        for model in models:
            with torch.no_grad():
                torch.testing.assert_close(model(one), model(other))


@pytest.mark.parametrize("overrides", REFUSED.values(), ids=REFUSED)
def test_a_model_that_would_ignore_weights_is_refused(overrides: str, graph: GraphData) -> None:
    name = overrides.split()[0]
    words = f"{name} as it is set cannot use the edge weights of dataset=random0; choose model=gcn"
    with pytest.raises(ConfigError, match=words):
        model_of(graph, overrides)
    assert model_of(replace(graph, edge_weight=None), overrides)


@every_sampler
@pytest.mark.parametrize("model", ["model=gat", "model=gatv2"])
def test_attention_is_refused_under_every_sampler_in_one_line_with_the_way_out(
    model: str, sampler: str, graph: GraphData
) -> None:
    with pytest.raises(ConfigError, match="or set dataset.edge_weight=false") as raised:
        _ = parts_of(graph, model, sampler).sampler
    assert "\n" not in str(raised.value)


def test_a_sampler_that_would_ignore_weights_is_refused(
    graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(FullSampler, "gives_edge_weight")
    with pytest.raises(ConfigError, match="sampler=full as it is set cannot use the edge weights"):
        _ = parts_of(graph, "model=gcn sampler=full").sampler
    assert len(parts_of(graph, "model=sgc sampler=full").sampler) == 1  # it reads no edges


@pytest.mark.parametrize("sampler", ["sampler=full", SAMPLERS["gas"]])
def test_the_estimate_of_memory_counts_weights(sampler: str, graph: GraphData) -> None:
    plain = replace(graph, edge_weight=None)
    both = (parts_of(g, "model=gcn", sampler) for g in (graph, plain))
    weighted, expected = (estimate_sampler(parts, parts.sampler) for parts in both)
    assert weighted.graph == expected.graph + 4 * graph.num_edges
    assert weighted.step > expected.step

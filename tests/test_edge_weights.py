"""What models and samplers must fulfil on a graph with edge weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.evaluation.exact import ExactInference, precomputed
from redditgnn.graph.csr import row_of_edge
from redditgnn.graph.data import GraphData
from redditgnn.parts import Parts
from redditgnn.sampler.full import FullSampler

CPU = torch.device("cpu")
MODELS = {
    "mlp": "model=mlp",
    "sage mean": "model=sage model.jk=cat",
    "sage gcn": "model=sage model.aggr=gcn",
    "gcn": "model=gcn model.norm=layer",
    "gcn2": "model=gcn2 model.shared_weights=false",
    "appnp": "model=appnp",
    "sgc": "model=sgc",
    "sign": "model=sign",
    "gin": "model=gin",
    "pyg GraphConv": "model=pyg",
    "pyg GraphConv, mean": "model=pyg +model.conv.aggr=mean",
    "pyg GCNConv": "model=pyg model.conv._target_=torch_geometric.nn.GCNConv",
}
REFUSED = {
    "sage max": "model=sage model.aggr=max",
    "sage lstm": "model=sage model.aggr=lstm",
    "gat": "model=gat",
    "gatv2": "model=gatv2",
    "pna": "model=pna",
    "pyg SAGEConv": "model=pyg model.conv._target_=torch_geometric.nn.SAGEConv",
}
NARROW = {"model=sgc": [], "model=sign": ["model.hidden_channels=8"]}
SAMPLERS = {
    "full": "sampler=full",
    "neighbor": "sampler=neighbor sampler.num_neighbors=[3,2] sampler.batch_size=7",
    "neighbor_tree": "sampler=neighbor_tree sampler.num_neighbors=[3,2] sampler.batch_size=7",
    "saint_node": "sampler=saint_node sampler.batch_size=20 sampler.num_steps=3",
    "saint_edge": "sampler=saint_edge sampler.batch_size=12 sampler.num_steps=3",
    "saint_rw": "sampler=saint_rw sampler.batch_size=8 sampler.walk_length=2 sampler.num_steps=3",
    "cluster": "sampler=cluster sampler.num_parts=6 sampler.batch_size=2",
    "gas": "sampler=gas sampler.num_parts=6 sampler.batch_size=2",
}
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


def parts_of(graph: GraphData, *overrides: str) -> Parts:
    words = [word for text in overrides for word in text.split()]
    sizes = NARROW.get(words[0], ["model.hidden_channels=8", "model.num_layers=2"])
    torch.manual_seed(0)
    settings = compose_settings([words[0], *sizes, *words[1:], "device=cpu"])
    return Parts(settings, graph=graph)


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


@pytest.mark.parametrize("overrides", REFUSED.values(), ids=REFUSED)
def test_a_model_that_would_ignore_weights_is_refused(overrides: str, graph: GraphData) -> None:
    name = overrides.split()[0]
    words = f"{name} as it is set cannot use the edge weights of dataset=random0; choose model=gcn"
    with pytest.raises(ConfigError, match=words):
        model_of(graph, overrides)
    assert model_of(replace(graph, edge_weight=None), overrides)


def test_a_sampler_that_would_ignore_weights_is_refused(
    graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(FullSampler, "gives_edge_weight")
    with pytest.raises(ConfigError, match="sampler=full as it is set cannot use the edge weights"):
        _ = parts_of(graph, "model=gcn sampler=full").sampler
    assert len(parts_of(graph, "model=sgc sampler=full").sampler) == 1  # it reads no edges

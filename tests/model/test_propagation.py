"""Models that propagate: the numbers of PyG's layers, and whose weight decay is whose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch_geometric import transforms
from torch_geometric.data import Data
from torch_geometric.nn import APPNP, ChebConv, GCN2Conv, SGConv

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.evaluation.exact import ExactInference, precomputed
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphData

CPU = torch.device("cpu")


def built(overrides: str, graph: GraphData) -> nn.Module:
    return compose_settings(overrides.split()).build("model", graph.spec).eval()


def logits(model: nn.Module, graph: GraphData) -> Tensor:
    return ExactInference(graph, CPU, chunk_edges=None)(model)


@pytest.fixture(params=["plain", "weighted"])
def graph(request: pytest.FixtureRequest, make_graph: Callable[..., GraphData]) -> GraphData:
    """A graph in which some nodes have no neighbours, and some weights are 0."""
    graph = make_graph(num_nodes=30, num_edges=60)
    assert graph.degree.min() == 0
    if request.param == "plain":
        return graph
    weight = 2 * torch.rand(graph.num_edges, generator=torch.Generator().manual_seed(1))
    return replace(graph, edge_weight=weight * (weight > 0.5))


def edge_index(graph: GraphData) -> Tensor:
    return Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree).edge_index


@torch.no_grad()
def test_appnp_is_that_of_pyg(graph: GraphData) -> None:
    model = built("model=appnp model.num_layers=5 model.alpha=0.2", graph)
    first, second = model.lins
    predicted = second(first(graph.x).relu())
    expected = APPNP(K=5, alpha=0.2)(predicted, edge_index(graph), graph.edge_weight)
    torch.testing.assert_close(logits(model, graph), expected)
    assert model.nonreg_parameters() == [second.weight, second.bias]


@torch.no_grad()
def test_dagnn_adds_up_all_hops_by_gates_of_their_own(graph: GraphData) -> None:
    model = built("model=dagnn model.num_layers=4", graph)
    first, second = model.lins
    states = [second(first(graph.x).relu())]
    for _ in range(4):
        step = APPNP(K=1, alpha=0.0)
        states.append(step(states[-1], edge_index(graph), graph.edge_weight))
    expected = sum(model.gate(state).sigmoid() * state for state in states)
    torch.testing.assert_close(logits(model, graph), expected)
    assert model.nonreg_parameters() == []


@pytest.mark.parametrize("order", [1, 2, 3])
@torch.no_grad()
def test_chebyshev_filters_are_those_of_pyg(order: int, graph: GraphData) -> None:
    if graph.edge_weight is not None:  # PyG's degrees are sums over the edges that leave a node
        source, target = edge_index(graph)
        graph = replace(graph, edge_weight=((source + 1) * (target + 1)).float())
    model = built(f"model=cheb model.order={order} model.num_layers={2 * order}", graph)
    h = graph.x
    for lin, bias in zip(model.lins, model.biases, strict=True):
        bias.normal_()
        stock = ChebConv(h.shape[1], len(bias), K=order + 1)
        weights = lin.weight.split(len(bias))
        stock.load_state_dict(
            {"bias": bias, **{f"lins.{k}.weight": weight for k, weight in enumerate(weights)}}
        )
        h = stock(h if lin is model.lins[0] else h.relu(), edge_index(graph), graph.edge_weight)
    torch.testing.assert_close(logits(model, graph), h)
    assert model.nonreg_parameters() == [model.lins[1].weight, model.biases[1]]


def test_hops_that_chebyshev_filters_cannot_share_are_refused(graph: GraphData) -> None:
    with pytest.raises(ConfigError, match="multiple of model.order=2, .* got 5; try 4"):
        built("model=cheb model.order=2 model.num_layers=5", graph)


@torch.no_grad()
def test_gcnii_is_made_of_pygs_layers(graph: GraphData) -> None:
    model = built("model=gcn2 model.hidden_channels=8 model.num_layers=3", graph)
    h = first = model.lins[0](graph.x).relu()
    for number, conv in enumerate(model.convs, start=1):
        stock = GCN2Conv(8, alpha=0.1, theta=0.5, layer=number)
        stock.load_state_dict(conv.state_dict())
        h = stock(h, first, edge_index(graph), graph.edge_weight).relu()
    torch.testing.assert_close(logits(model, graph), model.lins[1](h))
    decayed_less = {id(parameter) for parameter in model.nonreg_parameters()}
    assert decayed_less == {id(p) for linear in model.lins for p in linear.parameters()}


@pytest.mark.parametrize("chunk_edges", [None, 25])
@torch.no_grad()
def test_sgc_is_that_of_pyg(chunk_edges: int | None, graph: GraphData) -> None:
    model = built("model=sgc model.num_hops=3", graph)
    stock = SGConv(graph.spec.num_features, graph.num_classes, K=3)
    stock.load_state_dict(model.state_dict())
    prepared = precomputed(model, graph, CPU, chunk_edges)
    expected = stock(graph.x, edge_index(graph), graph.edge_weight)
    torch.testing.assert_close(logits(model, prepared), expected)
    assert model.nonreg_parameters() == []


@pytest.mark.filterwarnings("ignore:Sparse")  # of PyG's transform
@pytest.mark.parametrize("chunk_edges", [None, 25])
@torch.no_grad()
def test_sign_reads_the_features_of_all_hops_as_pyg_makes_them(
    chunk_edges: int | None, graph: GraphData
) -> None:
    model = built("model=sign model.num_hops=2", graph)
    edges = {"edge_index": edge_index(graph), "edge_weight": graph.edge_weight}
    data = transforms.SIGN(2)(Data(x=graph.x, num_nodes=30, **edges))
    prepared = precomputed(model, graph, CPU, chunk_edges)
    torch.testing.assert_close(prepared.x, torch.cat([data.x, data.x1, data.x2], 1))
    hops = zip(model.lins, (data.x, data.x1, data.x2), strict=True)
    expected = model.head(torch.cat([linear(x) for linear, x in hops], 1).relu())
    torch.testing.assert_close(logits(model, prepared), expected)


@pytest.mark.parametrize("name", ["sgc", "sign"])
def test_propagated_features_stay_as_narrow_as_they_were_stored(
    name: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=30, num_edges=120)
    model = built(f"model={name}", graph)
    exact = precomputed(model, graph, CPU).x
    narrow = precomputed(model, replace(graph, x=graph.x.bfloat16()), CPU).x
    assert narrow.dtype == torch.bfloat16
    torch.testing.assert_close(narrow.float(), exact, rtol=2**-6, atol=2**-6)


def test_other_models_read_the_features_as_they_are(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph()
    assert precomputed(built("model=gcn", graph), graph, CPU) is graph

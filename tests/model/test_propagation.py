"""Models that propagate: the numbers of PyG's layers, and whose weight decay is whose."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.nn import APPNP, GCN2Conv

from redditgnn.config import compose_settings
from redditgnn.graph import Block, GraphData
from redditgnn.inference import ExactInference

CPU = torch.device("cpu")


def built(overrides: str, graph: GraphData) -> nn.Module:
    narrow = ["model.hidden_channels=8"]
    return compose_settings([*narrow, *overrides.split()]).build("model", graph.spec).eval()


def logits(model: nn.Module, graph: GraphData) -> Tensor:
    return ExactInference(graph, CPU, chunk_edges=None)(model)


def edge_index(graph: GraphData) -> Tensor:
    return Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree).edge_index


@torch.no_grad()
def test_appnp_is_that_of_pyg(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=30, num_edges=120)
    model = built("model=appnp model.num_layers=5 model.alpha=0.2", graph)
    first, second = model.lins
    predicted = second(first(graph.x).relu())
    expected = APPNP(K=5, alpha=0.2)(predicted, edge_index(graph))
    torch.testing.assert_close(logits(model, graph), expected)
    assert model.nonreg_parameters() == [second.weight, second.bias]


@torch.no_grad()
def test_gcnii_is_made_of_pygs_layers(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=30, num_edges=120)
    model = built("model=gcn2 model.num_layers=3", graph)
    h = first = model.lins[0](graph.x).relu()
    for number, conv in enumerate(model.convs, start=1):
        stock = GCN2Conv(8, alpha=0.1, theta=0.5, layer=number)
        stock.load_state_dict(conv.state_dict())
        h = stock(h, first, edge_index(graph)).relu()
    torch.testing.assert_close(logits(model, graph), model.lins[1](h))
    decayed_less = {id(parameter) for parameter in model.nonreg_parameters()}
    assert decayed_less == {id(p) for linear in model.lins for p in linear.parameters()}

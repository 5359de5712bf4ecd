"""SAGE, GCN and GCNII over blocks: PyG's numbers, in either order, from lazy rows or tensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import GCN2Conv, GCNConv, GINConv, SAGEConv

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows
from redditgnn.nn import convs as conv_linear
from redditgnn.nn.convs import (
    LinearGCN2Conv,
    LinearGCNConv,
    LinearGINConv,
    LinearSAGEConv,
    transforms_first,
)

CONVS = {
    "sage": (LinearSAGEConv, SAGEConv, {}),
    "sage, normalised": (LinearSAGEConv, SAGEConv, {"normalize": True, "bias": False}),
    "sage without root": (LinearSAGEConv, SAGEConv, {"root_weight": False}),
    "gcn": (LinearGCNConv, GCNConv, {}),
    "gcn without bias": (LinearGCNConv, GCNConv, {"bias": False}),
}
every_conv = pytest.mark.parametrize(("mine", "stock", "options"), CONVS.values(), ids=CONVS.keys())
both_orders = pytest.mark.parametrize("first", [True, False], ids=["transform", "aggregate"])


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=30, num_edges=120, num_features=6)


def whole(graph: GraphData, **weight: Tensor) -> Block:
    return Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree, **weight)


def force(order: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv_linear, "transforms_first", lambda *_: order)


@every_conv
@both_orders
@pytest.mark.parametrize("lazy", [True, False])
def test_values_and_gradients_are_those_of_pyg(
    mine: type[nn.Module],
    stock: type[nn.Module],
    options: dict,
    first: bool,
    lazy: bool,
    graph: GraphData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    force(first, monkeypatch)
    fused, plain = mine(6, 4, **options), stock(6, 4, **options)
    plain.load_state_dict(fused.state_dict())
    block, grad = whole(graph), torch.linspace(-1, 1, 120).view(30, 4)
    inputs = [graph.x.clone().requires_grad_() for _ in range(2)]
    out = fused(Rows(graph.x) if lazy else inputs[0], block)
    expected = plain(inputs[1], block.edge_index)
    torch.testing.assert_close(out, expected)
    out.backward(grad)
    expected.backward(grad)
    for one, other in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    if not lazy:
        torch.testing.assert_close(inputs[0].grad, inputs[1].grad)


@every_conv
def test_with_an_edge_index_they_are_pygs_layers(
    mine: type[nn.Module], stock: type[nn.Module], options: dict, graph: GraphData
) -> None:
    fused, plain = mine(6, 4, **options), stock(6, 4, **options)
    plain.load_state_dict(fused.state_dict())
    edge_index = whole(graph).edge_index
    assert torch.equal(fused(graph.x, edge_index), plain(graph.x, edge_index))


@pytest.mark.parametrize("lazy", [True, False])
def test_gin_has_the_values_and_gradients_of_pyg(lazy: bool, graph: GraphData) -> None:
    fused, plain = (kind(nn.Linear(6, 4), train_eps=True) for kind in (LinearGINConv, GINConv))
    plain.load_state_dict(fused.state_dict())
    block, inputs = whole(graph), [graph.x.clone().requires_grad_() for _ in range(2)]
    out = fused(Rows(graph.x) if lazy else inputs[0], block)
    expected = plain(inputs[1], block.edge_index)
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    if not lazy:
        torch.testing.assert_close(inputs[0].grad, inputs[1].grad)


@pytest.mark.parametrize("shared_weights", [True, False])
def test_gcnii_has_the_values_and_gradients_of_pyg(shared_weights: bool, graph: GraphData) -> None:
    options = {"alpha": 0.2, "theta": 0.5, "layer": 3, "shared_weights": shared_weights}
    fused, plain = LinearGCN2Conv(6, **options), GCN2Conv(6, **options)
    plain.load_state_dict(fused.state_dict())
    block, first = whole(graph), graph.x.flip(0)
    inputs = [[t.clone().requires_grad_() for t in (graph.x, first)] for _ in range(2)]
    out, expected = fused(*inputs[0], block), plain(*inputs[1], block.edge_index)
    torch.testing.assert_close(out, expected)
    assert torch.equal(fused(*inputs[1], block.edge_index), expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    mine, stock = [*inputs[0], *fused.parameters()], [*inputs[1], *plain.parameters()]
    for one, other in zip(mine, stock, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@both_orders
@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize(
    "conv",
    [LinearSAGEConv(6, 4), LinearSAGEConv(6, 4, with_self=True), LinearGCNConv(6, 4)],
    ids=["sage", "sage gcn", "gcn"],
)
def test_equal_scales_by_row_are_the_same_as_by_edge(
    conv: nn.Module, lazy: bool, first: bool, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(first, monkeypatch)
    drawn = Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree * 3)
    row_scale = torch.full((30,), 3.0)
    by_row = Block(graph.rowptr, graph.col, graph.num_nodes, drawn.degree, row_scale=row_scale)
    weight = by_row.edge_scale
    by_edge = Block(graph.rowptr, graph.col, graph.num_nodes, drawn.degree, edge_scale=weight)
    h = Rows(graph.x) if lazy else graph.x
    torch.testing.assert_close(conv(h, by_row), conv(h, by_edge))


def test_what_a_sampler_did_not_draw_is_made_up_for_by_the_scales(graph: GraphData) -> None:
    twice = torch.cat([row.repeat(2) for row in graph.col.split(graph.degree.tolist())])
    halves = torch.full((len(twice),), 0.5)
    doubled = Block(2 * graph.rowptr, twice, 30, graph.degree, edge_scale=halves)
    gin = LinearGINConv(nn.Linear(6, 4))
    sage = LinearSAGEConv(6, 4), LinearSAGEConv(6, 4, with_self=True)
    for conv in (*sage, LinearGCNConv(6, 4), gin):
        torch.testing.assert_close(conv(graph.x, doubled), conv(graph.x, whole(graph)))


@pytest.mark.parametrize("lazy", [True, False])
def test_no_gradient_is_aggregated_towards_features(
    lazy: bool, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(False, monkeypatch)
    block = whole(graph)
    conv = LinearSAGEConv(6, 4)
    conv(Rows(graph.x) if lazy else graph.x, block).sum().backward()
    assert "transpose" not in vars(block.csr)


def test_the_cheaper_of_both_orders_is_taken(make_graph: Callable[..., GraphData]) -> None:
    block = whole(make_graph(num_nodes=100, num_edges=4000))
    wide, narrow = torch.randn(100, 602), torch.randn(100, 16)
    assert transforms_first(wide, block, 41)
    assert not transforms_first(narrow, block, 256)
    few = Block(block.rowptr[:3], block.col[: int(block.rowptr[2])], 100, block.degree)
    assert not transforms_first(Rows(wide), few, 256)  # two rows to multiply instead of a hundred

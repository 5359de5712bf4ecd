"""SAGE, GCN and GCNII over blocks: PyG's numbers, in either order, from lazy rows or tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import GCN2Conv, GCNConv, GINConv, SAGEConv

from redditgnn.graph.batch import Block
from redditgnn.graph.csr import row_of_edge
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


def whole(graph: GraphData) -> Block:
    """All edges. Weights are as precise as the features."""
    if graph.edge_weight is None:
        return Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree)
    weight, degree = (t.to(graph.x.dtype) for t in (graph.edge_weight, graph.weighted_degree))
    return Block(graph.rowptr, graph.col, graph.num_nodes, degree, edge_weight=weight)


def in_double(graph: GraphData) -> GraphData:
    """The graph with weights that differ by direction, some 0, and all those of node 3.

    Their sums are exact in float32.
    """
    generator = torch.Generator().manual_seed(1)
    weight = torch.randint(16, (graph.num_edges,), generator=generator) / 8
    weight[graph.rowptr[3] : graph.rowptr[4]] = 0
    return replace(graph, x=graph.x.double(), edge_weight=weight)


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


def assert_same_gradients(mine: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(mine, expected, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@both_orders
@pytest.mark.parametrize("lazy", [True, False])
def test_gcn_with_edge_weights_is_that_of_pyg(
    lazy: bool, first: bool, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(first, monkeypatch)
    graph = in_double(graph)
    fused, plain = LinearGCNConv(6, 4).double(), GCNConv(6, 4).double()
    plain.load_state_dict(fused.state_dict())
    block, inputs = whole(graph), [graph.x.clone().requires_grad_() for _ in range(2)]
    out = fused(Rows(graph.x) if lazy else inputs[0], block)
    expected = plain(inputs[1], block.edge_index, block.edge_weight)
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    assert_same_gradients([*fused.parameters()], [*plain.parameters()])
    if not lazy:
        assert_same_gradients(inputs[:1], inputs[1:])


@pytest.mark.parametrize("shared_weights", [True, False])
def test_gcnii_with_edge_weights_is_that_of_pyg(shared_weights: bool, graph: GraphData) -> None:
    graph = in_double(graph)
    options = {"alpha": 0.2, "theta": 0.5, "layer": 3, "shared_weights": shared_weights}
    fused, plain = LinearGCN2Conv(6, **options).double(), GCN2Conv(6, **options).double()
    plain.load_state_dict(fused.state_dict())
    block, initial = whole(graph), graph.x.flip(0)
    expected = plain(graph.x, initial, block.edge_index, block.edge_weight)
    torch.testing.assert_close(fused(graph.x, initial, block), expected)


def dense(graph: GraphData) -> Tensor:
    """The weights as a matrix, a row a destination."""
    matrix = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=torch.float64)
    matrix[row_of_edge(graph.rowptr), graph.col.long()] = graph.edge_weight.double()
    return matrix


def test_gin_sums_with_edge_weights(graph: GraphData) -> None:
    graph = in_double(graph)
    conv = LinearGINConv(nn.Linear(6, 4)).double()
    expected = conv.nn(dense(graph) @ graph.x + graph.x)
    torch.testing.assert_close(conv(graph.x, whole(graph)), expected)


@both_orders
@pytest.mark.parametrize("lazy", [True, False])
def test_the_means_of_sage_are_weighted(
    lazy: bool, first: bool, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(first, monkeypatch)
    graph = in_double(graph)
    weight, h = dense(graph), Rows(graph.x) if lazy else graph.x
    total = weight.sum(1, keepdim=True)
    assert (total == 0).sum() > (graph.degree == 0).sum()  # a mean of nothing is 0
    mean = weight @ graph.x / torch.where(total > 0, total, 1)
    conv = LinearSAGEConv(6, 4).double()
    expected = conv.lin_l(mean) + conv.lin_r(graph.x)
    torch.testing.assert_close(conv(h, whole(graph)), expected)
    conv = LinearSAGEConv(6, 4, with_self=True, root_weight=False).double()
    expected = conv.lin_l((weight @ graph.x + graph.x) / (total + 1))
    torch.testing.assert_close(conv(h, whole(graph)), expected)


def test_weights_of_one_change_nothing_beside_scales(graph: GraphData) -> None:
    generator = torch.Generator().manual_seed(2)
    scales = {
        "edge_scale": torch.rand(graph.num_edges, generator=generator) + 0.5,
        "row_scale": torch.rand(graph.num_nodes, generator=generator) + 0.5,
    }
    ones = torch.ones(graph.num_edges)
    sage = LinearSAGEConv(6, 4), LinearSAGEConv(6, 4, with_self=True)
    for conv in (*sage, LinearGCNConv(6, 4), LinearGINConv(nn.Linear(6, 4))):
        for name, scale in scales.items():
            arguments = graph.rowptr, graph.col, graph.num_nodes, graph.degree
            plain = Block(*arguments, **{name: scale})
            weighted = Block(*arguments, **{name: scale}, edge_weight=ones)
            torch.testing.assert_close(conv(graph.x, weighted), conv(graph.x, plain))


def test_a_weighted_mean_of_equally_likely_edges_is_that_of_the_drawn_ones(
    graph: GraphData,
) -> None:
    weight = torch.rand(graph.num_edges, generator=torch.Generator().manual_seed(2))
    complete = whole(replace(graph, edge_weight=weight))
    drawn = Block(
        graph.rowptr,
        graph.col,
        graph.num_nodes,
        5 * complete.degree,
        row_scale=torch.full((30,), 5.0),
        edge_weight=weight,
    )
    conv = LinearSAGEConv(6, 4)
    torch.testing.assert_close(conv(graph.x, drawn), conv(graph.x, complete))


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

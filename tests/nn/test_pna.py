"""PNA over blocks: PyG's numbers, without messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch_geometric.nn import PNAConv

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphData
from redditgnn.nn.pna import LinearPNAConv

AGGREGATORS = ["mean", "max", "min", "std"]
SCALERS = ["identity", "amplification", "attenuation"]


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=30, num_edges=50, num_features=6)  # some nodes without neighbours


def whole(graph: GraphData) -> Block:
    return Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree)


def conv(kind: type[PNAConv], graph: GraphData, **options: object) -> PNAConv:
    torch.manual_seed(0)
    deg = torch.bincount(graph.degree)
    return kind(6, 4, AGGREGATORS, SCALERS, deg=deg, **options)


@pytest.mark.parametrize("towers", [1, 2])
def test_values_and_gradients_are_those_of_pyg(towers: int, graph: GraphData) -> None:
    fused, plain = (conv(kind, graph, towers=towers) for kind in (LinearPNAConv, PNAConv))
    plain.load_state_dict(fused.state_dict())
    block, inputs = whole(graph), [graph.x.clone().requires_grad_() for _ in range(2)]
    assert graph.degree.min() == 0
    out, expected = fused(inputs[0], block), plain(inputs[1], block.edge_index)
    torch.testing.assert_close(out, expected)
    assert torch.equal(fused(inputs[1], block.edge_index), expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    mine, stock = [inputs[0], *fused.parameters()], [inputs[1], *plain.parameters()]
    for one, other in zip(mine, stock, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_scalers_read_the_degrees_of_the_graph_and_not_of_the_batch(graph: GraphData) -> None:
    layer = conv(LinearPNAConv, graph)
    drawn = whole(graph)
    row_scale = torch.full((30,), 3.0)
    thrice = Block(drawn.rowptr, drawn.col, 30, 3 * graph.degree, row_scale=row_scale)
    assert not torch.allclose(layer(graph.x, thrice), layer(graph.x, drawn))
    unscaled = LinearPNAConv(6, 4, AGGREGATORS, SCALERS[:1], deg=torch.bincount(graph.degree))
    torch.testing.assert_close(unscaled(graph.x, thrice), unscaled(graph.x, drawn))


def test_edges_that_weigh_less_count_less_in_means(graph: GraphData) -> None:
    layer = LinearPNAConv(6, 4, ["mean", "std"], SCALERS, deg=torch.bincount(graph.degree))
    twice = torch.cat([row.repeat(2) for row in graph.col.split(graph.degree.tolist())])
    halves = torch.full((len(twice),), 0.5)
    doubled = Block(2 * graph.rowptr, twice, 30, graph.degree, edge_scale=halves)
    torch.testing.assert_close(layer(graph.x, doubled), layer(graph.x, whole(graph)))

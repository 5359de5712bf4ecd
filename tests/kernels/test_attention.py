"""The torch reference of attention, and PyG's layers over it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GATConv, GATv2Conv

from redditgnn.graph import Block, GraphData
from redditgnn.kernels.attention import gat_attention, gatv2_attention
from redditgnn.kernels.conv import FusedGATConv, FusedGATv2Conv

PAIRS = {"GAT": (FusedGATConv, GATConv), "GATv2": (FusedGATv2Conv, GATv2Conv)}
DEGREES = {
    "no edges at all": [0, 0, 0],
    "isolated node between hubs": [40, 0, 33],
    "one edge": [1],
    "two rows": [2, 3],
}


def inputs(degrees: list[int], heads: int = 2, channels: int = 3) -> tuple[Tensor, ...]:
    """Random value, score_src, score_dst, rowptr, col of a graph with these in-degrees."""
    torch.manual_seed(0)
    rowptr = torch.tensor([0, *degrees]).cumsum(0)
    col = torch.randint(7, (sum(degrees),), dtype=torch.int32)
    value, score_src = torch.randn(7, heads, channels), torch.randn(7, heads)
    return value, score_src, torch.randn(len(degrees), heads), rowptr, col


def whole_block(graph: GraphData) -> Block:
    return Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree, None)


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("fused_and_stock", PAIRS.values(), ids=PAIRS.keys())
def test_the_layer_equals_that_of_pyg_with_the_same_weights(
    fused_and_stock: tuple[type, type], concat: bool, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=30, num_edges=120)
    block = whole_block(graph)
    fused, stock = (cls(5, 4, heads=3, concat=concat) for cls in fused_and_stock)
    fused.load_state_dict(stock.state_dict())
    mine, theirs = graph.x.clone().requires_grad_(), graph.x.clone().requires_grad_()
    out = fused(mine, *block.with_self_loops)
    expected = stock(theirs, block.edge_index)
    torch.testing.assert_close(out, expected)
    weight = torch.randn_like(out)
    (out * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad)
    for name, parameter in stock.named_parameters():
        torch.testing.assert_close(fused.get_parameter(name).grad, parameter.grad)


@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES.keys())
def test_attention_is_a_softmax_over_each_row(degrees: list[int]) -> None:
    value, score_src, score_dst, rowptr, col = inputs(degrees)
    out = gat_attention(value, score_src, score_dst, rowptr, col, negative_slope=0.2, dropout=0.0)
    for row, (start, stop) in enumerate(zip(rowptr[:-1], rowptr[1:], strict=True)):
        near = col[start:stop]
        logit = torch.nn.functional.leaky_relu(score_src[near] + score_dst[row], 0.2)
        expected = (logit.softmax(0)[:, :, None] * value[near]).sum(0)
        torch.testing.assert_close(out[row], expected)


def test_a_huge_score_does_not_overflow() -> None:
    value, score_src, score_dst, rowptr, col = inputs([5, 3])
    out = gat_attention(
        value, score_src * 1e4, score_dst, rowptr, col, negative_slope=0.2, dropout=0.0
    )
    assert out.isfinite().all()


@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES.keys())
def test_gradients_are_those_of_finite_differences(degrees: list[int]) -> None:
    value, score_src, score_dst, rowptr, col = inputs(degrees)
    doubles = [t.double().requires_grad_() for t in (value, score_src, score_dst)]
    assert torch.autograd.gradcheck(
        lambda *args: gat_attention(*args, rowptr, col, negative_slope=0.2, dropout=0.0), doubles
    )
    query = torch.randn(len(degrees), 2, 3, dtype=torch.float64, requires_grad=True)
    att = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *args: gatv2_attention(*args, rowptr, col, negative_slope=0.2, dropout=0.0),
        [doubles[0], query, att],
    )


def test_dropout_keeps_the_mean_and_zeroes_the_given_share() -> None:
    value = torch.ones(1, 1, 1)
    rowptr, col = torch.arange(0, 40_001, 2), torch.zeros(40_000, dtype=torch.int32)
    scores = torch.zeros(1, 1), torch.zeros(20_000, 1)
    out = gat_attention(value, *scores, rowptr, col, negative_slope=0.2, dropout=0.3)
    shares = [(out.view(-1) - x).abs().lt(1e-5).float().mean() for x in (0.0, 0.5 / 0.7, 1 / 0.7)]
    torch.testing.assert_close(
        torch.stack(shares), torch.tensor([0.09, 0.42, 0.49]), atol=0.015, rtol=0
    )

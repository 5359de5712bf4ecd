"""The fused layers against PyG's own, from plain edges and from a CSR."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GATConv, GATv2Conv

from redditgnn.errors import ConfigError
from redditgnn.graph.batch import Block
from redditgnn.graph.csr import CSR
from redditgnn.graph.data import GraphData
from redditgnn.kernels.backend import use_backend
from redditgnn.nn import attention as conv_module
from redditgnn.nn.attention import FusedGATConv, FusedGATv2Conv

PAIRS = {"GAT": (FusedGATConv, GATConv), "GATv2": (FusedGATv2Conv, GATv2Conv)}
SETTINGS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "heads averaged": {"concat": False},
    "without self-loops": {"add_self_loops": False},
    "residual, no bias": {"residual": True, "bias": False},
    "a steep slope": {"negative_slope": 1.5},
}

every_layer = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())


@pytest.fixture(params=["torch", "numba"], autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with use_backend(request.param, torch.device("cpu")):
        yield request.param


def twins(pair: tuple[type, type], *args: Any, **settings: Any) -> tuple[Any, Any]:
    """A fused layer and PyG's, with the same weights."""
    torch.manual_seed(0)
    fused, stock = (cls(*args, **settings) for cls in pair)
    fused.load_state_dict(stock.state_dict())
    return fused, stock


def random_edges(num_src: int, num_dst: int, num_edges: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(num_src, (num_edges,), generator=generator)
    return torch.stack([source, torch.randint(num_dst, (num_edges,), generator=generator)])


def assert_same(fused: Any, stock: Any, x: Any, mine: Any, theirs: Any) -> None:
    """Output and gradients of input and parameters agree."""
    pieces = list(x) if isinstance(x, tuple) else [x]
    results = []
    for layer, edges in ((fused, mine), (stock, theirs)):
        leaves = [piece.clone().requires_grad_() for piece in pieces]
        out = layer(tuple(leaves) if isinstance(x, tuple) else leaves[0], edges)
        weight = torch.linspace(-1, 1, out.numel()).view(out.shape)
        grads = torch.autograd.grad((out * weight).sum(), [*leaves, *layer.parameters()])
        results.append([out, *grads])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@every_layer
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_with_edges_as_pyg_takes_them_the_numbers_are_those_of_pyg(
    pair: tuple[type, type], settings: dict[str, Any]
) -> None:
    fused, stock = twins(pair, 5, 4, heads=3, **settings)
    edges = random_edges(20, 20, 90)  # with self-loops and parallel edges
    assert_same(fused, stock, torch.randn(20, 5), edges, edges)


@every_layer
@pytest.mark.parametrize("sizes", [(20, 8), (8, 20)])
def test_with_sources_and_destinations_apart_too(
    pair: tuple[type, type], sizes: tuple[int, int]
) -> None:
    fused, stock = twins(pair, (5, 6), 4, heads=2)
    edges = random_edges(*sizes, 70)
    x = torch.randn(sizes[0], 5), torch.randn(sizes[1], 6)
    assert_same(fused, stock, x, edges, edges)


@every_layer
def test_with_the_csr_of_a_block_too(
    pair: tuple[type, type], make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=30, num_edges=120)
    block = Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree, None)
    fused, stock = twins(pair, 5, 4, heads=3)
    assert_same(fused, stock, graph.x, block.csr_with_self_loops, block.edge_index)


@every_layer
def test_destinations_that_are_the_first_sources_need_no_states_of_their_own(
    pair: tuple[type, type],
) -> None:
    fused, _ = twins(pair, 5, 4, heads=2)
    csr = CSR.from_edge_index(random_edges(20, 8, 50), 20, 8)
    x = torch.randn(20, 5)
    torch.testing.assert_close(fused(x, csr), fused((x, x[:8]), csr))


@every_layer
def test_the_csr_of_edges_is_kept_while_they_live_and_do_not_change(
    pair: tuple[type, type],
) -> None:
    fused, stock = twins(pair, 5, 4)
    edges, x = random_edges(9, 9, 30), torch.randn(9, 5)
    fused(x, edges)
    kept = dict(conv_module._csrs[edges])
    fused(x, edges)
    assert dict(conv_module._csrs[edges]) == kept
    edges[1] = (edges[1] + 1) % 9
    torch.testing.assert_close(fused(x, edges), stock(x, edges))
    before = len(conv_module._csrs)
    del edges
    gc.collect()
    assert len(conv_module._csrs) == before - 1


@every_layer
def test_edges_that_do_not_tell_of_changes_are_read_anew(pair: tuple[type, type]) -> None:
    fused, stock = twins(pair, 5, 4)
    with torch.inference_mode():
        edges, x = random_edges(9, 9, 30), torch.randn(9, 5)
        fused(x, edges)
        edges[1] = (edges[1] + 1) % 9
        torch.testing.assert_close(fused(x, edges), stock(x, edges))


@every_layer
def test_in_training_attention_is_dropped_and_in_evaluation_it_is_not(
    pair: tuple[type, type],
) -> None:
    fused, stock = twins(pair, 5, 4, heads=2, dropout=0.5)
    edges, x = random_edges(20, 20, 90), torch.randn(20, 5)
    torch.testing.assert_close(fused.eval()(x, edges), stock.eval()(x, edges))
    assert not torch.equal(fused.train()(x, edges), fused(x, edges))


@every_layer
@pytest.mark.parametrize("settings", [{"edge_dim": 3}, {"flow": "target_to_source"}])
def test_what_the_fused_layer_cannot_do_is_refused(
    pair: tuple[type, type], settings: dict[str, Any]
) -> None:
    layer = pair[0](5, 4, **settings)
    with pytest.raises(ConfigError, match="takes no edge_dim and only flow=source_to_target"):
        layer(torch.randn(9, 5), random_edges(9, 9, 5))


def test_value_dropout_drops_what_is_summed_and_not_what_scores_come_from() -> None:
    torch.manual_seed(0)
    conv = FusedGATConv(4, 8, heads=2, value_dropout=0.5, add_self_loops=False, bias=False)
    edge_index = torch.tensor([[1], [0]])  # one neighbour: its attention is 1, whatever the scores
    x = torch.randn(2, 4)
    value = conv.lin(x)[1]
    seen = {
        abs(round(float(r), 4))
        for _ in range(20)
        for r in (conv(x, edge_index)[0] / value).detach()
    }
    assert seen == {0.0, 2.0}
    torch.testing.assert_close(conv.eval()(x, edge_index)[0], value)

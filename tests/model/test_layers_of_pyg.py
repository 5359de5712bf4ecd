"""Models are PyG's layers: same weights, same numbers, same names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch_geometric.nn import GCNConv, SAGEConv
from torch_geometric.nn.aggr import LSTMAggregation

from redditgnn.errors import ConfigError
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphData, GraphSpec
from redditgnn.model.gat import GAT
from redditgnn.model.gcn import GCN
from redditgnn.model.pyg import PygStack
from redditgnn.model.sage import GraphSAGE
from redditgnn.nn.lstm import PackedLSTMAggregation

SPEC = GraphSpec(num_nodes=30, num_features=5, num_classes=3, multi_label=False)
PLAIN = {
    "hidden_channels": 8,
    "num_layers": 2,
    "dropout": 0.5,
    "input_dropout": 0.0,
    "norm": None,
    "residual": False,
    "jk": None,
}
ATTENTION = {
    "heads": 2,
    "out_heads": 1,
    "attention_dropout": 0.0,
    "value_dropout": 0.0,
    "negative_slope": 0.2,
}


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=30, num_edges=120)


@pytest.fixture
def block(graph: GraphData) -> Block:
    return Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree, None)


def first_layer(model, graph: GraphData, block: Block) -> torch.Tensor:
    return model.eval().convolve(model.convs[0], graph.x, block)


def test_gcn_normalises_as_pyg_does(graph: GraphData, block: Block) -> None:
    model, stock = GCN(SPEC, **PLAIN), GCNConv(5, 8)
    stock.load_state_dict(model.convs[0].state_dict())
    torch.testing.assert_close(first_layer(model, graph, block), stock(graph.x, block.edge_index))


@pytest.mark.parametrize("aggr", ["mean", "max"])
def test_sage_aggregates_as_pyg_does(aggr: str, graph: GraphData, block: Block) -> None:
    model = GraphSAGE(SPEC, aggr=aggr, **PLAIN)
    stock = SAGEConv(5, 8, aggr=aggr, project=aggr == "max")
    stock.load_state_dict(model.convs[0].state_dict())
    torch.testing.assert_close(first_layer(model, graph, block), stock(graph.x, block.edge_index))


def test_sage_gcn_averages_a_node_with_its_neighbours(graph: GraphData, block: Block) -> None:
    model = GraphSAGE(SPEC, aggr="gcn", **PLAIN)
    stock = SAGEConv(5, 8, aggr="mean", root_weight=False)
    stock.load_state_dict(model.convs[0].state_dict())
    loops = torch.arange(30).expand(2, -1)
    expected = stock(graph.x, torch.cat([block.edge_index, loops], 1))
    torch.testing.assert_close(first_layer(model, graph, block), expected)


def test_the_lstm_is_that_of_pyg_where_no_sequence_is_padded() -> None:
    packed, stock = PackedLSTMAggregation(4, 6), LSTMAggregation(4, 6)
    packed.load_state_dict(stock.state_dict())
    x, index = torch.randn(12, 4), torch.arange(4).repeat_interleave(3)
    torch.testing.assert_close(packed(x, index, dim_size=4), stock(x, index, dim_size=4))


def test_the_lstm_of_a_node_does_not_depend_on_the_degrees_of_others() -> None:
    lstm = PackedLSTMAggregation(4, 6)
    x = torch.randn(7, 4)
    index = torch.tensor([0, 0, 2, 2, 2, 2, 3])
    together = lstm(x, index, dim_size=5)
    alone = lstm(x[:2], index[:2], dim_size=1)
    torch.testing.assert_close(together[:1], alone)
    assert together[[1, 4]].eq(0).all()


def test_every_parameter_gets_a_gradient_and_dropout_acts_in_training_only(
    graph: GraphData, block: Block
) -> None:
    model = GraphSAGE(SPEC, aggr="mean", **{**PLAIN, "input_dropout": 0.5})
    once = model.train().layer(0, graph.x, block, graph.x)
    assert not torch.equal(once, model.layer(0, graph.x, block, graph.x))
    once = model.eval().layer(0, graph.x, block, graph.x)
    assert torch.equal(once, model.layer(0, graph.x, block, graph.x))


def test_jumping_knowledge_reads_all_layers(graph: GraphData) -> None:
    model = GCN(SPEC, **{**PLAIN, "num_layers": 3, "jk": "cat"})
    assert model.head.in_features == 3 * 8
    assert model.convs[-1].out_channels == 8


def test_of_jk_last_a_linear_layer_reads_the_last_layer(graph: GraphData, block: Block) -> None:
    model = GCN(SPEC, **{**PLAIN, "norm": "batch", "jk": "last"}).eval()
    states = [graph.x]
    for index in range(2):
        states.append(model.layer(index, states[-1], block, graph.x))
    hidden = model.norms[1](model.convs[1](states[1], block.edge_index)).relu()
    torch.testing.assert_close(states[-1], hidden)
    torch.testing.assert_close(model.decode(states[1:]), model.head(hidden))
    assert model.decodes
    assert not model.reads_every_layer


def test_of_residual_linear_every_layer_adds_a_linear_map_of_its_input(
    graph: GraphData, block: Block
) -> None:
    model = GCN(SPEC, **{**PLAIN, "num_layers": 3, "residual": "linear"}).eval()
    h = torch.randn(30, 8)
    expected = model.convs[1](h, block.edge_index) + h @ model.skips[1].weight.t()
    ours = model.layer(1, h, block, h)
    torch.testing.assert_close(ours, (expected + model.skips[1].bias).relu())


MISTAKES = {
    "hidden_channels": ({"hidden_channels": 0}, "model.hidden_channels must be positive, got 0"),
    "num_layers": ({"num_layers": 0}, "model.num_layers must be positive, got 0"),
    "dropout": ({"dropout": 1.0}, r"model.dropout must be in \[0, 1\), got 1.0"),
    "input_dropout": ({"input_dropout": -0.1}, r"model.input_dropout must be in \[0, 1\)"),
    "heads": (
        {"heads": 3},
        "model.hidden_channels must be a multiple of model.heads=3, got 8; try 9",
    ),
    "out_heads": ({"out_heads": 0}, "model.out_heads must be positive, got 0"),
    "attention": ({"attention_dropout": 2.0}, r"model.attention_dropout must be in \[0, 1\)"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_wrong_setting_is_named(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GAT(SPEC, **{**PLAIN, **ATTENTION, **change})


def test_a_convolution_that_needs_the_whole_graph_is_noticed() -> None:
    from torch_geometric.nn import ChebConv, GraphConv, TAGConv, TransformerConv

    local = {cls: PygStack(SPEC, conv=cls, **PLAIN) for cls in (GraphConv, TransformerConv)}
    assert not any(model.whole_graph_only for model in local.values())
    assert PygStack(SPEC, conv=GCNConv, **PLAIN).whole_graph_only
    assert PygStack(SPEC, conv=TAGConv, **PLAIN).whole_graph_only
    with pytest.raises(ConfigError, match="ChebConv cannot be built .*KEY=VALUE"):
        PygStack(SPEC, conv=ChebConv, **PLAIN)


def test_a_samplers_scales_reach_sums_and_nothing_else(graph: GraphData) -> None:
    from torch_geometric.nn import ClusterGCNConv, GraphConv

    def build(**arguments: str) -> PygStack:
        return PygStack(SPEC, conv=partial(GraphConv, **arguments), **PLAIN).eval()

    halves = torch.full((2 * graph.num_edges,), 0.5)
    rowptr, col = (
        2 * graph.rowptr,
        torch.cat([row.repeat(2) for row in graph.col.split(graph.degree.tolist())]),
    )
    weighted = Block(rowptr, col, graph.num_nodes, graph.degree, halves)
    plain = Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree, None)
    for aggr in ("add", "mean", "max"):
        model = build(aggr=aggr)
        expected = model.convolve(model.convs[0], graph.x, plain)
        torch.testing.assert_close(model.convolve(model.convs[0], graph.x, weighted), expected)
    summing = PygStack(SPEC, conv=partial(SAGEConv, aggr="sum"), **PLAIN)
    with pytest.raises(ConfigError, match="SAGEConv sums over neighbours without an edge_weight"):
        summing.convolve(summing.convs[0], graph.x, weighted)
    assert PygStack(SPEC, conv=ClusterGCNConv, **PLAIN).num_layers == 2


def test_a_convolution_with_another_width_is_refused() -> None:
    from torch_geometric.nn import TransformerConv

    def two_heads(in_channels: int, out_channels: int) -> TransformerConv:
        return TransformerConv(in_channels, out_channels, heads=2)

    with pytest.raises(ConfigError, match="must give 8 channels, two_heads gives 16"):
        PygStack(SPEC, conv=two_heads, **PLAIN)


def test_a_convolution_that_caches_is_refused() -> None:
    def cached(in_channels: int, out_channels: int) -> GCNConv:
        return GCNConv(in_channels, out_channels, cached=True)

    with pytest.raises(ConfigError, match="model.conv.cached must be false"):
        PygStack(SPEC, conv=cached, **PLAIN)


def test_a_warning_that_is_an_error_is_not_blamed_on_the_convolution() -> None:
    def outdated(in_channels: int, out_channels: int) -> GCNConv:
        warnings.warn("outdated", DeprecationWarning, stacklevel=2)
        return GCNConv(in_channels, out_channels)

    with pytest.raises(DeprecationWarning, match="^outdated$"):
        PygStack(SPEC, conv=outdated, **PLAIN)

"""The attention of every edge, as exact inference tells it, beside PyG's own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch_geometric.nn import GATConv, GATv2Conv

from redditgnn.config.compose import compose_settings
from redditgnn.evaluation.exact import EdgeAttention, ExactInference
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphData
from redditgnn.kernels.attention import coefficients
from redditgnn.kernels.backend import use_backend

CPU = torch.device("cpu")
PEERS = {"gat": GATConv, "gatv2": GATv2Conv}


def attention_of(
    graph: GraphData, model: str, chunk_edges: int | None
) -> tuple[torch.nn.Module, list[EdgeAttention]]:
    overrides = [f"model={model}", "model.hidden_channels=8", "model.heads=2"]
    network = compose_settings(overrides).build("model", graph.spec).eval()
    heard: list[EdgeAttention] = []
    inference = ExactInference(graph, CPU, chunk_edges=chunk_edges)
    with inference.edge_hook(heard.append):
        inference(network)
    return network, heard


def by_edge(source: torch.Tensor, destination: torch.Tensor, alpha: torch.Tensor) -> dict:
    pairs = zip(source.tolist(), destination.tolist(), strict=True)
    return dict(zip(pairs, alpha, strict=True))


@pytest.mark.parametrize("backend", ["torch", "auto"])
@pytest.mark.parametrize("chunk_edges", [30, None])
@pytest.mark.parametrize("model", PEERS)
@torch.no_grad()
def test_every_layer_attends_as_pygs_layers_do(
    model: str,
    chunk_edges: int | None,
    backend: str,
    make_graph: Callable[..., GraphData],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coefficients, "NUMBERS_AT_ONCE", 100)  # several pieces
    graph = make_graph(num_nodes=40, num_edges=160)
    with use_backend(backend, CPU) if backend == "torch" else nullcontext():
        network, heard = attention_of(graph, model, chunk_edges)
    h = graph.x
    block = Block(graph.rowptr, graph.col, graph.num_nodes, graph.degree)
    for index, (conv, heads) in enumerate(zip(network.convs, (2, 1), strict=True)):
        peer = PEERS[model](h.size(1), conv.out_channels, heads, concat=index == 0)
        peer.load_state_dict(conv.state_dict())
        out, (edges, alpha) = peer(h, block.edge_index, return_attention_weights=True)
        pieces = [piece for piece in heard if piece.layer == index]
        columns = [torch.cat(parts) for parts in list(zip(*pieces, strict=True))[1:]]
        ours, theirs = by_edge(*columns), by_edge(*edges, alpha)
        assert len(pieces) > 1
        assert ours.keys() == theirs.keys()
        for edge, coefficient in theirs.items():
            torch.testing.assert_close(ours[edge], coefficient, rtol=1e-5, atol=1e-6)
        h = torch.nn.functional.elu(out)


def test_nobody_hears_the_attention_of_later_passes(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph()
    network, heard = attention_of(graph, "gat", None)
    before = len(heard)
    ExactInference(graph, CPU, chunk_edges=None)(network)
    assert len(heard) == before
    assert not coefficients.has_listener()

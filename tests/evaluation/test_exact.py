"""Exact inference: how the graph is cut, and what it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
import torch
from torch import Tensor

from redditgnn.config.compose import compose_settings
from redditgnn.evaluation.exact import LEAST_EDGES, ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows

CPU = torch.device("cpu")


def build(graph: GraphData, overrides: str):
    settings = compose_settings(["model.hidden_channels=8", *overrides.split()])
    return settings.build("model", graph.spec).eval()


@pytest.fixture
def gathers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows of features were gathered, gather by gather."""
    found: list[int] = []
    stored = Rows._read_table

    def counted(rows: Rows, pinned: bool) -> Tensor:
        if rows.node_ids is not None:
            found.append(len(rows))
        return stored(rows, pinned)

    monkeypatch.setattr(Rows, "_read_table", counted)
    return found


@pytest.mark.parametrize("model", ["model=sage", "model=gcn", "model=gat", "model=pyg"])
def test_chunks_gather_features_for_the_first_layer_only(
    model: str, make_graph: Callable[..., GraphData], gathers: list[int]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    ExactInference(graph, CPU, chunk_edges=graph.num_edges // 2)(
        build(graph, f"{model} model.num_layers=3")
    )
    assert 0 < len(gathers) <= 3  # chunks
    gathers.clear()
    ExactInference(graph, CPU, chunk_edges=None)(build(graph, f"{model} model.num_layers=3"))
    assert gathers == []


@pytest.mark.parametrize("chunk_edges", [40, None])
def test_features_that_every_layer_reads_are_encoded_once(
    chunk_edges: int | None, make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    network = build(graph, "model=gcn2 model.num_layers=3")
    seen: list[int] = []
    encode = network.encode
    monkeypatch.setattr(network, "encode", lambda rows: (seen.append(len(rows)), encode(rows))[1])
    ExactInference(graph, CPU, chunk_edges=chunk_edges)(network)
    assert sum(seen) == graph.num_nodes


@pytest.mark.parametrize("model", ["model=sage", "model=gcn", "model=gat"])
def test_features_stored_as_halves_give_nearly_the_same_logits(
    model: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    network = build(graph, model)
    exact = ExactInference(graph, CPU, chunk_edges=None)(network)
    stored = replace(graph, x=graph.x.bfloat16())
    for chunk_edges in (None, 25):
        logits = ExactInference(stored, CPU, chunk_edges=chunk_edges)(network)
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, exact, rtol=2**-5, atol=2**-5)


@pytest.mark.parametrize(
    ("free_bytes", "model", "num_chunks"),
    [
        (10**9, "model=sage", 1),
        (10**9, "model=gcn", 1),
        (0, "model=sage", 2),
        (10**7, "model=gat", 1),
        (10**7, "model=pyg", 2),  # messages of COO convolutions
    ],
)
def test_what_memory_holds_is_one_chunk(
    free_bytes: int,
    model: str,
    num_chunks: int,
    make_graph: Callable[..., GraphData],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = make_graph(num_nodes=400, num_edges=3 * LEAST_EDGES)
    assert LEAST_EDGES < graph.num_edges < 2 * LEAST_EDGES
    memory = psutil.virtual_memory()._replace(available=free_bytes)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    inference = ExactInference(graph, CPU, chunk_edges=None)
    inference(build(graph, model))
    assert len(inference._chunks) == num_chunks


def test_wide_nodes_count_as_edges_do(
    make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = make_graph(num_nodes=4000, num_edges=2 * LEAST_EDGES)
    memory = psutil.virtual_memory()._replace(available=2 * 10**7)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    inference = ExactInference(graph, CPU, chunk_edges=None)
    narrow = build(graph, "model=pna model.hidden_channels=8")
    wide = build(graph, "model=pna model.hidden_channels=64 model.num_layers=3")
    assert inference.most_edges(narrow) is None
    assert wide.bytes_per_node() == 4 * (64 + 64 * (1 + 4 * 3))  # aggregators and scalers
    assert inference.most_edges(wide) == LEAST_EDGES

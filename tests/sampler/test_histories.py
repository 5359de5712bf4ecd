"""Histories over an epoch: when they become exact, how old they are, where they lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from redditgnn.config import compose_settings
from redditgnn.graph import GraphData
from redditgnn.inference import Evaluator, ExactInference, LayeredModel, Upkeep

CPU = torch.device("cpu")
GAS = ["sampler=gas", "sampler.num_parts=5", "sampler.batch_size=1", "model.hidden_channels=8"]


def built(graph: GraphData, *overrides: str):
    """Return a model of three layers and a sampler for it."""
    settings = compose_settings(["model=gcn", "model.num_layers=3", *GAS, *overrides])
    torch.manual_seed(0)
    model = settings.build("model", graph.spec)
    return model, settings.build("sampler", graph, num_layers=3, device=CPU, seed=0)


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=40, num_edges=160)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[GraphData]:
    """The graph of every pass of exact inference."""
    found: list[GraphData] = []
    call = ExactInference.__call__

    def counted(self: ExactInference, model: LayeredModel):
        found.append(self._graph)
        return call(self, model)

    monkeypatch.setattr(ExactInference, "__call__", counted)
    return found


@pytest.mark.parametrize("chunk_edges", [None, 25])
@pytest.mark.parametrize("evaluated", [True, False])
def test_a_refresh_makes_all_histories_exact_at_once(
    graph: GraphData, evaluated: bool, chunk_edges: int | None, passes: list[GraphData]
) -> None:
    model, sampler = built(graph, "sampler.refresh_every=2")
    inference = ExactInference(graph, CPU, chunk_edges=chunk_edges)
    upkeep, evaluate = Upkeep(sampler, inference), Evaluator(graph, inference)
    for epoch in range(3):
        with upkeep(epoch, model):
            if evaluated:
                evaluate(model, "val")
    assert len(passes) == (3 if evaluated else 2)  # an evaluation's states are not computed twice
    with torch.no_grad():
        for batch in sampler:  # in one epoch, where pushing alone takes as many as layers
            inside = batch.node_ids[: batch.num_targets]
            torch.testing.assert_close(model(batch), inference(model)[inside])


def test_without_a_refresh_nothing_is_computed(graph: GraphData, passes: list[GraphData]) -> None:
    model, sampler = built(graph)
    with Upkeep(sampler, ExactInference(graph, CPU, chunk_edges=None))(1, model):
        pass
    assert passes == []
    assert sampler.histories.states == {}

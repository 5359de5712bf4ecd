"""Exact inference in several processes: the bits of one, each chunk computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.distributed.team import Alone, Team
from redditgnn.evaluation.exact import ExactInference
from redditgnn.evaluation.shared import SharedInference
from tests.conftest import random_graph

MODELS = ["sage", "appnp", "gcn2"]  # the last two read the encoded nodes, too
CPU = torch.device("cpu")


def counted(layer: Callable[..., torch.Tensor], calls: list[int]) -> Callable[..., torch.Tensor]:
    """Return `layer`, which appends its number to `calls`."""

    def call(index: int, *rest: Any) -> torch.Tensor:
        calls.append(index)
        return layer(index, *rest)

    return call


def digests(team: Team, max_edges: int | None, shared: bool) -> list[Any]:
    """The logits of each model as a digest, and how many layers of chunks it has computed."""
    torch.set_num_threads(1)
    graph = random_graph(num_nodes=90, num_edges=400)
    results: list[Any] = []
    for name in MODELS:
        torch.manual_seed(0)
        settings = compose_settings([f"model={name}", "model.hidden_channels=8"])
        model = settings.build("model", graph.spec).eval()
        kind, keywords = (SharedInference, {"team": team}) if shared else (ExactInference, {})
        inference = kind(graph, CPU, chunk_edges=max_edges, precision="fp32", **keywords)
        if shared:
            assert inference.is_shared(model) == (max_edges is not None)
        calls: list[int] = []
        model.layer = counted(model.layer, calls)
        logits = inference(model)
        results.append([hashlib.sha256(logits.numpy().tobytes()).hexdigest(), len(calls)])
    return results


@pytest.mark.parametrize(
    ("size", "max_edges"), [(2, 60), pytest.param(3, 220, marks=pytest.mark.slow)]
)
def test_processes_that_share_chunks_give_the_bits_of_one(in_team, size, max_edges):
    alone = digests(Alone(), max_edges, shared=False)
    parts = in_team(size, digests, max_edges, True)
    for number in range(len(MODELS)):
        assert {part[number][0] for part in parts} == {alone[number][0]}
        most, whole = max(part[number][1] for part in parts), alone[number][1]
        assert most < whole

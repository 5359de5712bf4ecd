"""Training on parts of a graph equals training on the whole of it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from redditgnn.distributed.team import Team
from torch import Tensor, nn

from redditgnn.distributed.batch_norm import synchronize_norms
from redditgnn.distributed.halo import HaloSettings
from redditgnn.evaluation.exact import precomputed
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.metric.classification import per_node_loss
from redditgnn.partition.parts import random_parts
from redditgnn.sampler.part import PartSampler
from tests.distributed.threads import on_each_rank
from tests.test_contract import CPU, MODELS, build_model, full_batch

LEAST_ROUNDING = 1e-6
ALL_MODELS = {
    **{name: text for name, text in MODELS.items() if name != "label_propagation"},
    "gcn, batch norm": "model=gcn model.norm=batch model.num_layers=3",
    "gin, one layer": "model=gin model.num_layers=1",
}


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    """Two graphs without an edge between them: a part may have no halo."""
    return make_graph(num_nodes=60, num_edges=260)


def owner_of(parts: list[Tensor], num_nodes: int) -> Tensor:
    owner = torch.empty(num_nodes, dtype=torch.int64)
    for rank, node_ids in enumerate(parts):
        owner[node_ids] = rank
    return owner


def random_owner(graph: GraphData, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return owner_of(random_parts(graph, size, generator), graph.num_nodes)


def gradient(model: nn.Module, batch: Batch) -> Tensor:
    """Loss and gradient of one step, as one vector."""
    model.zero_grad()
    batch.begin()
    loss = (batch.loss_weight * per_node_loss(model(batch), batch.y)).sum()
    loss.backward()
    return torch.cat([loss.detach().view(1), *(p.grad.flatten() for p in model.parameters())])


def without_dropout(overrides: str, graph: GraphData) -> nn.Module:
    model = build_model(overrides, graph.spec)
    for module in model.modules():
        for name in ("dropout", "input_dropout", "value_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return model.train()


def parted_gradients(
    overrides: str,
    graph: GraphData,
    owner: Tensor,
    size: int,
    halo: HaloSettings = HaloSettings(),  # noqa: B008
    steps: int = 1,
) -> list[Tensor]:
    """The sums over all ranks of the gradients of some steps, with weights that do not change."""
    whole = without_dropout(overrides, graph)

    def task(team: Team) -> list[Tensor]:
        model = copy.deepcopy(whole)
        synchronize_norms(model, team)
        facts = {"num_layers": model.num_layers, "device": CPU, "seed": 0}
        sampler = PartSampler(precomputed(model, graph, CPU), owner, team, halo, **facts)
        batches = [next(iter(sampler)) for _ in range(steps)]
        return [team.sum_(gradient(model, batch)) for batch in batches]

    return on_each_rank(size, task)[0]


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("overrides", ALL_MODELS.values(), ids=ALL_MODELS)
def test_the_first_gradient_is_that_of_the_whole_graph(overrides: str, graph: GraphData) -> None:
    model = without_dropout(overrides, graph)
    expected = gradient(model, full_batch(precomputed(model, graph, CPU), model.num_layers))
    for size in (2, 3):
        found = parted_gradients(overrides, graph, random_owner(graph, size), size)[0]
        assert relative_error(found, expected) < LEAST_ROUNDING

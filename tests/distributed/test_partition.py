"""Training on parts of a graph equals training on the whole of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from redditgnn.distributed.balance import balance_of, imbalance
from redditgnn.distributed.batch_norm import synchronize_norms
from redditgnn.distributed.boundary import drawn_rows
from redditgnn.distributed.exchange import StaleHalo
from redditgnn.distributed.halo import HaloSettings, part_of, route_of
from redditgnn.distributed.part_files import data_of
from redditgnn.distributed.team import Team
from redditgnn.evaluation.exact import precomputed
from redditgnn.graph.batch import Batch
from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.metric.classification import per_node_loss
from redditgnn.partition.parts import owners_of
from redditgnn.sampler.part import PartSampler, part_data
from tests.conftest import random_graph
from tests.distributed.threads import on_each_rank
from tests.test_contract import CPU, MODELS, build_model, full_batch

ROUNDING = 1e-6
ALL_MODELS = {
    **{name: text for name, text in MODELS.items() if name != "label_propagation"},
    "gcn, batch norm": "model=gcn model.norm=batch model.num_layers=3",
    "gin, one layer": "model=gin model.num_layers=1",
}


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=60, num_edges=260)


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


def on_parts(
    overrides: str,
    graph: GraphData,
    owner: Tensor,
    halo: HaloSettings = HaloSettings(),  # noqa: B008
    changes: Sequence[float] = (1.0,),
) -> list[Tensor]:
    """The mean gradients of some steps, before each of which all weights are multiplied.

    There are as many ranks as owners.
    """
    whole = without_dropout(overrides, graph)

    def task(team: Team) -> list[Tensor]:
        model, gradients = copy.deepcopy(whole), []
        synchronize_norms(model, team)
        facts = {"num_layers": model.num_layers, "device": CPU, "seed": 0}
        sampler = sampler_of(precomputed(model, graph, CPU), owner, team, halo, **facts)
        for change in changes:
            scale_weights(model, change)
            gradients.append(team.sum_(gradient(model, next(iter(sampler)))) / team.size)
        return gradients

    return on_each_rank(int(owner.max()) + 1, task)[0]


def sampler_of(
    graph: GraphData, owner: Tensor, team: Team, halo: HaloSettings, **facts: Any
) -> PartSampler:
    """The sampler of a rank, without files."""
    data = data_of(graph, owner, team.rank, team.size)
    return PartSampler(graph, data, team, halo, **facts)


def on_the_whole(overrides: str, graph: GraphData, change: float = 1.0) -> Tensor:
    """The gradient of `sampler=full`."""
    model = without_dropout(overrides, graph)
    scale_weights(model, change)
    return gradient(model, full_batch(precomputed(model, graph, CPU), model.num_layers))


@torch.no_grad()
def scale_weights(model: nn.Module, factor: float) -> None:
    for parameter in model.parameters():
        parameter.mul_(factor)


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("overrides", ALL_MODELS.values(), ids=ALL_MODELS)
def test_the_first_gradient_is_that_of_the_whole_graph(overrides: str, graph: GraphData) -> None:
    found = on_parts(overrides, graph, owners_of(graph, 3, "random", seed=3))[0]
    assert relative_error(found, on_the_whole(overrides, graph)) < ROUNDING


def two_components(graph: GraphData) -> tuple[GraphData, Tensor]:
    """`graph` without the edges between its first half and the rest, and owners of the two."""
    half = torch.arange(graph.num_nodes) < graph.num_nodes // 2
    row = torch.arange(graph.num_nodes).repeat_interleave(graph.degree)
    inside = half[row] == half[graph.col]
    counts = torch.bincount(row[inside], minlength=graph.num_nodes)
    return replace(graph, rowptr=pointers(counts), col=graph.col[inside]), (~half).long()


@pytest.mark.parametrize("overrides", ["model=gcn model.norm=batch", "model=gin"])
@pytest.mark.parametrize("case", ["metis", "no halo", "empty part", "no training nodes", "weights"])
def test_odd_parts_change_nothing(case: str, overrides: str, graph: GraphData) -> None:
    owner = owners_of(graph, 2, "metis", seed=0)
    if case == "no halo":
        graph, owner = two_components(graph)
    elif case == "empty part":
        owner = owner * 2
    elif case == "no training nodes":
        owner = graph.train_mask.long()
    elif case == "weights":
        weight = torch.rand(graph.num_edges, generator=torch.Generator().manual_seed(0))
        graph = replace(graph, edge_weight=weight)
    found = on_parts(overrides, graph, owner)[0]
    assert relative_error(found, on_the_whole(overrides, graph)) < ROUNDING


@pytest.mark.parametrize("overrides", ["model=sage", "model=gcn2 model.num_layers=3"])
def test_stale_gradients_are_exact_once_the_weights_rest(overrides: str, graph: GraphData) -> None:
    owner, rest = owners_of(graph, 3, "random", seed=0), [1.0] * 6
    stale = on_parts(overrides, graph, owner, HaloSettings(staleness=1), [1.0, 1.5, *rest])
    assert relative_error(stale[0], on_the_whole(overrides, graph)) < ROUNDING
    expected = on_the_whole(overrides, graph, 1.5)
    assert relative_error(stale[1], expected) > 0.01
    assert relative_error(stale[-1], expected) < ROUNDING


def test_smoothed_states_begin_with_the_first_arrival(graph: GraphData) -> None:
    def task(team: Team) -> list[float]:
        owner = owners_of(graph, 2, "random", seed=0)
        route = route_of(part_of(graph, owner, team.rank, 2), team)
        halo = StaleHalo(team, route, torch.float32, smoothing=0.75)
        arrivals = [
            halo.states_before(0, torch.full((30, 1), value)) for value in (8.0, 8.0, 4.0, 0.0)
        ]
        return [float(states.unique()) for states in arrivals]

    assert on_each_rank(2, task)[0] == [8.0, 8.0, 8.0, 7.0]


def test_a_narrow_wire_rounds_what_travels(graph: GraphData) -> None:
    owner = owners_of(graph, 2, "random", seed=0)
    found = on_parts("model=sage", graph, owner, HaloSettings(wire_dtype="bf16"))[0]
    assert 1e-5 < relative_error(found, on_the_whole("model=sage", graph)) < 1e-2


@pytest.mark.parametrize("model", ["sage", "gcn", "gin", "appnp", "gat", "gatv2"])
def test_all_of_the_boundary_is_exact_through_the_draw(model: str, graph: GraphData) -> None:
    owner = owners_of(graph, 3, "random", seed=0)
    found = on_parts(f"model={model}", graph, owner, HaloSettings(boundary_rate=1 - 1e-9))[0]
    assert relative_error(found, on_the_whole(f"model={model}", graph)) < ROUNDING


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_rows_are_drawn_with_the_boundary_rate_by_owner_and_reader_alike(rate: float) -> None:
    draws = [drawn_rows(7, rate, f"{key} 0 1") for key in range(2000)]
    assert torch.equal(draws[0], drawn_rows(7, rate, "0 0 1"))
    counts = torch.bincount(torch.cat(draws), minlength=7) / 2000
    noise = (rate * (1 - rate) / 2000) ** 0.5
    assert ((counts - rate).abs() < 4.5 * noise).all()
    assert all(len(rows) in (int(7 * rate), int(7 * rate) + 1) for rows in draws)


def test_logits_that_are_linear_in_the_edges_are_right_on_average(graph: GraphData) -> None:
    owner, num_draws = owners_of(graph, 2, "random", seed=0), 100
    model = without_dropout("model=appnp model.num_layers=2", graph)

    @torch.no_grad()
    def task(team: Team) -> tuple[Tensor, Tensor]:
        facts = {"num_layers": 2, "device": CPU, "seed": 0}
        sampler = sampler_of(graph, owner, team, HaloSettings(boundary_rate=0.3), **facts)
        draws = [model(next(iter(sampler))) for _ in range(num_draws)]
        return sampler.part.own, torch.stack(draws)

    for own, logits in on_each_rank(2, task):
        expected = model(full_batch(graph, 2))[own]
        noise = logits.std(0) / num_draws**0.5
        assert ((logits.mean(0) - expected).abs() < 4.5 * noise + 1e-6).all()


@pytest.mark.parametrize(
    ("halo", "share"),
    [
        (HaloSettings(), 1.0),
        (HaloSettings(staleness=1), 1.0),
        (HaloSettings(wire_dtype="bf16"), 0.5),
        (HaloSettings(boundary_rate=0.1), 0.1),
    ],
    ids=["exact", "stale", "bf16", "boundary"],
)
def test_a_step_sends_the_bytes_of_the_formula(
    halo: HaloSettings, share: float, make_graph: Callable[..., GraphData]
) -> None:
    graph, steps, width = make_graph(num_nodes=300, num_edges=3000), 8, 8
    owner = owners_of(graph, 3, "random", seed=0)

    def task(team: Team) -> float:
        model = without_dropout("model=sage model.num_layers=3", graph)
        facts = {"num_layers": model.num_layers, "device": CPU, "seed": 0}
        sampler = sampler_of(graph, owner, team, halo, **facts)
        before = team.traffic.sent_bytes
        for _ in range(steps):
            gradient(model, next(iter(sampler)))
        return (team.traffic.sent_bytes - before) / steps

    balance = balance_of(graph, owner, 3)
    assert sum(balance.nodes) == 300
    assert sum(balance.edges) == graph.num_edges
    expected = balance.sent_bytes(2 * 4 * width, halo)  # of two exchanges in float32
    assert expected == pytest.approx(share * 2 * 2 * 4 * width * sum(balance.halo))
    assert sum(on_each_rank(3, task)) == pytest.approx(expected, rel=0.01)


def test_metis_balances_edges_rather_than_nodes() -> None:
    hubs = torch.arange(400) < 20  # nodes of high degree, which differ in nothing else
    generator = torch.Generator().manual_seed(0)
    adjacency = torch.rand(400, 400, generator=generator) < 0.02
    adjacency |= hubs[:, None] & hubs
    adjacency = (adjacency | adjacency.T).fill_diagonal_(False)
    graph = replace(
        random_graph(400, 10),
        rowptr=pointers(adjacency.sum(1)),
        col=adjacency.nonzero()[:, 1].int(),
    )
    balance = balance_of(graph, owners_of(graph, 3, "metis", seed=0), 3)
    assert imbalance(balance.edges) < 1.06


def stored_batch(graph: GraphData, cut: str) -> Callable[[Team], Batch]:
    def task(team: Team) -> Batch:
        data = part_data(graph, team, cut, 0, stored=True)
        facts = {"num_layers": 2, "device": CPU, "seed": 0}
        return next(iter(PartSampler(graph, data, team, HaloSettings(), **facts)))

    return task


@pytest.mark.parametrize("cut", ["random", "metis"])
def test_a_part_is_read_from_its_files_the_second_time(
    cut: str, graph: GraphData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = torch.rand(graph.num_edges, generator=torch.Generator().manual_seed(0))
    task = stored_batch(replace(graph, cache_dir=tmp_path, edge_weight=weight), cut)
    computed = on_each_rank(2, task)
    monkeypatch.setattr("redditgnn.sampler.part.owners_of", pytest.fail)
    for one, other in zip(computed, on_each_rank(2, task), strict=True):
        for name in ("x", "node_ids", "rowptr", "col", "degree", "edge_weight", "loss_weight"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_parts_that_do_not_fit_together_are_cut_again(
    graph: GraphData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = replace(graph, cache_dir=tmp_path)
    on_each_rank(2, stored_batch(stored, "random"))
    folders = sorted(tmp_path.glob("part-*"))
    assert len(folders) == 2
    np.save(folders[0] / "cut_id.npy", 1)  # of another cut
    for _ in range(2):
        batches = on_each_rank(2, stored_batch(stored, "random"))
        assert sum(batch.num_targets for batch in batches) == graph.num_nodes
    assert not caplog.records
    (folders[1] / "x.npy").write_bytes(b"")
    on_each_rank(2, stored_batch(stored, "random"))
    assert "is damaged and is computed again" in caplog.text

"""Histories over an epoch: when they become exact, how old they are, where they lie."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.evaluation.evaluator import Evaluator, HistoryRefresh, history_refresh
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.histories.host import HostHistories, in_memory, on_disk
from redditgnn.histories.staleness import Ages
from redditgnn.histories.table import HistoryTable
from redditgnn.model.base import LayeredModel
from redditgnn.record.rows import HistoryRow

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
    refresh, evaluate = HistoryRefresh(sampler, inference, print), Evaluator(graph, inference)
    for epoch in range(3):
        with refresh(epoch, model):
            if evaluated:
                evaluate(model, "val")
    assert len(passes) == (3 if evaluated else 2)  # an evaluation's states are not computed twice
    with torch.no_grad():
        for batch in sampler:  # in one epoch, where pushing alone takes as many as layers
            inside = batch.node_ids[: batch.num_targets]
            torch.testing.assert_close(model(batch), inference(model)[inside])


def test_without_a_refresh_nothing_is_computed(graph: GraphData, passes: list[GraphData]) -> None:
    model, sampler = built(graph)
    with HistoryRefresh(sampler, ExactInference(graph, CPU, chunk_edges=None), print)(1, model):
        pass
    assert passes == []
    assert sampler.histories.states == {}


def trained(graph: GraphData, folder: Path, *overrides: str):
    """Train a model with dropout for three epochs; return the losses and the sampler."""
    settings = compose_settings(["model=gcn", "model.num_layers=3", *GAS, *overrides])
    torch.manual_seed(0)
    trainer = settings.build("trainer", device=CPU)
    model, sampler = built(graph, *overrides)
    optimizer = settings.build("optimizer", model)
    scheduler = settings.build("scheduler", optimizer)
    inference = ExactInference(graph, CPU, chunk_edges=None)
    rows: list[HistoryRow] = []
    losses: list[float] = []
    trainer.fit(
        model,
        optimizer,
        scheduler,
        sampler,
        Evaluator(graph, inference),
        folder / "best.pt",
        lambda row: losses.append(row.train_loss),
        history_refresh(sampler, graph, inference, rows.append),
    )
    return losses, sampler, rows


QUICK = ["trainer.epochs=3", "model.dropout=0.5"]


def test_histories_on_disk_are_those_in_memory_bit_by_bit(graph: GraphData, tmp_path: Path) -> None:
    kept = replace(graph, cache_dir=tmp_path)
    refreshed = "sampler.refresh_every=2"
    losses, sampler, _ = trained(kept, tmp_path, *QUICK, refreshed)
    on_disk, other, _ = trained(kept, tmp_path, *QUICK, refreshed, "sampler.history_device=disk")
    other.histories.settle()
    assert on_disk == losses
    assert sampler.histories.states.keys() == other.histories.states.keys() == {0, 1}
    for layer, states in sampler.histories.states.items():
        assert torch.equal(other.histories.states[layer], states)
    assert not list(tmp_path.glob("histories-*"))  # the files have no name


def test_a_batch_pulls_what_was_there_when_it_began() -> None:
    store = HostHistories(4, CPU, in_memory(CPU))
    first = store.of_batch(torch.tensor([3, 0, 1]), num_inside=2)
    h = torch.tensor([[1.0], [2.0]], requires_grad=True)
    assert first.exchange(0, h, torch.tensor([3, 0, 1])).tolist() == [[1.0], [2.0], [0.0]]
    second = store.of_batch(torch.tensor([1, 3, 0]), num_inside=1)
    second.begin()
    store.push(0, torch.tensor([[9.0]]), torch.tensor([3]))
    joined = second.exchange(0, h[:1] * 5, torch.tensor([1, 3, 0]))
    assert joined.tolist() == [[5.0], [1.0], [2.0]]
    joined.sum().backward()
    assert h.grad.tolist() == [[5.0], [0.0]]  # nothing flows into what was pulled
    store.settle()
    assert store.states[0].tolist() == [[2.0], [5.0], [0.0], [9.0]]


def test_an_error_of_the_thread_that_pushes_is_raised() -> None:
    store = HostHistories(4, CPU, in_memory(CPU))
    store.push(0, torch.zeros(1, 2), torch.tensor([7]))
    with pytest.raises(IndexError):
        store.settle()


def test_histories_that_the_disk_cannot_hold_are_refused(tmp_path: Path) -> None:
    new_table = on_disk(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        assert not new_table(4, 2, torch.float32).any()
        with pytest.raises(ConfigError, match="sampler.history_device=disk needs 1.0 GiB for a l"):
            new_table(2**20, 256, torch.float32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_room_for_histories_on_disk_is_taken_when_they_are_made(tmp_path: Path) -> None:
    before = shutil.disk_usage(tmp_path).free
    table = on_disk(tmp_path)(2**20, 16, torch.float32)
    assert before - shutil.disk_usage(tmp_path).free > 0.5 * table.numel() * table.element_size()


def test_ages_count_epochs_since_a_row_was_pushed() -> None:
    ages, exact = Ages(4), torch.ones(4, 2)
    ages.count_exchange(0, torch.tensor([0, 1]), torch.tensor([2]))  # 2 was never pushed
    ages.count_exchange(0, torch.tensor([2]), torch.tensor([0, 3]))  # 0 in this epoch, 3 never
    ages.epoch = 1
    history = torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 2.0], [7.0, 7.0]])
    row = ages.row(0, history, exact)
    assert (row.pulled_rows, row.pulled_never_pushed, row.nodes_never_pushed) == (3, 2, 1)
    assert (row.mean_age_epochs, row.max_age_epochs) == (0.0, 0)
    assert row.error_rows == 3
    assert row.mean_relative_error == pytest.approx((0 + 1 + 1 / 2**0.5) / 3)
    ages.epoch = 2
    ages.count_exchange(0, torch.tensor([3]), torch.tensor([0, 1, 2, 3]))
    ages.epoch = 3
    exact[3] = 0.0  # an error relative to nothing is none
    row = ages.row(0, history, exact)
    assert (row.pulled_rows, row.pulled_never_pushed, row.nodes_never_pushed) == (4, 1, 0)
    assert (row.mean_age_epochs, row.max_age_epochs, row.error_rows) == (2.0, 2, 3)
    ages.count_refresh(0)
    ages.count_exchange(0, torch.tensor([0]), torch.tensor([1, 2]))
    ages.epoch = 4
    assert ages.row(0, exact, exact).mean_age_epochs == 1.0


@pytest.mark.parametrize("device", ["auto", "disk"])
def test_staleness_of_a_run_tells_every_layer_of_every_epoch(
    device: str, graph: GraphData, tmp_path: Path
) -> None:
    logged = [*QUICK, "sampler.log_staleness=true", f"sampler.history_device={device}"]
    losses, _, rows = trained(graph, tmp_path, *logged)
    assert losses == trained(graph, tmp_path, *QUICK)[0]  # looking changes nothing
    assert [(row.epoch, row.layer) for row in rows] == [(e, n) for e in (1, 2, 3) for n in (0, 1)]
    assert rows[0].pulled_never_pushed > 0
    assert rows[-1].pulled_never_pushed == rows[-1].nodes_never_pushed == 0
    assert rows[-1].max_age_epochs == 1
    assert rows[0].mean_relative_error > 0


def test_a_batch_that_is_only_looked_at_is_no_epoch(graph: GraphData) -> None:
    model, sampler = built(graph, "sampler.log_staleness=true")
    next(iter(sampler))
    rows: list[HistoryRow] = []
    refresh = history_refresh(
        sampler, graph, ExactInference(graph, CPU, chunk_edges=None), rows.append
    )
    with refresh(0, model):
        pass
    for batch in sampler:
        model(batch)
    with refresh(1, model):
        pass
    assert [(row.epoch, row.max_age_epochs) for row in rows] == [(1, 0), (1, 0)]


def test_histories_that_are_refreshed_and_not_trained_on_have_no_error(graph: GraphData) -> None:
    model, sampler = built(graph, "sampler.refresh_every=1", "sampler.log_staleness=true")
    rows: list[HistoryRow] = []
    refresh = history_refresh(
        sampler, graph, ExactInference(graph, CPU, chunk_edges=None), rows.append
    )
    for epoch in range(2):
        with refresh(epoch, model), torch.no_grad():
            for batch in sampler if epoch else ():
                model.eval()(batch)
    assert [row.layer for row in rows] == [0, 1]
    assert all(row.mean_relative_error < 1e-6 for row in rows)


@pytest.mark.parametrize("name", ["gcn", "gcn2"])
def test_the_lipschitz_penalty_is_what_noise_changes_a_layer_by(
    name: str, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    weighted = ("sampler.lipschitz_weight=2", "sampler.lipschitz_noise=0.25", "model.dropout=0.5")
    model, sampler = built(graph, f"model={name}", *weighted)
    batch = next(iter(sampler))
    model.train()
    inputs: list[Tensor] = []
    exchange = HistoryTable.exchange
    monkeypatch.setattr(
        HistoryTable,
        "exchange",
        lambda *args: inputs.append(exchange(*args)) or inputs[-1],
    )
    model(batch)
    torch.manual_seed(5)
    penalty = batch.histories.penalty(model, batch)
    assert model.training
    torch.manual_seed(5)
    model.eval()
    expected = 0.0
    for index, h in enumerate(inputs, start=1):
        h0 = model.encode(batch.features)
        noisy = h + 0.25 * torch.randn_like(h)
        block = batch.block(index)
        moved = model.layer(index, noisy, block, h0) - model.layer(index, h, block, h0)
        expected += 2 * (moved**2).sum(1).sqrt().sum() / len(moved) / 2  # two layers read histories
    torch.testing.assert_close(penalty, expected)
    penalty.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in weights_of(model, 1))
    assert batch.histories.penalty(model, batch) is None  # nothing is kept for the next pass


def weights_of(model: nn.Module, layer: int) -> list[nn.Parameter]:
    return list(model.convs[layer].parameters())


def test_a_lipschitz_penalty_makes_layers_smoother(graph: GraphData, tmp_path: Path) -> None:
    quick = ["trainer.epochs=6", "model.dropout=0.0", "optimizer.lr=0.1"]

    def sensitivity(weight: float) -> float:
        regular = [f"sampler.lipschitz_weight={weight}", "sampler.lipschitz_noise=0.5"]
        trained(graph, tmp_path, *quick, *regular)
        weights = torch.load(tmp_path / "best.pt", weights_only=True)
        return sum(float(weights[f"convs.{layer}.lin.weight"].norm()) for layer in (1, 2))

    assert sensitivity(10.0) < 0.9 * sensitivity(0.0)

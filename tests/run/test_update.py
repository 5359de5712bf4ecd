"""protocol.update: later windows have models of their own, and none of them reads its future."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import torch

from redditgnn.graph.data import GraphData
from redditgnn.record import checkpoint
from redditgnn.record.checkpoint import Weights
from redditgnn.trainer.loop import Trainer
from tests.run.test_temporal import Train, in_time, poisoned, rows_of, train

__all__ = ["train"]  # the fixture

UPDATES = ("retrained", "warm_start")
LAST_BEFORE = {2: 33, 3: 36}  # the last event before a window of this number
GCN = ("model=gcn", "sampler=full")


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return in_time(make_graph(num_nodes=40, num_edges=160))


def last_folder(results_dir: Path) -> Path:
    return results_dir / "runs" / rows_of(results_dir / "runs.csv")[-1]["run_id"]


def weights_of(results_dir: Path, number: int) -> Weights:
    """Return the weights of the last run that answered the window of this number."""
    return checkpoint.load(last_folder(results_dir) / f"best-window-{number}.pt")


def ages_of(results_dir: Path) -> list[dict[str, str]]:
    return rows_of(last_folder(results_dir) / "ages.csv")


def are_equal(first: Weights, second: Weights) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first | second)


@pytest.mark.parametrize(
    ("update", "model", "sampler"),
    [
        ("retrained", "gcn", "full"),
        ("warm_start", "sage", "neighbor"),
        pytest.param("retrained", "gat", "gas", marks=pytest.mark.slow),
        pytest.param("warm_start", "gcn", "cluster", marks=pytest.mark.slow),
        pytest.param("warm_start", "sign", "full", marks=pytest.mark.slow),
    ],
)
def test_no_model_reads_anything_from_its_own_window_on(
    train: Train, graph: GraphData, tmp_path: Path, update: str, model: str, sampler: str
) -> None:
    in_parts = sampler in ("cluster", "gas")
    parts = ("sampler.num_parts=3", "sampler.batch_size=1") if in_parts else ()
    keys = (f"protocol.update={update}", f"model={model}", f"sampler={sampler}", *parts)
    train(graph, *keys)
    clean = {number: weights_of(tmp_path, number) for number in LAST_BEFORE}
    assert not are_equal(clean[2], clean[3])
    for number, last in LAST_BEFORE.items():
        train(poisoned(graph, last, 1e3), *keys)
        assert are_equal(clean[number], weights_of(tmp_path, number))


def test_no_model_reads_contacts_from_its_own_window_on(
    train: Train, make_graph: Callable[..., GraphData], tmp_path: Path
) -> None:
    graph = make_graph(num_nodes=40, num_edges=400)
    time = torch.arange(graph.num_edges) % 40
    keys = ("protocol.update=warm_start", *GCN)
    train(replace(graph, edge_time=time), *keys)
    clean = {number: weights_of(tmp_path, number) for number in LAST_BEFORE}
    y = torch.where(graph.test_mask, (graph.y + 1) % graph.num_classes, graph.y)
    for number, last in LAST_BEFORE.items():
        col = torch.where(time > last, graph.col.flip(0), graph.col)
        train(replace(graph, edge_time=time, col=col, y=y), *keys)
        assert are_equal(clean[number], weights_of(tmp_path, number))


def test_a_retrained_model_is_that_of_a_run_until_then(
    train: Train, graph: GraphData, tmp_path: Path
) -> None:
    train(graph, "protocol.update=retrained", *GCN)
    for number, last in LAST_BEFORE.items():
        _, weights = train(graph, f"protocol.until={last - 6}", "protocol.windows=1", *GCN)
        (path,) = tmp_path.glob(f"runs/*/best-window-{number}.pt")
        assert are_equal(weights, checkpoint.load(path))


def test_a_warm_start_begins_with_the_best_weights_of_the_window_before(
    train: Train, graph: GraphData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[Weights] = []
    fit = Trainer.fit

    def watched(self: Trainer, model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        starts.append(copy.deepcopy(model.state_dict()))
        return fit(self, model, *args, **kwargs)

    monkeypatch.setattr(Trainer, "fit", watched)
    _, first = train(graph, "protocol.update=warm_start", *GCN)
    assert are_equal(starts[1], first)
    assert are_equal(starts[2], weights_of(tmp_path, 2))
    assert not are_equal(starts[0], first)


def test_windows_are_those_of_a_frozen_model_and_the_row_tells_of_the_first(
    train: Train, graph: GraphData, tmp_path: Path
) -> None:
    answers = {}
    for update in ("frozen", *UPDATES):
        epochs, first = train(graph, f"protocol.update={update}", *GCN)
        answers[update] = (epochs, first, ages_of(tmp_path))
    rows = dict(zip(answers, rows_of(tmp_path / "runs.csv"), strict=True))
    frozen = answers["frozen"]
    assert [line["age"] for line in frozen[2]] == ["9", "12", "15"]
    for update in UPDATES:
        epochs, first, ages = answers[update]
        assert epochs == frozen[0]
        assert are_equal(first, frozen[1])
        assert [line["age"] for line in ages] == ["9", "9", "9"]
        for key in ("first", "last", "nodes", "edges"):
            assert [line[key] for line in ages] == [line[key] for line in frozen[2]]
        assert ages[0] == frozen[2][0]
        assert [line["loss"] for line in ages[1:]] != [line["loss"] for line in frozen[2][1:]]
        for column in ("epochs", "best_epoch", "val_micro_f1", "fingerprint"):
            assert rows[update][column] == rows["frozen"][column]
        mean = sum(float(line["accuracy"]) for line in ages) / 3
        assert float(rows[update]["test_accuracy"]) == pytest.approx(mean)


@pytest.mark.parametrize("update", UPDATES)
def test_a_run_that_ends_during_an_update_resumes_there_and_has_the_same_scores(
    train: Train, graph: GraphData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: str
) -> None:
    keys = (f"protocol.update={update}", "trainer.checkpoint_every=1", *GCN)
    train(graph, *keys)
    whole, weights, trained = ages_of(tmp_path), weights_of(tmp_path, 3), list[str]()
    fit = Trainer.fit

    def noted(self: Trainer, *args: Any, stops: bool, **kwargs: Any) -> Any:
        training = fit(self, *args, **kwargs)  # which writes weights, as when it is cut short
        trained.append(args[5].name)
        if stops and "3" in trained[-1]:
            raise KeyboardInterrupt
        return training

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", partialmethod(noted, stops=True))
        with pytest.raises(KeyboardInterrupt):
            train(graph, *keys)
        assert not (last_folder(tmp_path) / "best-window-3.pt").exists()
        patch.setattr(Trainer, "fit", partialmethod(noted, stops=False))
        train(graph, *keys)
    later = ["best-window-2.unfinished.pt", "best-window-3.unfinished.pt"]
    assert trained == ["best.pt", *later, "best.pt", later[1]]
    assert are_equal(weights_of(tmp_path, 3), weights)
    rows = rows_of(tmp_path / "runs.csv")
    assert [row["status"] for row in rows] == ["completed", "interrupted", "completed"]
    assert rows[1]["run_id"] == rows[2]["run_id"]
    assert ages_of(tmp_path) == whole

"""A training is compared with float64 before it is timed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
import torch

from redditgnn.graph.data import GraphData
from redditgnn.histories.host import HostHistories
from scripts.bench.cases.exact_training import small_overrides, training_fault
from scripts.bench.cases.training import OurTraining
from scripts.bench.timing.memory import CPU

NARROW = ("model.hidden_channels=8", "model.dropout=0.5")
TRAININGS = {
    "neighbor": ["model=gat", "model.attention_dropout=0.0", "sampler=neighbor"],
    "tree": ["model=sage", "sampler=neighbor_tree"],
    "full": ["model=gcn", "sampler=full"],
    "walks": ["model=sage", "sampler=saint_rw", "sampler.num_steps=30"],
    "histories": ["model=gcn", "sampler=gas", "sampler.num_parts=8", "sampler.batch_size=2"],
}
ON_DISK = [*TRAININGS["histories"], "sampler.history_device=disk"]


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=120, num_edges=900)


@pytest.mark.parametrize("overrides", TRAININGS.values(), ids=TRAININGS.keys())
def test_what_is_right_has_no_fault(overrides: list[str], graph: GraphData, tmp_path: Path) -> None:
    training = OurTraining(graph, [*overrides, *NARROW], CPU, tmp_path)
    assert training_fault(training, graph, tmp_path) == ""
    assert not training.losses, "the training itself has not begun"


def test_histories_that_pull_other_rows_are_a_fault(
    graph: GraphData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = OurTraining(graph, [*ON_DISK, *NARROW], CPU, tmp_path)
    assert training_fault(training, graph, tmp_path) == ""
    pull = HostHistories.pull

    def wrong(self: HostHistories, layer: int, node_ids: torch.Tensor) -> Future:
        return pull(self, layer, node_ids.roll(1))

    monkeypatch.setattr(HostHistories, "pull", wrong)
    assert training_fault(training, graph, tmp_path).startswith("wrong numbers: ")


def test_the_small_training_has_no_dropout_and_small_batches_of_nodes() -> None:
    nodes = ["model=sage", "model.dropout=0.5", "sampler=neighbor", "sampler.batch_size=1024"]
    assert small_overrides(nodes) == [
        "model=sage",
        "model.dropout=0.0",
        "sampler=neighbor",
        "sampler.batch_size=32",
        "optimizer.eps=0.001",
    ]
    assert small_overrides(ON_DISK) == [*ON_DISK, "model.dropout=0.0", "optimizer.eps=0.001"]

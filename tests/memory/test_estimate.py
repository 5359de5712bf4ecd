"""The estimate of memory, held to the tensors that come and go in a real step and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from redditgnn.command import train
from redditgnn.config.compose import compose_settings
from redditgnn.config.settings import Settings
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows
from redditgnn.histories.table import HistoryTable
from redditgnn.kernels.backend import use_backend
from redditgnn.memory.estimate import Estimate, estimate, estimate_sampler, tensors_of
from redditgnn.memory.trace import TensorTrace, tensor_bytes
from redditgnn.parts import Parts

CPU = torch.device("cpu")
FULL = "sampler=full model.hidden_channels=24"
RUNS = [
    f"model=gat {FULL}",
    f"model=gatv2 {FULL}",
    f"model=gcn {FULL}",
    f"model=sage {FULL}",
    f"model=gcn2 model.num_layers=5 {FULL}",
    f"model=gin {FULL}",
    f"model=pna {FULL}",
    f"model=pyg {FULL}",
    f"model=sage model.jk=lstm {FULL}",
    f"model=sign {FULL}",
    "model=sgc sampler=full",
    "model=appnp sampler=full",
    "model=sage sampler=neighbor sampler.num_neighbors=[4,3] sampler.batch_size=300",
    "model=gat sampler=neighbor_tree sampler.num_neighbors=[3,2] sampler.batch_size=100",
    "model=gcn sampler=saint_rw sampler.batch_size=200 sampler.sample_coverage=2",
    "model=gcn sampler=cluster sampler.num_parts=4 sampler.batch_size=2",
    "model=gin model.num_layers=3 sampler=gas sampler.num_parts=4 sampler.batch_size=2 "
    "sampler.lipschitz_weight=0.5",
    "model=gcn model.num_layers=3 sampler=gas sampler.num_parts=4 sampler.batch_size=2",
]


class Run:
    """One composed run on a graph, whose tensors can be counted."""

    def __init__(self, overrides: str, graph: GraphData) -> None:
        self.settings: Settings = compose_settings([*overrides.split(), "device=cpu"])
        self.parts = Parts(self.settings, graph=graph)
        self.trainer, self.model = self.parts.trainer, self.parts.model
        trained = self.parts.with_precomputed_features()
        self.seen, self.sampler = trained.train_graph, trained.sampler
        self.batch: Batch = next(iter(self.sampler))

    def estimated(self) -> Estimate:
        return estimate(self.parts, self.batch, len(self.sampler))

    def step(self) -> float:
        """Count the second step: the first makes the optimizer's state, and histories."""
        optimizer = self.settings.build("optimizer", self.model)
        for _ in range(2):
            features = Rows(self.batch.features.table, self.batch.features.node_ids)
            batch = replace(self.batch, features=features, _blocks={})
            state = [value for held in optimizer.state.values() for value in held.values()]
            if isinstance(batch.histories, HistoryTable):  # they are estimated apart
                state += batch.histories.states.values()
            trace = TensorTrace([*self.model.parameters(), *tensors_of(batch), *state])
            with trace:
                self.trainer.step(self.model, optimizer, batch)
        return trace.peak()

    def evaluation(self) -> float:
        trace = TensorTrace([*self.model.parameters(), *tensors_of(self.seen)])
        with trace:
            ExactInference(self.seen, CPU, chunk_edges=None)(self.model.eval())
        return trace.peak()


@pytest.fixture(scope="module")
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=3000, num_edges=20_000, num_features=40, num_classes=5)


@pytest.mark.parametrize("overrides", RUNS, ids=[run.replace("sampler.", "") for run in RUNS])
def test_an_estimate_is_near_what_the_tensors_of_a_run_take(
    overrides: str, graph: GraphData
) -> None:
    run = Run(overrides, graph)
    found = run.estimated()
    assert 0.8 < found.step / run.step() < 1.25
    assert 0.8 < found.evaluation / run.evaluation() < 1.25


def test_bags_of_words_are_estimated_by_their_non_zeros(graph: GraphData) -> None:
    words = torch.zeros(graph.num_nodes, 2000)
    words[torch.arange(graph.num_nodes)[:, None], torch.randint(2000, (graph.num_nodes, 9))] = 1.0
    run = Run("model=gcn sampler=full model.hidden_channels=8", replace(graph, x=words))
    found = run.estimated()
    assert 0.8 < found.step / run.step() < 1.25
    assert found.step < 0.1 * tensor_bytes([words])


def test_an_estimate_leaves_random_numbers_alone(graph: GraphData) -> None:
    run = Run(RUNS[0], graph)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    run.estimated()
    assert torch.equal(torch.rand(4), expected)


def test_an_evaluation_in_chunks_takes_less(graph: GraphData) -> None:
    whole = Run(f"model=pyg {FULL}", graph).estimated()
    chunked = Run(f"model=pyg {FULL} trainer.eval_chunk_edges=500", graph).estimated()
    assert whole.chunk_edges is None
    assert chunked.chunk_edges == 500
    assert chunked.evaluation < whole.evaluation


def test_histories_and_optimizer_state_are_held(graph: GraphData) -> None:
    found = Run(RUNS[-1], graph).estimated()
    assert found.histories == 2 * graph.num_nodes * 256 * 4  # layers that others read, by width
    assert found.weights >= 3 * 4 * found.num_parameters  # Adam keeps two moments
    assert found.held < found.training < found.held + found.step + 1


def test_a_dry_run_tells_everything_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    chosen = ["dataset=sbm", "dataset.scale=0.003", "model=gat", "model.dropout=0.1"]
    places = [f"results_dir={results}", f"data_dir={tmp_path}"]
    assert train.main(["--dry-run", *chosen, "sampler=full", *places]) == 0
    shown = capsys.readouterr().out
    expected = [
        "699 nodes",
        "fingerprint",
        "parameters",
        "1 batch an epoch",
        "config_hash",
        "an edge",
    ]
    assert [text for text in expected if text not in shown] == []
    assert "peak of training" in shown
    assert not results.exists()


def test_a_dry_run_without_the_memory_to_build_the_model_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["dataset=sbm", "dataset.scale=0.003", "model=gcn", "model.hidden_channels=1000000000"]
    assert train.main(["--dry-run", *chosen, "sampler=full", f"data_dir={tmp_path}"]) == 3
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("redditgnn: out of memory in building the model and the sampler (")
    assert "were free" in message


def test_unfused_messages_of_our_own_reference_are_not_forgotten(graph: GraphData) -> None:
    overrides = f"model=gat model.heads=8 {FULL}"
    fused = Run(overrides, graph).estimated()
    with use_backend("torch", CPU):
        reference = Run(overrides, graph).estimated()
    assert reference.step > 2 * fused.step


def test_an_estimate_changes_no_batch_that_is_drawn_later(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    chosen = "model=gat sampler=neighbor sampler.num_neighbors=[3,2] sampler.batch_size=60"
    undisturbed, run = Run(chosen, graph), Run(chosen, graph)
    state = torch.get_rng_state()
    estimate_sampler(run.parts, run.sampler)
    assert torch.equal(torch.get_rng_state(), state)
    expected, drawn = next(iter(undisturbed.sampler)), next(iter(run.sampler))
    assert torch.equal(drawn.node_ids, expected.node_ids)
    assert torch.equal(drawn.col, expected.col)


@pytest.mark.parametrize("command", [["--dry-run"], []])
@pytest.mark.parametrize("batch_size", ["16", "auto"])
def test_data_that_do_not_fit_are_named_as_such(
    batch_size: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 8.00 GiB")

    monkeypatch.setattr("redditgnn.dataset.sbm.cached", too_large)
    chosen = ["dataset=sbm", f"sampler.batch_size={batch_size}", f"data_dir={tmp_path}"]
    assert train.main([*command, *chosen, f"results_dir={tmp_path}"]) == 3
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("redditgnn: out of memory in loading the dataset (Unable to alloc")

"""A self-supervised embedding learns from features and edges, repeats, and never sees a label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from redditgnn import CONF_DIR
from redditgnn.config.settings import partial_of
from redditgnn.embedding import learned
from redditgnn.embedding.adjacency import adjacency_of
from redditgnn.embedding.base import Embedding
from redditgnn.embedding.objective import BestWeights
from redditgnn.embedding.table import EmbeddingTable
from redditgnn.errors import ConfigError, TrainingDiverged
from redditgnn.evaluation.exact import ExactInference

SMALL = ("embedding.dim=4", "embedding.hidden_channels=6", "embedding.epochs=2")
METHODS = {
    "dgi": (*SMALL, "embedding.num_layers=2"),
    "grace": (*SMALL, "embedding.conv=sage"),
    "bgrl": SMALL,
    "graphsage": SMALL,
}
every_method = pytest.mark.parametrize("method", METHODS)


def build(method: str, *overrides: str) -> Embedding:
    """Build from the YAML as Hydra does, in a fraction of the time."""
    keys = [text.removeprefix("embedding.") for text in (*METHODS.get(method, ()), *overrides)]
    node = OmegaConf.load(CONF_DIR / "embedding" / f"{method}.yaml")
    values = OmegaConf.to_container(OmegaConf.merge(node, OmegaConf.from_dotlist(keys)))
    embedding: Embedding = partial_of(values)()
    return embedding


def table(method: str, graph, *overrides: str, seed: int = 0) -> np.ndarray:
    edges = adjacency_of(graph, with_features=True)
    return build(method, *overrides).compute(edges, seed)


def sampled(*fanouts: int) -> tuple[str, ...]:
    return "embedding.batch_size=15", f"embedding.num_neighbors={list(fanouts)}"


@pytest.mark.parametrize("batches", [(), sampled(3, 3)], ids=["whole", "sampled"])
@every_method
def test_a_seed_gives_the_same_bytes_and_another_seed_others(method, batches, make_graph):
    graph = make_graph(num_nodes=30, num_edges=120)
    state = torch.random.get_rng_state()
    first, again, other = (table(method, graph, *batches, seed=seed) for seed in (3, 3, 4))
    assert (first.dtype, first.shape) == (np.float32, (30, 4))
    assert np.isfinite(first).all()
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert torch.equal(state, torch.random.get_rng_state()), "runs draw their weights from it"


@every_method
def test_neither_labels_nor_splits_reach_it(method, make_graph):
    graph = make_graph(num_nodes=30, num_edges=120)
    poisoned = replace(
        graph,
        y=torch.full((30, 5), torch.nan),
        num_classes=5,
        train_mask=graph.test_mask,
        val_mask=graph.train_mask,
        test_mask=graph.val_mask,
    )
    assert table(method, graph).tobytes() == table(method, poisoned).tobytes()


@every_method
def test_features_reach_it(method, make_graph):
    graph = make_graph(num_nodes=30, num_edges=120)
    assert table(method, graph).tobytes() != table(method, replace(graph, x=graph.x + 1)).tobytes()


@every_method
def test_it_is_the_exact_output_of_the_encoder_in_chunks_as_well(method, make_graph, monkeypatch):
    graph = make_graph(num_nodes=30, num_edges=120)
    whole = table(method, graph)

    def in_chunks(graph, device, *, chunk_edges):
        return ExactInference(graph, device, chunk_edges=20)

    monkeypatch.setattr(learned, "ExactInference", in_chunks)
    np.testing.assert_allclose(table(method, graph), whole, rtol=1e-4, atol=1e-6)


@every_method
def test_training_lowers_the_loss(method, make_graph):
    edges = adjacency_of(make_graph(num_nodes=40, num_edges=200), with_features=True)
    parts = build(method, "embedding.lr=0.01")._build(edges, 0)

    def loss() -> float:
        generator = torch.Generator().manual_seed(0)
        (batch,) = parts.batches
        return float(parts.objective(batch, generator).detach())

    before = loss()
    for _ in range(40):
        (batch,) = parts.batches
        learned.take_step(parts.objective, parts.optimizer, batch, parts.generator)
    assert loss() < 0.975 * before


@every_method
def test_a_dry_run_estimates_all_epochs_and_says_whether_they_may_be_fewer(
    method, make_graph, monkeypatch
):
    monkeypatch.setattr(learned, "TRIAL_S", 0.01)
    edges = adjacency_of(make_graph(num_nodes=30, num_edges=120), with_features=True)
    few, many = (build(method, f"embedding.epochs={n}", *sampled(2, 2)) for n in (1, 1000))
    assert 0 < few.estimate_s(edges, 0) < many.estimate_s(edges, 0)
    assert few.may_stop_early == (method == "dgi")


def test_the_table_has_a_file_for_each_version_of_the_features(make_graph, tmp_path):
    graph = replace(make_graph(), cache_dir=tmp_path / "cora")
    others = replace(graph, fingerprint=replace(graph.fingerprint, features="5:other"))
    of_learned, of_edges = build("dgi"), build("fastrp")
    for embedding, differs in ((of_learned, True), (of_edges, False)):
        paths = {
            EmbeddingTable(g, "name", embedding, {}, 0, "transductive").path
            for g in (graph, others)
        }
        assert len(paths) == 1 + differs


def test_training_stops_at_the_patience_and_leaves_the_least_loss(make_graph):
    edges = adjacency_of(make_graph(), with_features=True)
    objective = build("dgi")._build(edges, 0).objective
    best = BestWeights(objective, patience=2)
    for value, loss in [(1.0, 3.0), (2.0, 1.0), (3.0, 1.0)]:
        torch.nn.init.constant_(objective.weight, value)
        assert not best.is_over(loss)
    assert best.is_over(2.0)
    best.restore()
    assert torch.equal(objective.weight, torch.full_like(objective.weight, 2.0))


def test_a_loss_that_is_no_number_is_said_to_be_the_learning_rates_fault(make_graph):
    with pytest.raises(TrainingDiverged, match=r"became (nan|inf); lower embedding\.lr"):
        table("dgi", make_graph(), "embedding.lr=1e30", "embedding.epochs=5")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["embedding.batch_size=15"], "must be set both or not at all, got 15 and None"),
        ([*sampled(3, 0)], r"positive or -1 for all neighbours, got \[3, 0\]"),
        ([*sampled(3)], r"try 'embedding.num_neighbors=\[10,10\]'"),
        (["embedding.drop_edges=[0.2]"], r"two numbers, one for each view, got \[0.2\]"),
        (["embedding.drop_features=[0.2,1.0]"], r"embedding.drop_features must be in \[0, 1\)"),
        (["embedding.momentum=1.0"], r"embedding.momentum must be in \[0, 1\), got 1.0"),
        (["embedding.patience=0"], "embedding.patience must be positive, got 0"),
        (["embedding.lr=-1"], "embedding.lr must be at least 0, got -1"),
    ],
)
def test_a_mistake_is_answered_with_a_remedy(overrides, message):
    with pytest.raises(ConfigError, match=message):
        build("bgrl", *overrides)


def test_pairs_of_a_whole_graph_cannot_be_dropped():
    with pytest.raises(ConfigError, match="drop_pairs=true needs embedding.batch_size"):
        build("graphsage", "embedding.drop_pairs=true")


def test_a_graph_that_a_method_cannot_learn_from_is_refused(make_graph, monkeypatch):
    graph = make_graph()
    with pytest.raises(ConfigError, match="the dataset has none; use embedding=deepwalk"):
        table("dgi", replace(graph, x=graph.x[:, :0]))
    with pytest.raises(ConfigError, match="pairs along edges, and the graph has none"):
        table("graphsage", make_graph(num_edges=0))
    monkeypatch.setattr("redditgnn.embedding.grace.free_memory", lambda device: 1000)
    with pytest.raises(ConfigError, match="compares all pairs of 20 nodes"):
        table("grace", graph)
    with pytest.raises(ConfigError, match="temperature must be at least 0.025, got 0.01"):
        build("grace", "embedding.temperature=0.01")

"""Under `protocol=inductive` training nodes learn first, from the edges among them alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.embedding.adjacency import (
    Adjacency,
    Training,
    adjacency_of,
    inductive_adjacency_of,
)
from redditgnn.embedding.base import Embedding
from redditgnn.embedding.deepwalk import DeepWalk
from redditgnn.embedding.inputs import normalized
from redditgnn.errors import ConfigError
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.parts import Parts, embedding_table, fingerprint_with_inputs
from redditgnn.run.saved import load_run, train

KEYS = [f"embedding.{key}" for key in ("dim=6", "num_walks=3", "walk_length=8", "window=3")]
SBM = ["dataset=sbm", "dataset.scale=0.001", "dataset.num_features=8", "dataset.num_classes=4"]
RUN = [*SBM, *KEYS, "dataset.inputs=deepwalk", "model=linear", "sampler=full", "trainer.epochs=2"]
every_method = pytest.mark.parametrize("method", ["deepwalk", "node2vec"])


def build(method: str) -> Embedding:
    embedding: Embedding = compose_settings([f"embedding={method}", *KEYS]).build("embedding")
    return embedding


@pytest.fixture
def graph(make_graph):
    """A graph of 40 nodes, half of them for training."""
    drawn = make_graph(num_nodes=40, num_edges=240)
    train_mask = torch.arange(40) % 2 == 0
    return replace(drawn, train_mask=train_mask, test_mask=~train_mask)


def without_edges_among(graph, nodes):
    """Return `graph` without the edges that have both ends in `nodes`."""
    rows = torch.repeat_interleave(torch.arange(graph.num_nodes), graph.rowptr.diff())
    keep = ~(nodes[rows] & nodes[graph.col.long()])
    counts = torch.bincount(rows[keep], minlength=graph.num_nodes)
    rowptr = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    return replace(graph, rowptr=rowptr, col=graph.col[keep])


@every_method
def test_vectors_of_training_nodes_are_those_of_a_run_on_their_subgraph(method, graph):
    table = build(method).compute(inductive_adjacency_of(graph), 0)
    alone = build(method).compute(adjacency_of(graph.subgraph(graph.train_mask)), 0)
    assert table[graph.train_mask].tobytes() == alone.tobytes()
    assert alone.any(1).sum() > 15


@every_method
def test_edges_of_other_nodes_change_their_vectors_and_none_of_a_training_node(method, graph):
    fewer = without_edges_among(graph, graph.test_mask)
    assert fewer.num_edges < graph.num_edges
    one, other = (build(method).compute(inductive_adjacency_of(g), 0) for g in (graph, fewer))
    assert one[graph.train_mask].tobytes() == other[graph.train_mask].tobytes()
    assert (one != other)[graph.test_mask].any(1).all()


def test_a_new_node_lands_beside_the_training_nodes_of_its_clique():
    clique = np.kron(np.eye(2), np.ones((12, 12))) - np.eye(24)
    rowptr, col = np.arange(25) * 11, np.nonzero(clique)[1].astype(np.int32)
    mask, side = np.arange(24) % 2 == 0, np.arange(24) // 12
    inner = (np.arange(13) * 5, np.nonzero(clique[mask][:, mask])[1].astype(np.int32))
    edges = Adjacency(rowptr, col, training=Training(mask, Adjacency(*inner)))
    keys = {"num_walks": 40, "walk_length": 10, "window": 3, "negatives": 5, "lr": 0.1}
    table = DeepWalk(dim=8, normalize=None, **keys).compute(edges, 0)
    centers = np.stack([table[mask & (side == one)].mean(0) for one in (0, 1)])
    assert np.array_equal((table[~mask] @ centers.T).argmax(1), side[~mask])


def test_labels_and_features_do_not_reach_an_inductive_embedding(graph):
    poisoned = replace(graph, x=graph.x * torch.nan, y=graph.y.flip(0), test_mask=graph.val_mask)
    clean, dirty = (
        build("deepwalk").compute(inductive_adjacency_of(g), 0) for g in (graph, poisoned)
    )
    assert clean.tobytes() == dirty.tobytes()


def test_columns_are_scaled_by_the_training_nodes(graph):
    table = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    scaled = normalized(table, "columns", graph.train_mask)[graph.train_mask]
    torch.testing.assert_close(scaled, normalized(table[graph.train_mask], "columns"))


def test_file_and_fingerprint_name_the_split_only_if_the_protocol_is_inductive(graph, tmp_path):
    def names(protocol: str, split: str) -> tuple[str, str]:
        settings = compose_settings([*RUN, f"protocol={protocol}"])
        fingerprint = Fingerprint(edges="3:abc", split=split)
        one = replace(graph, fingerprint=fingerprint, cache_dir=tmp_path / "tiny")
        table = embedding_table(settings, settings.build("embedding"), one)
        return str(table.path), fingerprint_with_inputs(settings, one).features

    assert names("transductive", "1:a") == names("transductive", "1:b")
    parts = [names("transductive", "1:a"), names("inductive", "1:a"), names("inductive", "1:b")]
    assert [len(set(part)) for part in zip(*parts, strict=True)] == [3, 3]


def test_a_run_trains_on_the_vectors_of_the_training_graph_and_can_be_loaded(tmp_path):
    folders = [f"data_dir={tmp_path / 'data'}", f"results_dir={tmp_path / 'results'}"]
    overrides = [*RUN, "protocol=inductive", "device=cpu", *folders]
    run = train(overrides)
    parts = Parts(compose_settings(overrides))
    assert torch.equal(parts.train_graph.x, parts.graph.x[parts.graph.train_mask])
    mean = parts.train_graph.x.mean(0)
    torch.testing.assert_close(mean, torch.zeros(6), atol=1e-5, rtol=0)
    again = load_run(run.run_id, str(tmp_path / "results"), device="cpu")
    assert torch.equal(again.logits(), run.logits())


def test_a_graph_without_training_nodes_is_refused_in_one_line(graph):
    nobody = replace(graph, train_mask=torch.zeros(40, dtype=torch.bool))
    with pytest.raises(ConfigError, match="needs training nodes, and dataset=.* has none; use "):
        inductive_adjacency_of(nobody)


def test_a_graph_whose_nodes_are_all_for_training_has_the_vectors_of_its_edges(graph):
    everybody = replace(graph, train_mask=torch.ones(40, dtype=torch.bool))
    table = build("deepwalk").compute(inductive_adjacency_of(everybody), 0)
    assert np.array_equal(table, build("deepwalk").compute(adjacency_of(graph), 0))

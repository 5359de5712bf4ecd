"""Label propagation: labels of training nodes, and nothing else, spread along the edges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.evaluation.exact import ExactInference, precomputed
from redditgnn.model.label_propagation import LEAST_SHARE, LabelPropagation
from redditgnn.run.saved import load_run, train

CPU = torch.device("cpu")


def logits_of(graph, num_steps: int, chunk_edges: int | None = None):
    model = LabelPropagation(graph.spec, num_steps=num_steps)
    spread = precomputed(model, graph, CPU, chunk_edges)
    return ExactInference(spread, CPU, chunk_edges=chunk_edges)(model)


@pytest.mark.parametrize("chunk_edges", [None, 7])
def test_it_is_the_iteration_of_the_paper(make_graph, chunk_edges):
    graph = make_graph(num_nodes=15, num_edges=40)
    dense = torch.zeros(15, 15, dtype=torch.float64)
    rows = torch.arange(15).repeat_interleave(graph.degree)
    dense[rows, graph.col.long()] = 1
    walk = dense / dense.sum(1, keepdim=True).clamp(min=1)
    labels = torch.nn.functional.one_hot(graph.y, 3) * graph.train_mask[:, None]
    shares = labels.double()
    for _ in range(4):
        shares = torch.where(graph.train_mask[:, None], labels.double(), walk @ shares)
    expected = shares.clamp(min=LEAST_SHARE).log().float()
    torch.testing.assert_close(logits_of(graph, 4, chunk_edges), expected)


def test_labels_of_other_nodes_and_features_change_nothing(make_graph):
    graph = make_graph()
    other = graph.y.roll(1)
    y = torch.where(graph.train_mask, graph.y, other)
    poisoned = replace(graph, y=y, x=graph.x * torch.nan)
    assert torch.equal(logits_of(poisoned, 3), logits_of(graph, 3))
    changed = replace(graph, y=torch.where(graph.train_mask, (graph.y + 1) % 3, graph.y))
    assert not torch.equal(logits_of(changed, 3), logits_of(graph, 3))


def test_a_training_node_keeps_its_label(make_graph):
    graph = make_graph()
    answers = logits_of(graph, 5).argmax(1)
    assert torch.equal(answers[graph.train_mask], graph.y[graph.train_mask])


def test_several_labels_a_node_are_refused(make_graph):
    graph = make_graph()
    with pytest.raises(ConfigError, match="one label a node.*use model=linear"):
        LabelPropagation(graph.spec._replace(multi_label=True), num_steps=2)


@pytest.mark.parametrize("sampler", ["full", "neighbor"])
def test_a_run_without_weights_leaves_a_row_and_predicts(tmp_path: Path, sampler):
    tiny = ["dataset=sbm", "dataset.scale=0.002", "dataset.num_classes=4", "trainer.epochs=1"]
    folders = [f"data_dir={tmp_path / 'data'}", f"results_dir={tmp_path / 'results'}"]
    run = train([*tiny, *folders, f"sampler={sampler}", "model=label_propagation", "device=cpu"])
    (row,) = pd.read_csv(tmp_path / "results" / "runs.csv").to_dict("records")
    assert row["status"] == "completed"
    assert row["num_parameters"] == 0
    graph, answers = run.graph, load_run("latest", tmp_path / "results", device="cpu").predict()
    hits = (answers == graph.y)[graph.test_mask].float().mean()
    assert hits == pytest.approx(row["test_micro_f1"])
    assert hits > 0.7, "labels agree along most edges of this graph"


def test_the_steps_must_be_positive(make_graph):
    settings = compose_settings(["model=label_propagation", "model.num_steps=0"])
    with pytest.raises(ConfigError, match=r"model\.num_steps must be positive, got 0"):
        settings.build("model", make_graph().spec)

"""Correct and Smooth equals its dense formula and PyG's, and reads only the labels that it may."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from torch_geometric.nn import CorrectAndSmooth

from redditgnn.evaluation.exact import ExactInference
from redditgnn.evaluation.smoothing import (
    Choice,
    Smoother,
    choose_smoothing,
    list_choices,
    split_scores,
)
from redditgnn.graph.csr import row_of_edge
from redditgnn.metric.base import BY_NAME

NUM_STEPS = 3
CHOICES = list_choices([0.6], ["auto", 1.5], [0.8])


@pytest.fixture
def graph(make_graph):
    return make_graph(num_nodes=24, num_edges=70)


@pytest.fixture
def probability(graph):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(graph.num_nodes, graph.num_classes, generator=generator).softmax(1)


def smoother(graph, probability, chunk_edges=None) -> Smoother:
    inference = ExactInference(graph, torch.device("cpu"), chunk_edges=chunk_edges)
    return Smoother(graph, probability, inference, NUM_STEPS)


def operator(graph):
    """D^-1/2 A D^-1/2, dense."""
    adjacency = torch.zeros(graph.num_nodes, graph.num_nodes)
    adjacency[row_of_edge(graph.rowptr), graph.col.long()] = 1
    scale = adjacency.sum(1).clamp(min=1).rsqrt()
    return scale[:, None] * adjacency * scale


def dense(graph, probability, choice, labelled):
    """The paper's formulas, matrix by matrix."""
    matrix, labels = operator(graph), F.one_hot(graph.y, graph.num_classes).float()
    out = probability
    if choice.correct_alpha is not None:
        error = torch.where(labelled[:, None], labels - probability, 0.0)
        spread = error
        for _ in range(NUM_STEPS):
            spread = (1 - choice.correct_alpha) * error + choice.correct_alpha * matrix @ spread
            if choice.scale == "auto":
                spread = spread.clamp(-1, 1)
            else:
                spread = torch.where(labelled[:, None], error, spread)
        scale = choice.scale
        if scale == "auto":
            scale = error.abs().sum() / labelled.sum() / spread.abs().sum(1, keepdim=True)
            scale = torch.where(scale <= 1000, scale, 1.0)
        out = probability + scale * spread
    if choice.smooth_alpha is not None:
        start = torch.where(labelled[:, None], labels, out)
        out = start
        for _ in range(NUM_STEPS):
            out = (1 - choice.smooth_alpha) * start + choice.smooth_alpha * matrix @ out
            out = out.clamp(0, 1)
    return out


@pytest.mark.parametrize("chunk_edges", [None, 20])
@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_it_equals_the_dense_formula(graph, probability, choice, chunk_edges):
    out = smoother(graph, probability, chunk_edges).apply(choice, graph.train_mask)
    expected = dense(graph, probability, choice, graph.train_mask)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", ["auto", 1.5])
def test_it_equals_pyg(graph, probability, scale):
    autoscale, number = scale == "auto", 1.0 if scale == "auto" else scale
    pyg = CorrectAndSmooth(NUM_STEPS, 0.6, NUM_STEPS, 0.8, autoscale, number)
    edges = torch.stack([graph.col.long(), row_of_edge(graph.rowptr)])
    y, mask = graph.y[graph.train_mask], graph.train_mask
    expected = pyg.smooth(pyg.correct(probability, y, mask, edges), y, mask, edges)
    out = smoother(graph, probability).apply(Choice(0.6, scale, 0.8), mask)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("with_val_labels", [False, True])
def test_no_label_outside_the_named_splits_changes_an_answer(graph, probability, with_val_labels):
    labelled = graph.train_mask | graph.val_mask if with_val_labels else graph.train_mask
    poisoned = replace(graph, y=torch.where(labelled, graph.y, (graph.y + 1) % 3))
    for choice in CHOICES:
        clean, dirty = (smoother(g, probability).apply(choice, labelled) for g in (graph, poisoned))
        assert torch.equal(clean, dirty)
    seen = replace(graph, y=torch.where(labelled, (graph.y + 1) % 3, graph.y))
    assert not torch.equal(smoother(seen, probability).apply(CHOICES[-1], labelled), clean)


def test_the_choice_has_the_best_validation_score_and_no_test_label_changes_it(graph, probability):
    metric = BY_NAME["accuracy"]
    flipped = replace(graph, y=torch.where(graph.test_mask, (graph.y + 1) % 3, graph.y))
    results = [
        choose_smoothing(
            smoother(g, probability), g, CHOICES, metric, with_val_labels=with_val_labels
        )
        for g in (graph, flipped)
        for with_val_labels in (False, True)
    ]
    assert len({result.best for result in results}) == 1
    result, with_val = results[:2]
    assert [choice for choice, _ in result.trials] == CHOICES
    assert result.after["val"]["accuracy"] == max(score for _, score in result.trials)
    assert result.before["val"] == split_scores(graph, probability, "val")
    assert torch.equal(
        result.probability, smoother(graph, probability).apply(result.best, graph.train_mask)
    )
    both = graph.train_mask | graph.val_mask
    assert torch.equal(with_val.probability, smoother(graph, probability).apply(result.best, both))
    assert with_val.after["val"] == result.after["val"], "labels that are read are not scored"


def test_the_first_choice_changes_nothing_and_wins_ties(graph, probability):
    sure = F.one_hot(graph.y, graph.num_classes).float()
    metric = BY_NAME["accuracy"]
    result = choose_smoothing(smoother(graph, sure), graph, CHOICES, metric, with_val_labels=False)
    assert result.best == Choice()
    assert torch.equal(result.probability, sure)

"""Classes that are never predicted are counted and named."""

from __future__ import annotations

import torch

from redditgnn.evaluation.coverage import class_coverage

CONSTANT = torch.tensor([[0.0, 1.0, 0.0, 0.0]])


def test_a_class_with_nodes_that_is_never_predicted_counts():
    coverage = class_coverage(torch.eye(4)[[0, 1, 1]], torch.tensor([0, 1, 2]))
    assert (coverage.num_classes, coverage.never, coverage.only) == (3, (2,), None)


def test_a_class_without_nodes_does_not_count():
    assert class_coverage(torch.eye(4)[[0, 1]], torch.tensor([0, 1])).never == ()


def test_a_constant_prediction_is_named():
    coverage = class_coverage(CONSTANT.repeat(3, 1), torch.tensor([0, 1, 3]))
    text = coverage.describe(("cat", "dog", "cow", "ant"))
    assert text.startswith("2 of 3 classes are never predicted on the validation nodes")
    assert "'cat', 'ant'; every prediction is 'dog'" in text
    assert "0, 3; every prediction is 1" in coverage.describe(None)


def test_a_label_that_is_never_predicted_counts_where_nodes_have_several():
    y = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    coverage = class_coverage(torch.tensor([[1.0, -1.0, -1.0]]).repeat(2, 1), y)
    assert (coverage.never, coverage.only) == ((1,), None)


def test_many_classes_are_named_in_part():
    coverage = class_coverage(torch.eye(41)[[0] * 41], torch.arange(41))
    assert ": 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 30 more;" in coverage.describe(None)

"""Scores against cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from redditgnn.metric.classification import mean_loss, per_node_loss, scores


def one_hot_logits(labels: list[int], num_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels), num_classes).float()


def test_micro_f1_is_accuracy_where_nodes_have_one_label() -> None:
    found = scores(one_hot_logits([0, 1, 1, 2], 3), torch.tensor([0, 1, 2, 2]))
    assert found["accuracy"] == found["micro_f1"] == 0.75


def test_macro_f1_averages_the_classes() -> None:
    found = scores(one_hot_logits([0, 1, 1, 2], 3), torch.tensor([0, 1, 2, 2]))
    # class 0: 1; class 1: 2*1/(2+1) = 2/3; class 2: 2*1/(1+2) = 2/3
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_a_class_that_never_occurs_does_not_count() -> None:
    found = scores(one_hot_logits([0, 1], 5), torch.tensor([0, 1]))
    assert found["macro_f1"] == 1.0


def test_a_class_that_is_always_missed_counts_as_zero() -> None:
    found = scores(one_hot_logits([0, 0], 2), torch.tensor([0, 1]))
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_several_labels_pool_their_counts_and_accuracy_wants_all_of_them() -> None:
    logits = torch.tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])
    y = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    found = scores(logits, y)
    assert found["accuracy"] == 0.5
    assert found["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))  # tp 2, fp 1, fn 1
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)  # label 1 never occurs


def test_no_label_anywhere_scores_zero_not_nan() -> None:
    found = scores(torch.full((2, 3), -1.0), torch.zeros(2, 3))
    assert (found["micro_f1"], found["macro_f1"]) == (0.0, 0.0)


def test_the_loss_is_cross_entropy_or_binary_cross_entropy() -> None:
    uniform = torch.zeros(2, 4)
    torch.testing.assert_close(
        per_node_loss(uniform, torch.tensor([0, 3])), torch.full((2,), math.log(4))
    )
    torch.testing.assert_close(
        per_node_loss(uniform, torch.ones(2, 4)), torch.full((2,), math.log(2))
    )
    assert mean_loss(uniform, torch.tensor([0, 3])) == pytest.approx(math.log(4))


def test_an_empty_split_has_no_loss_and_no_score() -> None:
    nothing, y = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    assert math.isnan(mean_loss(nothing, y))
    assert set(scores(nothing, y).values()) == {0.0}


@pytest.mark.parametrize("multi_label", [False, True])
def test_logits_that_are_no_numbers_have_no_calibration_error(multi_label: bool) -> None:
    y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]) if multi_label else torch.tensor([0, 1])
    logits = torch.tensor([[torch.nan, 0.0], [1.0, 0.0]])
    assert math.isnan(scores(logits, y)["ece"])  # a warning would be an error here

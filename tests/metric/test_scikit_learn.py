"""Metrics against those of scikit-learn on the same probabilities and predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from redditgnn.metric.classification import scores
from redditgnn.metric.ranking import NUM_BINS

sk = pytest.importorskip("sklearn.metrics")
# decimals of the logits: with 0 there are many ties
SINGLE = [(2, 9), (2, 0), (5, 9), (5, 0)]


def single_label(num_classes: int, decimals: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(num_classes)
    y = rng.integers(0, num_classes, 200)
    logits = np.round(rng.normal(size=(200, num_classes)) + np.eye(num_classes)[y], decimals)
    return torch.tensor(logits), torch.tensor(y)


def multi_label(decimals: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    y = (rng.random((150, 4)) < 0.3).astype(np.float32)
    return torch.tensor(np.round(rng.normal(size=(150, 4)) + y, decimals)), torch.tensor(y)


def ece_by_numpy(confidence: np.ndarray, is_right: np.ndarray) -> float:
    total, edges = 0.0, np.linspace(0, 1, NUM_BINS + 1)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - is_right[inside].mean())
    return total


@pytest.mark.parametrize(("num_classes", "decimals"), SINGLE)
def test_metrics_of_one_label_equal_those_of_scikit_learn(num_classes, decimals):
    logits, y = single_label(num_classes, decimals)
    predicted, probability = logits.argmax(1).numpy(), logits.softmax(1).numpy()
    if num_classes == 2:
        auc = sk.roc_auc_score(y, probability[:, 1])
        precision = sk.average_precision_score(y, probability[:, 1])
    else:
        auc = sk.roc_auc_score(y, probability, multi_class="ovr", average="macro")
        precision = sk.average_precision_score(y, probability, average="macro")
    assert scores(logits, y) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y, predicted),
            "micro_f1": sk.f1_score(y, predicted, average="micro"),
            "macro_f1": sk.f1_score(y, predicted, average="macro"),
            "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
            "roc_auc": auc,
            "average_precision": precision,
            "mcc": sk.matthews_corrcoef(y, predicted),
            "ece": ece_by_numpy(probability.max(1), predicted == y.numpy()),
        }
    )


@pytest.mark.parametrize("decimals", [9, 0])
def test_metrics_of_several_labels_equal_means_of_scikit_learn_over_labels(decimals):
    logits, y = multi_label(decimals)
    predicted, probability = (logits > 0).numpy(), logits.sigmoid().numpy()
    labels = range(y.size(1))
    confidence = np.maximum(probability, 1 - probability).ravel()
    found = scores(logits, y)
    balanced = [sk.balanced_accuracy_score(y[:, i], predicted[:, i]) for i in labels]
    mcc = [sk.matthews_corrcoef(y[:, i], predicted[:, i]) for i in labels]
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(y, probability))
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(y, probability))
    assert found["balanced_accuracy"] == pytest.approx(np.mean(balanced))
    assert found["mcc"] == pytest.approx(np.mean(mcc))
    assert found["ece"] == pytest.approx(ece_by_numpy(confidence, (predicted == y.numpy()).ravel()))


def test_a_class_that_no_node_has_is_left_out_of_means_over_classes():
    logits, y = single_label(4, 9)
    present = y != 3
    logits, y = logits[present], y[present]
    probability = logits.softmax(1).numpy()
    auc = [sk.roc_auc_score(y == c, probability[:, c]) for c in range(3)]
    precision = [sk.average_precision_score(y == c, probability[:, c]) for c in range(3)]
    found = scores(logits, y)
    assert found["roc_auc"] == pytest.approx(np.mean(auc))
    assert found["average_precision"] == pytest.approx(np.mean(precision))


def test_metrics_that_need_two_classes_are_left_out_where_nodes_have_one():
    logits, y = single_label(3, 9)
    found = scores(logits, torch.full_like(y, 2))
    assert not {"roc_auc", "average_precision", "mcc"} & found.keys()
    assert {"accuracy", "macro_f1", "balanced_accuracy", "ece"} <= found.keys()


def test_a_constant_prediction_has_no_correlation_and_half_the_area():
    _, y = single_label(2, 9)
    found = scores(torch.tensor([[0.0, 1.0]]).repeat(len(y), 1), y)
    assert (found["mcc"], found["roc_auc"], found["balanced_accuracy"]) == (0.0, 0.5, 0.5)


def test_a_confident_model_is_ranked_beyond_the_precision_of_float32():
    logits, y = torch.tensor([[0.0, 20.0], [0.0, 25.0]]), torch.tensor([0, 1])
    assert scores(logits, y)["roc_auc"] == 1.0

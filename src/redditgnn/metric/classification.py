"""Metrics of classification from exact counts, and the loss.

With one label a node, micro-F1 equals accuracy. A metric returns None where it is not defined.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from numpy import ndarray
from torch import Tensor
from torch.nn import functional as F

from redditgnn.metric.base import METRIC_NAMES, Scores
from redditgnn.metric.ranking import Ranking, calibration_error

UNLABELLED = -1
Labels = Int64[Tensor, " nodes"] | Float[Tensor, "nodes classes"]


class Outcome:
    """Predicted labels beside the true ones; counts are computed once for all metrics.

    The predicted label is the largest logit. Where nodes carry several labels, it is every logit
    above 0.

    Attributes:
        is_multi_label: Whether nodes carry several labels.
    """

    def __init__(self, logits: Float[Tensor, "nodes classes"], y: Labels) -> None:
        self.logits, self.y, self.is_multi_label = logits, y, y.dim() == 2
        if self.is_multi_label:
            self.predicted, self.truth = logits > 0, y > 0.5
        else:
            classes = logits.size(1)
            self.predicted = F.one_hot(logits.argmax(1), classes).bool()
            self.truth = F.one_hot(y, classes).bool()

    @cached_property
    def hits(self) -> Int64[Tensor, " classes"]:
        """True positives of each class."""
        return (self.predicted & self.truth).sum(0)

    @cached_property
    def predicted_nodes(self) -> Int64[Tensor, " classes"]:
        """Nodes that are predicted to be of each class."""
        return self.predicted.sum(0)

    @cached_property
    def true_nodes(self) -> Int64[Tensor, " classes"]:
        """Nodes of each class."""
        return self.truth.sum(0)

    @cached_property
    def positives(self) -> Int64[Tensor, " classes"]:
        """Predicted and true nodes of each class together: 2 TP + FP + FN."""
        return self.predicted_nodes + self.true_nodes

    @cached_property
    def probability(self) -> Float64[ndarray, "classes nodes"]:
        """Probability of each class, or of each label where nodes carry several."""
        logits = self.logits.double()
        probability = logits.sigmoid() if self.is_multi_label else logits.softmax(1)
        return probability.T.contiguous().cpu().numpy()

    @cached_property
    def has_both(self) -> Bool[Tensor, " classes"]:
        """Whether some nodes are of a class, and some are not."""
        return (self.true_nodes > 0) & (self.true_nodes < len(self.y))

    @cached_property
    def rankings(self) -> list[Ranking]:
        """Nodes ranked for the second of two classes, or for every class that can be ranked."""
        ranked = self.has_both.nonzero().view(-1).tolist()
        if not self.is_multi_label and len(self.has_both) == 2:
            ranked = ranked[1:]
        truth = self.truth.T.contiguous().cpu().numpy()
        return [Ranking(self.probability[number], truth[number]) for number in ranked]


def accuracy(outcome: Outcome) -> float:
    """Share of the nodes whose labels are all right."""
    exact = (outcome.predicted == outcome.truth).all(1)
    return exact.double().mean().item() if len(exact) else 0.0


def micro_f1(outcome: Outcome) -> float:
    """F1 of the pooled counts of all classes."""
    return 2 * outcome.hits.sum().item() / max(outcome.positives.sum().item(), 1)


def macro_f1(outcome: Outcome) -> float:
    """Mean of F1 over the classes that occur in labels or predictions."""
    occurs = outcome.positives > 0
    f1 = 2 * outcome.hits[occurs].double() / outcome.positives[occurs]
    return f1.mean().item() if len(f1) else 0.0


def balanced_accuracy(outcome: Outcome) -> float | None:
    """Mean recall over the classes that nodes have.

    Where nodes carry several labels: mean over the labels of (recall of the nodes with the label +
    recall of those without it) / 2.
    """
    if not outcome.is_multi_label:
        occurs = outcome.true_nodes > 0
        return _mean(outcome.hits[occurs].double() / outcome.true_nodes[occurs])
    hits, with_label, predicted = _counts_of_labels(outcome)
    without = len(outcome.y) - with_label
    return _mean((hits / with_label + (without - predicted + hits) / without) / 2)


def roc_auc(outcome: Outcome) -> float | None:
    """Area under the ROC curve of the second class, or the mean over classes or labels."""
    return _mean([ranking.roc_auc() for ranking in outcome.rankings])


def average_precision(outcome: Outcome) -> float | None:
    """Average precision of the second class, or the mean over classes or labels."""
    return _mean([ranking.average_precision() for ranking in outcome.rankings])


def mcc(outcome: Outcome) -> float | None:
    """Matthews correlation coefficient, 0 if one class alone is predicted (Gorodkin 2004).

    Where nodes carry several labels: the mean over the labels.
    """
    nodes = float(len(outcome.y))
    if outcome.is_multi_label:
        hits, truth, predicted = _counts_of_labels(outcome)
        spread = truth * (nodes - truth) * predicted * (nodes - predicted)
        covariance = hits * nodes - truth * predicted
        return _mean(torch.where(spread > 0, covariance / spread.clamp(min=1).sqrt(), 0.0))
    if not outcome.has_both.any():
        return None
    truth, predicted = outcome.true_nodes.double(), outcome.predicted_nodes.double()
    spread = (nodes**2 - predicted @ predicted) * (nodes**2 - truth @ truth)
    covariance = outcome.hits.sum() * nodes - truth @ predicted
    return (covariance / spread.sqrt()).item() if spread > 0 else 0.0


def ece(outcome: Outcome) -> float | None:
    """Expected calibration error of the predicted class, or of all labels in one pool."""
    if len(outcome.y) == 0:
        return None
    if outcome.is_multi_label:
        confidence = np.maximum(outcome.probability, 1 - outcome.probability).ravel()
        is_right = (outcome.predicted == outcome.truth).T.flatten()
    else:
        confidence = outcome.probability.max(0)
        is_right = (outcome.predicted & outcome.truth).any(1)
    return calibration_error(confidence, is_right.cpu().numpy())


def _counts_of_labels(outcome: Outcome) -> tuple[Tensor, Tensor, Tensor]:
    """Count hits, true and predicted nodes of the labels that some nodes have and some lack."""
    counts = outcome.hits, outcome.true_nodes, outcome.predicted_nodes
    hits, truth, predicted = (count[outcome.has_both].double() for count in counts)
    return hits, truth, predicted


def _mean(values: Tensor | list[float]) -> float | None:
    return float(sum(values)) / len(values) if len(values) else None


COMPUTE: dict[str, Callable[[Outcome], float | None]] = {
    "accuracy": accuracy,
    "micro_f1": micro_f1,
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "mcc": mcc,
    "ece": ece,
}


def scores(logits: Float[Tensor, "nodes classes"], y: Labels) -> Scores:
    """Compute every metric in `METRICS` that is defined on these nodes."""
    outcome = Outcome(logits, y)
    values = {name: COMPUTE[name](outcome) for name in METRIC_NAMES}
    return {name: value for name, value in values.items() if value is not None}


def per_node_loss(
    logits: Float[Tensor, "nodes classes"],
    y: Labels,
    class_weight: Float[Tensor, " classes"] | None = None,
) -> Float[Tensor, " nodes"]:
    """Cross entropy, or binary cross entropy averaged over labels where nodes carry several.

    A node without labels (-1) has the loss 0. `class_weight` is for nodes with one label.
    """
    if y.dim() == 2:
        loss = F.binary_cross_entropy_with_logits(logits, y.clamp(min=0), reduction="none")
        return loss.mean(1) * (y[:, 0] >= 0)
    return F.cross_entropy(logits, y, class_weight, reduction="none", ignore_index=UNLABELLED)


def mean_loss(logits: Float[Tensor, "nodes classes"], y: Labels) -> float:
    """Mean of `per_node_loss`."""
    return per_node_loss(logits, y).mean().item() if len(y) else float(torch.nan)

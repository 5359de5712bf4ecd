"""Metrics of classification from exact counts, and the loss.

With one label a node, micro-F1 equals accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from redditgnn.metric.base import METRIC_NAMES, Scores

UNLABELLED = -1
Labels = Int64[Tensor, " nodes"] | Float[Tensor, "nodes classes"]


class Outcome:
    """Predicted labels beside the true ones; counts are computed once for all metrics.

    The predicted label is the largest logit. Where nodes carry several labels, it is every logit
    above 0.
    """

    def __init__(self, logits: Float[Tensor, "nodes classes"], y: Labels) -> None:
        self.logits, self.y = logits, y
        if y.dim() == 2:
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
    def positives(self) -> Int64[Tensor, " classes"]:
        """Predicted and true nodes of each class together: 2 TP + FP + FN."""
        return self.predicted.sum(0) + self.truth.sum(0)


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


COMPUTE: dict[str, Callable[[Outcome], float]] = {
    "accuracy": accuracy,
    "micro_f1": micro_f1,
    "macro_f1": macro_f1,
}


def scores(logits: Float[Tensor, "nodes classes"], y: Labels) -> Scores:
    """Compute every metric in `METRICS`."""
    outcome = Outcome(logits, y)
    return {name: COMPUTE[name](outcome) for name in METRIC_NAMES}


def per_node_loss(logits: Float[Tensor, "nodes classes"], y: Labels) -> Float[Tensor, " nodes"]:
    """Cross entropy, or binary cross entropy averaged over labels where nodes carry several.

    A node without labels (-1) has the loss 0.
    """
    if y.dim() == 2:
        loss = F.binary_cross_entropy_with_logits(logits, y.clamp(min=0), reduction="none")
        return loss.mean(1) * (y[:, 0] >= 0)
    return F.cross_entropy(logits, y, reduction="none", ignore_index=UNLABELLED)


def mean_loss(logits: Float[Tensor, "nodes classes"], y: Labels) -> float:
    """Mean of `per_node_loss`."""
    return per_node_loss(logits, y).mean().item() if len(y) else float(torch.nan)

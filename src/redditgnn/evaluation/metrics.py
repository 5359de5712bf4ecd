"""Scores of predictions, from exact counts."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

Labels = Int64[Tensor, " nodes"] | Float[Tensor, "nodes classes"]


class Scores(NamedTuple):
    """Fractions in [0, 1].

    One label a node: micro-F1 equals accuracy. Several: `accuracy` counts nodes whose labels are
    all right, `micro_f1` pools the counts of all labels. `macro_f1` is the mean of F1 over the
    classes that occur in labels or predictions.
    """

    accuracy: float
    micro_f1: float
    macro_f1: float


def per_node_loss(logits: Float[Tensor, "nodes classes"], y: Labels) -> Float[Tensor, " nodes"]:
    """Cross entropy, or binary cross entropy averaged over labels where nodes carry several."""
    if y.dim() == 2:
        return F.binary_cross_entropy_with_logits(logits, y, reduction="none").mean(1)
    return F.cross_entropy(logits, y, reduction="none")


def scores(logits: Float[Tensor, "nodes classes"], y: Labels) -> Scores:
    """Compare the predicted labels (largest logit, or logit above 0) with `y`."""
    if y.dim() == 2:
        predicted, truth = logits > 0, y > 0.5
        exact = (predicted == truth).all(1)
    else:
        labels = logits.argmax(1)
        classes = logits.size(1)
        predicted, truth = F.one_hot(labels, classes).bool(), F.one_hot(y, classes).bool()
        exact = labels == y
    hits = (predicted & truth).sum(0)
    claims_and_truths = predicted.sum(0) + truth.sum(0)  # 2 tp + fp + fn
    occurs = claims_and_truths > 0
    f1 = 2 * hits[occurs].double() / claims_and_truths[occurs]
    micro = 2 * hits.sum().item() / max(claims_and_truths.sum().item(), 1)
    macro = f1.mean().item() if len(f1) else 0.0
    return Scores(exact.double().mean().item() if len(y) else 0.0, micro, macro)


def mean_loss(logits: Float[Tensor, "nodes classes"], y: Labels) -> float:
    """Mean of `per_node_loss`."""
    return per_node_loss(logits, y).mean().item() if len(y) else float(torch.nan)

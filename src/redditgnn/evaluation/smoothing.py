"""Correct and Smooth: known labels change a model's answers (Huang et al. 2021, arXiv:2010.13993).

The model's errors at labelled nodes spread along the edges and correct its probabilities. Then the
labels and the corrected probabilities spread, which smooths them. Nothing is trained. The settings
are those with the best score on the validation nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Literal, NamedTuple, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphData, Split
from redditgnn.graph.features import Rows
from redditgnn.kernels.neighbors import normalized_neighbor_sum, own_rows
from redditgnn.metric.base import Metric, Scores
from redditgnn.metric.classification import scores
from redditgnn.model.base import LayeredModel
from redditgnn.model.propagation import Propagation

Scale = float | Literal["auto"]
LARGEST_SCALE = 1000  # of a node's correction; one that would be larger is left alone
LEAST_PROBABILITY = 1e-12  # the logarithm of it is finite


class Spread(Propagation):
    """Takes `num_steps` steps from E_0, the features: E = alpha D^-1/2 A D^-1/2 E + (1-alpha) E_0.

    Entries stay between `low` and `high`. With `is_fixed` the last feature is no part of E: where
    it is positive, E stays as it was.
    """

    reads_h0 = True

    def __init__(
        self, alpha: float, num_steps: int, *, low: float, high: float, is_fixed: bool
    ) -> None:
        super().__init__([normalized_neighbor_sum] * num_steps, keeps_all=False)
        self._alpha, self._low, self._high, self._is_fixed = alpha, low, high, is_fixed

    def layer(
        self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows
    ) -> Float[Tensor, "dst classes"]:
        start = own_rows(h0, block)
        out = super().layer(index, h, block, h0) * self._alpha
        if self._is_fixed:
            return torch.where(start[:, -1:] > 0, start, out + (1 - self._alpha) * start)
        return out.add_(start, alpha=1 - self._alpha).clamp_(self._low, self._high)


class Choice(NamedTuple):
    """How the probabilities are changed. An alpha of None leaves that half out.

    `scale` multiplies the errors after they have spread. `auto` gives them everywhere the mean size
    that they have at labelled nodes.
    """

    correct_alpha: float | None = None
    scale: Scale | None = None
    smooth_alpha: float | None = None


class Smoother:
    """Changes the probabilities of one model on one graph. `inference` computes on that graph."""

    def __init__(
        self,
        graph: GraphData,
        probability: Float[Tensor, "nodes classes"],
        inference: ExactInference,
        num_steps: int,
    ) -> None:
        self._graph, self._probability = graph, probability
        self._inference, self._num_steps = inference, num_steps

    def correct(
        self, alpha: float | None, scale: Scale | None, labelled: Bool[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes classes"]:
        """Add the errors that have spread from `labelled` nodes. None leaves them out."""
        if alpha is None or scale is None:
            return self._probability
        error = torch.zeros_like(self._probability)
        error[labelled] = self._labels(labelled) - self._probability[labelled]
        if scale != "auto":
            start = torch.cat([error, labelled.float()[:, None]], 1)
            spread = self._spread(start, alpha, -1.0, is_fixed=True)[:, :-1]
            return self._probability + scale * spread
        spread = self._spread(error, alpha, -1.0)
        size = error[labelled].abs().sum(1).mean()
        factor = size / spread.abs().sum(1, keepdim=True)
        factor[~(factor <= LARGEST_SCALE)] = 1.0  # infinite and undefined ones, too
        return self._probability + factor * spread

    def smooth(
        self,
        probability: Float[Tensor, "nodes classes"],
        alpha: float | None,
        labelled: Bool[Tensor, " nodes"],
    ) -> Float[Tensor, "nodes classes"]:
        """Spread `probability`, with the labels of `labelled` in place of it. None leaves it."""
        if alpha is None:
            return probability
        start = probability.clone()
        start[labelled] = self._labels(labelled)
        return self._spread(start, alpha, 0.0)

    def apply(
        self, choice: Choice, labelled: Bool[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes classes"]:
        """Return the probabilities after both halves. Only labels of `labelled` are read."""
        corrected = self.correct(choice.correct_alpha, choice.scale, labelled)
        return self.smooth(corrected, choice.smooth_alpha, labelled)

    def _labels(self, labelled: Tensor) -> Tensor:
        return F.one_hot(self._graph.y[labelled], self._graph.num_classes).float()

    def _spread(self, start: Tensor, alpha: float, low: float, is_fixed: bool = False) -> Tensor:
        steps = Spread(alpha, self._num_steps, low=low, high=1.0, is_fixed=is_fixed)
        inference = self._inference.on(replace(self._graph, x=start))
        return inference(cast(LayeredModel, steps))


def list_choices(
    correct_alphas: Sequence[float], scales: Sequence[Scale], smooth_alphas: Sequence[float]
) -> list[Choice]:
    """Return all combinations. Each half may also be left out: the first choice changes nothing."""
    corrections = [(None, None), *product(correct_alphas, scales)]
    return [
        Choice(*correction, alpha)
        for correction, alpha in product(corrections, (None, *smooth_alphas))
    ]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """What was tried, and what the best of it does.

    Attributes:
        trials: Each choice with its score on the validation nodes, from labels of training nodes.
        best: The choice with the best score, of equal ones the first.
        before, after: Scores of the model, and of `best`, on the nodes of `val` and `test`.
        probability: The probabilities after `best`.
    """

    trials: list[tuple[Choice, float]]
    best: Choice
    before: dict[str, Scores]
    after: dict[str, Scores]
    probability: Float[Tensor, "nodes classes"]


def choose_smoothing(
    smoother: Smoother,
    graph: GraphData,
    choices: Sequence[Choice],
    metric: Metric,
    *,
    with_val_labels: bool,
) -> Smoothing:
    """Try all choices, by the validation score of `metric`, and apply the best.

    Test nodes are scored before and after, and choose nothing. `with_val_labels` reads the labels
    of validation nodes as well, once the choice is made.
    """
    trials = []
    for (alpha, scale), group in groupby(choices, key=lambda c: (c.correct_alpha, c.scale)):
        corrected = smoother.correct(alpha, scale, graph.train_mask)
        for choice in group:
            out = smoother.smooth(corrected, choice.smooth_alpha, graph.train_mask)
            trials.append((choice, split_scores(graph, out, "val")[metric.name]))
    best, _ = max(trials, key=lambda trial: metric.merit(trial[1]))
    plain, chosen = (smoother.apply(one, graph.train_mask) for one in (Choice(), best))
    tested = chosen
    if with_val_labels:
        tested = smoother.apply(best, graph.train_mask | graph.val_mask)
    return Smoothing(
        trials=trials,
        best=best,
        before={split: split_scores(graph, plain, split) for split in ("val", "test")},
        after={
            "val": split_scores(graph, chosen, "val"),
            "test": split_scores(graph, tested, "test"),
        },
        probability=tested,
    )


def split_scores(
    graph: GraphData, probability: Float[Tensor, "nodes classes"], split: Split
) -> Scores:
    """Return the scores of `probability` on the nodes of `split`."""
    mask = graph.mask(split)
    return scores(probability[mask].clamp(min=LEAST_PROBABILITY).log(), graph.y[mask])

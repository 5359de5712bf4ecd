"""Scores of a model in the future of its training: `protocol=temporal`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from redditgnn.evaluation.coverage import Coverage, class_coverage
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData, Split
from redditgnn.graph.temporal import TemporalSplit, WindowTest
from redditgnn.graph.timeline import Time, Window
from redditgnn.metric.base import Scores
from redditgnn.metric.classification import mean_loss, scores
from redditgnn.model.base import LayeredModel
from redditgnn.record.ages import AgeRow

# Takes the model of the window before, a window and its number. Returns the model that was trained
# on all that lies before the window, and the split that it was trained on.
Update = Callable[[torch.nn.Module, Window, int], tuple[torch.nn.Module, TemporalSplit]]


class TemporalEvaluator:
    """Scores a model at the end of each window, on the graph that is seen there.

    The validation score is that of the window of validation. The test score is over all windows of
    the test together. Each node counts once for each window that it is tested in.

    Attributes:
        update: Trains the model of each window after the first. None: one model answers all.
        coverage: What the weights that were tested predict on the validation nodes. None before.
        ages: The scores in each window of the test. Empty before.
    """

    def __init__(
        self,
        split: TemporalSplit,
        inference: ExactInference,
        precomputed: Callable[[GraphData], GraphData],
    ) -> None:
        """`precomputed` returns a graph with the features that the model makes of it."""
        self._split, self._inference, self._precomputed = split, inference, precomputed
        self.update: Update | None = None
        self.coverage: Coverage | None = None
        self.ages: list[AgeRow] = []

    def __call__(self, model: torch.nn.Module, split: Split) -> tuple[float, Scores]:
        """Return mean loss and scores of the nodes in `split`; leaves the model in eval mode."""
        test, inference = self._validation
        logits, y = _answers(model, test, inference)
        if split == "test":  # of the best weights
            self.coverage = class_coverage(logits, y)
            logits, y = self._test(model)
        return mean_loss(logits, y), scores(logits, y)

    @cached_property
    def _validation(self) -> tuple[WindowTest, ExactInference]:
        """The test that every epoch takes."""
        test = self._split.validation_test()
        return test, self._inference.on(self._precomputed(test.graph))

    def _test(self, model: torch.nn.Module) -> tuple[Tensor, Tensor]:
        answers: list[tuple[Tensor, Tensor]] = []
        self.ages = []
        split = self._split
        for number, (window, test) in enumerate(split.scored_windows(), start=1):
            if number > 1 and self.update is not None:
                model, split = self.update(model, window, number)
                test = split.at("test", window)
            inference = self._inference.on(self._precomputed(test.graph))
            answers.append(_answers(model, test, inference))
            self.ages.append(_row(test, split.until, *answers[-1]))
        logits, y = (torch.cat(parts) for parts in zip(*answers, strict=True))
        return logits, y


def _row(test: WindowTest, until: Time, logits: Tensor, y: Tensor) -> AgeRow:
    return AgeRow(
        split=test.split,
        first=test.first,
        last=test.last,
        age=test.last - until,
        nodes=len(y),
        edges=test.graph.num_edges,
        loss=mean_loss(logits, y),
        scores=scores(logits, y),
    )


def _answers(
    model: torch.nn.Module, test: WindowTest, inference: ExactInference
) -> tuple[Tensor, Tensor]:
    """Return logits and labels of the nodes under test."""
    logits = inference(cast(LayeredModel, model.eval()))
    return logits[test.nodes], test.graph.y[test.nodes]

"""Scores of a model on a split, and the refresh of histories between epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor

from redditgnn.evaluation.coverage import Coverage, class_coverage
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData, Split
from redditgnn.metric.base import Scores
from redditgnn.metric.classification import mean_loss, scores
from redditgnn.model.base import LayeredModel
from redditgnn.record.rows import HistoryRow
from redditgnn.sampler.base import (
    BetweenEpochs,
    KeepsHistories,
    Sampler,
    nothing_between_epochs,
)


class Evaluator:
    """Scores a model on one split of a graph by exact inference.

    Attributes:
        coverage: What the weights that were tested predict on the validation nodes. None before.
    """

    def __init__(self, graph: GraphData, inference: ExactInference) -> None:
        self._graph, self._inference = graph, inference
        self.coverage: Coverage | None = None

    def __call__(self, model: torch.nn.Module, split: Split) -> tuple[float, Scores]:
        """Return mean loss and scores of the nodes in `split`; leaves the model in eval mode."""
        logits = self._inference(cast(LayeredModel, model.eval()))
        if split == "test":  # of the best weights
            self.coverage = class_coverage(*self._labelled(logits, "val"))
        logits, y = self._labelled(logits, split)
        return mean_loss(logits, y), scores(logits, y)

    def _labelled(self, logits: Tensor, split: Split) -> tuple[Tensor, Tensor]:
        mask = self._graph.mask(split)
        return logits[mask], self._graph.y[mask]


class HistoryRefresh:
    """Gives a sampler that keeps histories the exact states after an epoch, where it asks.

    They come from the evaluation of that epoch if it reads the graph that training sees, from a
    pass of its own if not. `inference` reads that graph. What the sampler finds out goes to
    `record`.
    """

    def __init__(
        self,
        sampler: KeepsHistories,
        inference: ExactInference,
        record: Callable[[HistoryRow], None],
    ) -> None:
        self._sampler, self._inference, self._record = sampler, inference, record

    @contextmanager
    def __call__(self, epoch: int, model: torch.nn.Module) -> Iterator[None]:
        """Enclose the evaluation, if there is one; leaves the model in eval mode if asked."""
        listener = self._sampler.listener(epoch)
        if listener is None:
            yield
            return
        with self._inference.layer_hook(listener):
            yield
            if not self._inference.hook_was_called:
                self._inference(cast(LayeredModel, model.eval()))
        for row in self._sampler.staleness():
            self._record(row)


def history_refresh(
    sampler: Sampler,
    graph: GraphData,
    inference: ExactInference,
    record: Callable[[HistoryRow], None],
) -> BetweenEpochs:
    """Return what `sampler` needs between epochs; `inference` evaluates, and reads `graph`."""
    if not isinstance(sampler, KeepsHistories):
        return nothing_between_epochs
    if sampler.graph is not graph:
        inference = inference.on(sampler.graph)
    return HistoryRefresh(sampler, inference, record)

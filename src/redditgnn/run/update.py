"""Models for the later windows of `protocol=temporal`, each trained on all that lies before it.

The row and the files of a run tell of its first model. An update leaves its weights, no epochs.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import nn

from redditgnn.config.settings import Settings
from redditgnn.evaluation.evaluator import history_refresh
from redditgnn.evaluation.exact import ExactInference
from redditgnn.evaluation.temporal import TemporalEvaluator
from redditgnn.graph.temporal import TemporalSplit
from redditgnn.graph.timeline import Window
from redditgnn.memory.out_of_memory import MemoryWatch, Phase
from redditgnn.parts import Parts
from redditgnn.record import checkpoint
from redditgnn.record.rows import EpochRow, HistoryRow
from redditgnn.trainer.loop import TrainingResult

log = logging.getLogger(__name__)
WAY_OUT = "remove it, and the update begins anew"


def updates_models(settings: Settings) -> bool:
    """Whether later windows of the test have models of their own."""
    return settings.temporal is not None and settings.temporal.update != "frozen"


def weights_of_window(folder: Path, number: int) -> Path:
    """Return the file with the weights of the model of a window, counted from 1."""
    return folder / ("best.pt" if number == 1 else f"best-window-{number}.pt")


class ModelUpdate:
    """Trains the model of a window, as `protocol.update` says.

    `retrained` begins with new weights, `warm_start` with those of the window before. Optimizer,
    scheduler and sampler are new in both. Each training draws the same random numbers, so an
    interrupted run that trains again has the same scores. The file of a window's weights is there
    once its training is over. So a run that is resumed reads it and trains the rest.
    """

    def __init__(
        self, dataset: Parts, inference: ExactInference, memory: MemoryWatch, folder: Path
    ) -> None:
        """`dataset` has no precomputed features, and `folder` is that of the run."""
        assert dataset.temporal is not None
        assert dataset.settings.temporal is not None
        self._dataset, self._split = dataset, dataset.temporal
        self._is_warm = dataset.settings.temporal.update == "warm_start"
        self._inference, self._memory, self._folder = inference, memory, folder

    def __call__(
        self, model: nn.Module, window: Window, number: int
    ) -> tuple[nn.Module, TemporalSplit]:
        """Return the model for the window of this number, and its split.

        `model` is that of the window before.
        """
        split = self._split.before(window)
        dataset = self._dataset.updated(split)
        with self._memory.during(Phase.TRAINING):
            torch.manual_seed(dataset.settings.seed)
            parts = dataset.with_precomputed_features()
            if self._is_warm:
                parts.model.load_state_dict(model.state_dict())
            weights = weights_of_window(self._folder, number)
            if weights.exists():
                parts.model.load_state_dict(checkpoint.load(weights, way_out=WAY_OUT))
                log.info("window %d: the model of %s", number, weights)
                return parts.model, split
            evaluator = TemporalEvaluator(split, self._inference, dataset.precomputed)
            training = self._train(parts, evaluator, weights)
        _tell(number, split, training)
        return parts.model, split

    def _train(self, parts: Parts, evaluator: TemporalEvaluator, weights: Path) -> TrainingResult:
        """Train, and write the weights, which have another name until the training is over."""
        unfinished = weights.with_suffix(".unfinished.pt")
        training = parts.trainer.fit(
            parts.model,
            parts.optimizer,
            parts.scheduler,
            parts.sampler,
            self._memory.evaluator(evaluator),
            unfinished,
            _leave_out,
            history_refresh(parts.sampler, parts.graph, self._inference, _leave_out),
            class_weight=parts.class_weight,
        )
        if unfinished.exists():
            unfinished.replace(weights)
        return training


def _leave_out(row: EpochRow | HistoryRow) -> None:
    """Record nothing: files of a run hold the epochs of its first model."""


def _tell(number: int, split: TemporalSplit, training: TrainingResult) -> None:
    seconds = sum(row.epoch_s for row in training.rows)
    best = "none" if training.best is None else training.best.epoch
    log.info(
        "window %d: a model until %.12g, best epoch %s of %d, %.1f s of training",
        *(number, split.until, best, len(training.rows), seconds),
    )

"""The best epoch by each criterion, and the end of patience."""

from __future__ import annotations

import pytest

from redditgnn.errors import ConfigError
from redditgnn.metric.base import METRIC_NAMES
from redditgnn.record.rows import EpochRow
from redditgnn.trainer.monitor import Monitor

# epochs   1           2           3           4           5
SCRIPT = [(0.5, 9.0), (0.7, 8.0), (0.7, 7.0), (0.6, 6.0), (0.7, 6.0)]


def best_and_end(
    criterion: str, script: list[tuple[float, float]], patience: int | None = None
) -> tuple[int | None, int]:
    """Return the best epoch and the last one that patience allowed."""
    monitor, epoch = Monitor(criterion, patience), 0
    for epoch, (score, loss) in enumerate(script, start=1):
        monitor.is_best(row(epoch, score, loss))
        if monitor.is_over:
            break
    return monitor.best and monitor.best.epoch, epoch


def row(epoch: int, score: float | None, loss: float | None) -> EpochRow:
    scores = None if score is None else dict.fromkeys(METRIC_NAMES, score)
    times = dict.fromkeys(("epoch_s", "sample_s", "transfer_s", "compute_s", "eval_s"), 0.0)
    return EpochRow(
        epoch=epoch, train_loss=1.0, learning_rate=0.1, val_loss=loss, val=scores, **times
    )


def test_of_equal_scores_the_lowest_loss_is_best() -> None:
    assert best_and_end("val_micro_f1", SCRIPT) == (5, 5)


def test_of_equal_losses_the_first_is_best() -> None:
    assert best_and_end("val_loss", SCRIPT) == (4, 5)


def test_both_must_be_as_good_as_ever() -> None:
    assert best_and_end("val_micro_f1_and_loss", [(0.7, 7.0), (0.6, 6.0), (0.8, 6.5)]) == (1, 3)
    assert best_and_end("val_micro_f1_and_loss", SCRIPT) == (5, 5)


def test_patience_with_both_lasts_while_either_is_as_good_as_ever() -> None:
    falling = [(0.7, 9.0), (0.6, 8.0), (0.6, 7.0), (0.7, 7.5), (0.6, 7.5), (0.6, 7.6)]
    assert best_and_end("val_micro_f1", falling, patience=2) == (1, 3)
    assert best_and_end("val_micro_f1_and_loss", falling, patience=2) == (1, 6)


def test_epochs_without_evaluation_do_not_try_patience() -> None:
    monitor = Monitor("val_loss", 1)
    monitor.is_best(row(1, 0.5, 1.0))
    assert not monitor.is_best(row(2, None, None))
    assert not monitor.is_over


def test_of_a_metric_that_should_be_low_the_lowest_is_best():
    falling = [(0.3, 9.0), (0.1, 8.0), (0.2, 7.0), (0.2, 6.0), (0.0, 5.0)]
    assert best_and_end("val_ece", falling) == (5, 5)
    assert best_and_end("val_ece", falling, patience=2) == (2, 4)


def test_a_metric_that_is_not_defined_cannot_be_monitored():
    scores = row(1, 0.5, 1.0)
    assert scores.val is not None
    del scores.val["roc_auc"]
    with pytest.raises(ConfigError, match="val_roc_auc is not defined on the validation nodes"):
        Monitor("val_roc_auc", None).is_best(scores)
    assert Monitor("val_accuracy", None).is_best(scores)

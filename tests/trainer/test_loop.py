"""The loop: which epoch wins, when it stops, what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from redditgnn.errors import ConfigError, TrainingDiverged
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.metric.base import METRIC_NAMES, Scores
from redditgnn.record import checkpoint
from redditgnn.sampler.full import FullSampler
from redditgnn.trainer.loop import Trainer, TrainingResult

CPU = torch.device("cpu")
USUAL = {
    "epochs": 5,
    "eval_every": 1,
    "patience": None,
    "monitor": "val_micro_f1",
    "class_weight": None,
    "grad_clip": None,
    "eval_chunk_edges": None,
    "precision": "fp32",
    "compile": False,
    "recompute": None,
    "batches_per_step": None,
    "memory_limit_gib": None,
    "checkpoint_every": None,
    "max_time": None,
    "device": CPU,
}


class Drifting(nn.Module):
    """One weight that counts the steps: its gradient is always -1."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.num_classes = num_classes
        self.gradient = 1.0

    def forward(self, batch: Batch) -> torch.Tensor:
        logits = torch.zeros(batch.num_targets, self.num_classes)
        push = -self.gradient * (self.weight - self.weight.detach())
        return logits + push * nn.functional.one_hot(batch.y, self.num_classes) * -1.0


class Scripted:
    """An evaluation whose validation scores are given in advance."""

    def __init__(self, micro_f1: list[float], losses: dict[int, float] | None = None) -> None:
        self.micro_f1, self.losses, self.seen = micro_f1, losses or {}, []

    def __call__(self, model: nn.Module, split: str) -> tuple[float, Scores]:
        assert split == "val", "the loop must not look at test nodes"
        self.seen.append(float(next(model.parameters()).detach()))
        value = self.micro_f1[len(self.seen) - 1]
        return self.losses.get(len(self.seen), 1 - value), dict.fromkeys(METRIC_NAMES, value)


@pytest.fixture
def fit(
    make_graph: Callable[..., GraphData], tmp_path: Path
) -> Callable[..., tuple[TrainingResult, nn.Module]]:
    graph = make_graph()
    sampler = FullSampler(graph, num_layers=1, device=CPU, seed=0, cuda_graph=False)

    def run(evaluate: Callable, model: nn.Module | None = None, **changes):
        model = model or Drifting(graph.num_classes)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        trainer = Trainer(**{**USUAL, **changes})
        rows: list = []
        best = tmp_path / "best.pt"
        training = trainer.fit(model, optimizer, scheduler, sampler, evaluate, best, rows.append)
        assert training.rows == rows
        return training, model

    return run


def test_the_best_validation_epoch_wins_and_its_weights_stay(fit: Callable, tmp_path: Path) -> None:
    evaluate = Scripted([0.1, 0.5, 0.9, 0.9, 0.2])
    training, model = fit(evaluate)
    assert training.best is not None
    assert training.best.epoch == 3  # the earlier of equals
    assert model.weight.item() == evaluate.seen[2]
    assert checkpoint.load(tmp_path / "best.pt")["weight"].item() == evaluate.seen[2]


def test_of_equal_scores_the_one_with_the_lower_loss_wins(fit: Callable) -> None:
    training, _ = fit(Scripted([0.1, 0.9, 0.9, 0.9, 0.2], losses={2: 0.5, 3: 0.3, 4: 0.4}))
    assert training.best.epoch == 3


def test_the_lowest_loss_wins_where_asked_for(fit: Callable) -> None:
    training, _ = fit(Scripted([0.1, 0.9, 0.5, 0.2, 0.1]), monitor="val_loss")
    assert training.best.epoch == 2


def test_evaluations_may_be_rare_and_the_last_epoch_always_has_one(fit: Callable) -> None:
    training, _ = fit(Scripted([0.1, 0.2, 0.3]), eval_every=2)
    assert [row.val_loss is None for row in training.rows] == [True, False, True, False, False]


def test_patience_counts_evaluations_without_improvement(fit: Callable) -> None:
    training, _ = fit(Scripted([0.5, 0.1, 0.6, 0.1, 0.1]), patience=2, epochs=50)
    assert len(training.rows) == 5


def test_the_scheduler_is_stepped_once_an_epoch(fit: Callable) -> None:
    training, _ = fit(Scripted([0.5] * 5))
    assert [row.learning_rate for row in training.rows] == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_weights_that_no_gradient_reaches_are_an_error_and_not_a_run_that_learns_nothing(
    fit: Callable,
) -> None:
    class Detached(Drifting):
        def forward(self, batch: Batch) -> torch.Tensor:
            return super().forward(batch).detach()

    with pytest.raises(RuntimeError, match="does not require grad"):
        fit(Scripted([0.5] * 5), Detached(4))


def test_a_loss_that_is_not_finite_ends_the_run(fit: Callable) -> None:
    class Broken(Drifting):
        def forward(self, batch: Batch) -> torch.Tensor:
            return super().forward(batch) * math.nan

    with pytest.raises(TrainingDiverged, match="training loss became nan; lower optimizer.lr"):
        fit(Scripted([0.5] * 5), model=Broken(3))


def test_gradients_are_clipped(fit: Callable) -> None:
    steep = Drifting(3)
    steep.gradient = 1000.0
    evaluate = Scripted([0.5] * 5)
    fit(evaluate, model=steep, grad_clip=0.1)
    assert abs(evaluate.seen[0]) == pytest.approx(0.1, rel=1e-3)


def test_batches_are_prepared_in_another_thread_and_its_errors_arrive(fit: Callable) -> None:
    import threading

    from redditgnn.trainer.epoch import Prefetched

    def batches() -> Iterator[int]:
        yield threading.get_ident()
        raise RuntimeError("no more")

    prefetched = iter(Prefetched(batches()))
    assert next(prefetched) != threading.get_ident()
    with pytest.raises(RuntimeError, match="no more"):
        next(prefetched)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "trainer.epochs must be positive, got 0"),
        ({"eval_every": -1}, "trainer.eval_every must be positive, got -1"),
        ({"patience": 0}, "trainer.patience must be positive, got 0"),
        ({"grad_clip": 0.0}, "trainer.grad_clip must be positive, or null for no clipping"),
        ({"eval_chunk_edges": -5}, "trainer.eval_chunk_edges must be positive, got -5"),
        ({"memory_limit_gib": 0}, "trainer.memory_limit_gib must be positive, or null, got 0"),
        ({"precision": "tf32"}, "trainer.precision=tf32 needs a CUDA device.*precision=fp32"),
    ],
)
def test_a_wrong_setting_is_named(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Trainer(**{**USUAL, **change})


def test_time_that_is_up_ends_training_behind_an_epoch_that_is_evaluated(fit: Callable) -> None:
    training, _ = fit(Scripted([0.5]), max_time="0.000001s", eval_every=3, epochs=50)
    assert [row.val["micro_f1"] for row in training.rows] == [0.5]


def test_time_that_is_not_up_changes_nothing(fit: Callable) -> None:
    training, _ = fit(Scripted([0.5] * 5), max_time="1h")
    assert len(training.rows) == 5

"""The one training loop. It knows no model, dataset or sampler by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from redditgnn.distributed.deal import Deal
from redditgnn.distributed.stages import Stages
from redditgnn.distributed.team import Alone, Team
from redditgnn.errors import TrainingDiverged, require, require_positive
from redditgnn.graph.batch import Batch
from redditgnn.metric.base import Scores
from redditgnn.metric.class_weight import ClassWeight
from redditgnn.record import checkpoint
from redditgnn.record.rows import EpochRow
from redditgnn.runtime.duration import seconds_of
from redditgnn.runtime.measure import Stopwatch
from redditgnn.runtime.memory import memory_limit
from redditgnn.runtime.precision import Precision, check_precision, float32_products
from redditgnn.runtime.progress import progress_bar
from redditgnn.sampler.base import BetweenEpochs, OneStep, Sampler, nothing_between_epochs
from redditgnn.trainer.checkpointing import Cadence, Checkpointer
from redditgnn.trainer.cuda_graph import captured_training
from redditgnn.trainer.epoch import EpochClock
from redditgnn.trainer.forward import Recompute, check_forward
from redditgnn.trainer.monitor import Monitor, check_criterion
from redditgnn.trainer.running import Evaluate, Running
from redditgnn.trainer.shared import shared_steps
from redditgnn.trainer.state import TrainingState
from redditgnn.trainer.step import Forward, Step, single_steps


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The epochs of a training; `best` is the one that `trainer.monitor` chose."""

    rows: list[EpochRow]
    best: EpochRow | None


class Trainer:
    """Trains for `epochs`, evaluates every `eval_every`, ends with the best weights.

    Args:
        epochs: At most that many.
        eval_every: Epochs between two evaluations on the validation nodes; the last is always
            evaluated.
        patience: Evaluations without improvement before training stops early; None: never.
        monitor: The criterion of the best epoch on the validation nodes, see `Monitor`.
        class_weight: How much nodes of each class count in the training loss, see
            `redditgnn.metric.class_weight`; None: all alike. The validation loss is not weighted.
        grad_clip: Largest norm of the gradient over all parameters; None: as it is.
        eval_chunk_edges: Most edges to evaluate at once; None: what half of the free memory holds.
        precision: What matrix products are computed in, see `redditgnn.runtime.precision`.
        compile: Generate code for the training step's forward pass with `torch.compile`, which
            takes a minute or so at first; evaluation, one pass an epoch, runs without.
        recompute: `layers`: backward passes compute layers again from their inputs, so that what is
            inside of layers need not be kept (`redditgnn.model.recompute`). None: it is kept.
        batches_per_step: A step is the mean over so many batches. None: 1, or as many as there
            are processes.
        memory_limit_gib: Most memory of the CUDA device, or of the process on a CPU; None: all.
        checkpoint_every: Epochs or a duration (`60s`) between two checkpoints; None: there are
            none. Only a duration, and a signal, interrupt an epoch.
        max_time: A duration of training, evaluation not counted: the epoch in which it runs out is
            the last; None: no limit.
    """

    def __init__(
        self,
        *,
        epochs: int,
        eval_every: int,
        patience: int | None,
        monitor: str,
        class_weight: ClassWeight | None,
        grad_clip: int | float | None,
        eval_chunk_edges: int | None,
        precision: Precision,
        compile: bool,
        recompute: Recompute,
        batches_per_step: int | None,
        memory_limit_gib: int | float | None,
        checkpoint_every: int | str | None,
        max_time: int | float | str | None,
        device: torch.device,
    ) -> None:
        check_criterion(monitor)
        require_positive("trainer.epochs", epochs)
        require_positive("trainer.eval_every", eval_every)
        for key, value in (("patience", patience), ("eval_chunk_edges", eval_chunk_edges)):
            require(value is None or value > 0, f"trainer.{key} must be positive, got {value}")
        require(
            not isinstance(class_weight, list) or all(number >= 0 for number in class_weight),
            f"trainer.class_weight must have no negative numbers, got {class_weight}",
        )
        require(
            grad_clip is None or grad_clip > 0,
            f"trainer.grad_clip must be positive, or null for no clipping, got {grad_clip}",
        )
        require(
            memory_limit_gib is None or memory_limit_gib > 0,
            f"trainer.memory_limit_gib must be positive, or null, got {memory_limit_gib}",
        )
        self._batches_per_step = 1 if batches_per_step is None else batches_per_step
        require_positive("trainer.batches_per_step", self._batches_per_step)
        check_precision("trainer.precision", precision, device)
        check_forward(compile, recompute)
        self.eval_chunk_edges, self.precision = eval_chunk_edges, precision
        self.class_weight = class_weight
        self._compile, self._memory_limit_gib, self._device = compile, memory_limit_gib, device
        self._epochs, self._eval_every = epochs, eval_every
        self._patience, self._monitor, self._grad_clip = patience, monitor, grad_clip
        self.cadence = Cadence("trainer.checkpoint_every", checkpoint_every)
        self._max_s = None if max_time is None else seconds_of("trainer.max_time", max_time)

    @contextmanager
    def in_effect(self) -> Iterator[None]:
        """Set what torch keeps for the whole process, and restore it for the next run.

        Raises:
            ConfigError: the device has less memory than `memory_limit_gib`, see `memory_limit`.
        """
        limited = memory_limit("trainer.memory_limit_gib", self._memory_limit_gib, self._device)
        with float32_products(self.precision), limited:
            try:
                yield
            finally:
                if self._compile:
                    torch.compiler.reset()  # code of this run's model: the next has another

    def fit(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        scheduler: LRScheduler,
        sampler: Sampler,
        evaluate: Evaluate,
        best_weights: Path,
        record: Callable[[EpochRow], None],
        between_epochs: BetweenEpochs = nothing_between_epochs,
        checkpointer: Checkpointer | None = None,
        class_weight: Tensor | None = None,
        team: Team | None = None,
        seed: int = 0,
        stages: Stages | None = None,
    ) -> TrainingResult:
        """Train `model` in place and leave it with the weights of the best epoch.

        The best weights are also written to `best_weights`, even if the training is cut short. It
        resumes from what `checkpointer` has. `class_weight` has each class's factor in the loss.
        The processes of `team` share the steps, or each computes some layers, which `stages` deals
        to them. What a batch of theirs draws follows from `seed`.

        Raises:
            TrainingDiverged: the loss is not finite.
            KeyboardInterrupt: the process was asked to end; `checkpointer` has the state.
        """
        monitor, team = Monitor(self._monitor, self._patience), team or Alone()
        fixed = len(sampler) if isinstance(sampler, OneStep) else None
        place = (team.rank, team.size) if stages is None else (0, 1)  # all see all batches
        deal = Deal(len(sampler), fixed or self._batches_per_step, *place)
        state = TrainingState(
            model, optimizer, scheduler, sampler, monitor, self._device, deal.is_own, team
        )
        if checkpointer is not None:
            checkpointer.restore(state)
        step = self.new_step(model, optimizer, class_weight)
        shared, captured = shared_steps(step, deal, team, seed, sampler, stages), None
        if shared is None:
            captured = captured_training(sampler, step, optimizer, self._device)
        else:
            state.stage_weights = shared.stage_weights
        total = self._epochs * len(sampler)
        bar = progress_bar(total, state.num_steps, is_silent=team.rank > 0)
        loop = Running(
            state, step, captured, shared, evaluate, between_epochs, checkpointer, team, bar
        )
        try:
            self._run_epochs(loop, record)
        finally:
            loop.bar.close()
            if state.best_weights is not None:
                model.load_state_dict(state.best_weights)
                if team.rank == 0:
                    checkpoint.save(state.best_weights, best_weights)
        return TrainingResult(state.rows, monitor.best)

    def _run_epochs(self, loop: Running, record: Callable[[EpochRow], None]) -> None:
        state = loop.state
        if state.is_new:
            with loop.between_epochs(0, state.model):
                pass
        while not (state.monitor.is_over or self._is_last(len(state.rows), state.train_s)):
            row = self._epoch(loop)
            record(row)
            state.end_epoch(row)
            loop.maybe_save(ends_epoch=True)

    def _is_last(self, epoch: int, train_s: float) -> bool:
        """Whether training ends after `epoch` because there were enough, or time is up."""
        return epoch == self._epochs or (self._max_s is not None and train_s >= self._max_s)

    def _epoch(self, loop: Running) -> EpochRow:
        state, device = loop.state, self._device
        rate = float(state.optimizer.param_groups[0]["lr"])  # a tensor where steps are captured
        epoch, clock = len(state.rows) + 1, state.begin_epoch()
        state.model.train()
        self._take_steps(loop, clock)
        train_loss = torch.stack(state.losses).mean().item()
        _refuse_not_finite("training", train_loss)
        seconds, watch = loop.team.broadcast(clock.seconds()), Stopwatch(device)
        val_loss: float | None = None
        scores: Scores | None = None
        with loop.between_epochs(epoch, state.model):
            is_last = self._is_last(epoch, state.train_s + seconds["epoch_s"])
            if epoch % self._eval_every == 0 or is_last:
                val_loss, scores = loop.evaluate(state.model, "val")
                _refuse_not_finite("validation", val_loss)
                score = scores.get(state.monitor.metric.name, math.nan)
                shown = {"loss": f"{train_loss:.4f}", "val": f"{score:.4f}"}
                loop.bar.set_postfix(epoch=epoch, **shown)
        return EpochRow(
            epoch=epoch,
            train_loss=train_loss,
            learning_rate=rate,
            val_loss=val_loss,
            val=scores,
            **seconds,
            eval_s=watch.seconds(),
        )

    def _take_steps(self, loop: Running, clock: EpochClock) -> None:
        """Take the steps that the epoch still has.

        Their losses stay on the device: one wait an epoch, not one a batch.
        """
        state = loop.state
        if loop.captured is not None:
            with clock.phases.phase("compute"):
                state.losses = list(loop.captured.run_epoch(loop.bar.update).unbind())
            return
        if loop.shared is not None:
            steps = loop.shared.take(len(state.rows) + 1, state.num_taken, clock)
        else:
            steps = single_steps(loop.step, clock)
        for losses in steps:
            state.losses += losses
            loop.bar.update(len(losses))
            clock.pause(loop.maybe_save(clock))

    def new_step(
        self, model: nn.Module, optimizer: Optimizer, class_weight: Tensor | None = None
    ) -> Step:
        """Return what trains `model`, with code generated for its forward pass if that is asked."""
        # A second name for the same weights: `model` itself is what is saved and evaluated.
        forward: Forward = torch.compile(model, dynamic=True) if self._compile else model
        return self._step(model, forward, optimizer, class_weight)

    def step(self, model: nn.Module, optimizer: Optimizer, batch: Batch) -> Tensor:
        """Take one step of the optimizer; return the loss before it. Nothing else changes.

        The model runs as it is: compiling it would take longer than the few steps this is for.
        """
        return self._step(model, model, optimizer, None)(batch)

    def _step(
        self,
        model: nn.Module,
        forward: Forward,
        optimizer: Optimizer,
        class_weight: Tensor | None,
    ) -> Step:
        return Step(
            model,
            forward,
            optimizer,
            precision=self.precision,
            device=self._device,
            class_weight=class_weight,
            grad_clip=self._grad_clip,
        )


def _refuse_not_finite(kind: str, loss: float) -> None:
    if not math.isfinite(loss):
        raise TrainingDiverged(f"{kind} loss became {loss}; lower optimizer.lr")

"""The whole training step as one CUDA graph: sampling, forward, backward and optimizer.

A step on a small graph is hundreds of small kernels that take less time than their launches. With a
sampler whose batches have a fixed shape the launches are recorded once, and repeated by one call.
What a step draws (neighbours, dropout) is drawn anew by every repetition: the state of the
generators is an input of the graph.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from redditgnn.errors import ConfigError, require
from redditgnn.graph.batch import Batch
from redditgnn.sampler.base import Sampler, StaticSampler

log = logging.getLogger(__name__)

_failed: list[
    Any
] = []  # never freed, since torch's allocator may go on to ask them whether they capture

Result = TypeVar("Result")
TakeStep = Callable[[Batch], Tensor]
"""Trains on a batch and returns its loss, detached. It must not wait for the device."""

WARM_UP = 3  # steps taken eagerly: what libraries set up at first use is no part of the graph


class StaticStep:
    """One step on whatever is in `targets` and `loss_weight`: same addresses, same shapes.

    Attributes:
        loss: Where a step leaves its loss.
    """

    def __init__(
        self, sampler: StaticSampler, take_step: TakeStep, targets: Tensor, loss_weight: Tensor
    ) -> None:
        self._sampler, self._take_step = sampler, take_step
        self.targets, self.loss_weight = targets.clone(), loss_weight.clone()
        self.loss = torch.zeros((), device=targets.device)

    def __call__(self) -> None:
        batch = self._sampler.draw(self.targets, self.loss_weight)
        self.loss.copy_(self._take_step(batch))


class CapturedTraining:
    """Runs epochs whose steps are captured after the first few, which are taken eagerly.

    Those are steps of the training like all others, so a captured training is the eager one. Where
    a step turns out not to be capturable, it stays eager if the sampler says `auto`. `optimizer` is
    made capturable. `take_step` is called a few times only, and must do the same whenever it is
    called: what it reads from Python is frozen when it is captured.
    """

    def __init__(
        self,
        sampler: StaticSampler,
        take_step: TakeStep,
        optimizer: Optimizer,
        device: torch.device,
    ) -> None:
        make_capturable(optimizer, device)
        self._sampler, self._take_step = sampler, take_step
        self._stream = torch.cuda.Stream(device)
        self._step: StaticStep | None = None
        self._replay: Callable[[], None] | None = None
        self._num_steps, self._captures = 0, True

    def run_epoch(self, after_step: Callable[[], object]) -> Tensor:
        """Take a step a batch; return the batches' losses, on the device.

        Raises:
            ConfigError: the step does what cannot be captured.
        """
        losses = []
        for targets, loss_weight in zip(*self._sampler.epoch(), strict=True):
            if self._step is None:
                self._step = StaticStep(self._sampler, self._take_step, targets, loss_weight)
            self._step.targets.copy_(targets)
            self._step.loss_weight.copy_(loss_weight)
            self._advance(self._step)
            losses.append(self._step.loss.clone())
            after_step()
        return torch.stack(losses)

    def _advance(self, step: StaticStep) -> None:
        if self._captures and self._num_steps == WARM_UP:
            self._replay = self._unless_refused(partial(self._captured, step))
        if self._replay is not None:
            self._replay()
        else:
            self._take_eagerly(step)
        self._num_steps += 1

    def _take_eagerly(self, step: StaticStep) -> None:
        """Take a step on a side stream: what autograd remembers of another would stop a capture."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            is_last = self._captures and self._num_steps == WARM_UP - 1
            if not (is_last and self._unless_refused(partial(_watched, step))):
                step()
        torch.cuda.current_stream().wait_stream(self._stream)

    def _unless_refused(self, attempt: Callable[[], Result]) -> Result | None:
        """Return what `attempt` does; where that is refused and need not be done, stay eager."""
        try:
            return attempt()
        except ConfigError as error:
            if self._sampler.cuda_graph is True:
                raise
            log.warning("%s; steps are taken one kernel at a time", error)
            self._captures = False
            return None

    def _captured(self, step: StaticStep) -> Callable[[], None]:
        try:
            with _refused():
                return self._capture(step, self._stream)
        except (ConfigError, torch.OutOfMemoryError):
            # The generators believe in that capture, and refuse to draw, until one has ended well.
            self._capture(lambda: torch.zeros((), device=self._stream.device), None)
            raise

    def _capture(
        self,
        work: Callable[[], object],
        stream: Any,  # torch.cuda.Stream | None
    ) -> Callable[[], None]:
        """Record `work`, on a stream of torch's own if there is none; return what repeats it."""
        graph = torch.cuda.CUDAGraph()
        if self._sampler.generator is not None:
            graph.register_generator_state(self._sampler.generator)
        try:
            with torch.cuda.graph(graph, stream=stream):
                work()
        except BaseException:
            graph.reset()  # gives back what it holds
            _failed.append(graph)
            raise
        return graph.replay


def _watched(step: StaticStep) -> bool:
    """Take a step that may not wait for the device: most captures that fail do so here."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode("error")
    try:
        with _refused():
            step()
        return True
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def _refused() -> Iterator[None]:
    """Say of an error in a step that it cannot be captured; lack of memory is another matter."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise ConfigError(
            "sampler.cuda_graph: a training step of this model cannot be captured in a CUDA "
            f"graph ({first}); use sampler.cuda_graph=false"
        ) from error


def captured_training(
    sampler: Sampler, take_step: TakeStep, optimizer: Optimizer, device: torch.device
) -> CapturedTraining | None:
    """Return what trains with captured steps if the sampler asks for that, else None."""
    if isinstance(sampler, StaticSampler) and sampler.cuda_graph:
        return CapturedTraining(sampler, take_step, optimizer, device)
    return None


def refuse_capture(sampler: Sampler) -> None:
    """Refuse a sampler that insists on captured steps: a step of several batches is not one.

    Raises:
        ConfigError: it does.
    """
    require(
        not isinstance(sampler, StaticSampler) or sampler.cuda_graph is not True,
        "sampler.cuda_graph=true needs trainer.batches_per_step=1, since a captured step has one "
        "batch; use sampler.cuda_graph=auto",
    )


def make_capturable(optimizer: Optimizer, device: torch.device) -> None:
    """Keep what the optimizer counts and reads on the device, where a graph can read it.

    A learning rate that is a number would be frozen; one that is a tensor is filled in place by
    torch's schedulers. One that comes out of a checkpoint is on the CPU. SGD, which counts nothing,
    reads such a tensor on the device in its fused implementation alone.
    """
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
        elif "fused" in group:
            group.update(fused=True, foreach=False)
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)

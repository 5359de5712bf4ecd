"""Memory that ran out: in which phase, how much would have been needed, and what to lower."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

import torch
from torch import nn

from redditgnn.config.settings import Settings
from redditgnn.errors import OutOfMemory, RedditGNNError
from redditgnn.graph.data import Split
from redditgnn.memory.estimate import Estimate
from redditgnn.metric.base import Scores
from redditgnn.runtime.measure import MIB
from redditgnn.runtime.memory import free_memory
from redditgnn.trainer.running import Evaluate

SIGNS = (
    *("can't allocate memory", "out of memory", "ALLOC_FAILED", "Cannot allocate memory"),
    *("std::bad_alloc", "can't start new thread"),  # of a guarded process: a stack is memory, too
)
Need = Callable[[], Estimate]


class Phase(Enum):
    """The phases of a run in which memory can run out."""

    LOADING = "loading the dataset"
    BUILDING = "building the model and the sampler"
    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


EVALUATING = {Phase.VALIDATION, Phase.TEST}
COMPUTING = {Phase.TRAINING, *EVALUATING}


class Remedy(NamedTuple):
    """A key that helps in `phases`, what to say of it, and values at which it cannot help more."""

    key: str
    advice: str
    phases: set[Phase]
    least: tuple[Any, ...] = ()


REMEDIES = (
    Remedy("sampler.batch_size", "lower {key}={value}", {Phase.TRAINING}, (1,)),
    Remedy("sampler.num_neighbors", "lower {key}={value}", {Phase.TRAINING}),
    Remedy("sampler.num_parts", "raise {key}={value}", {Phase.TRAINING}),
    Remedy("sampler.sample_coverage", "lower {key}={value}", {Phase.BUILDING}, (1,)),
    Remedy("trainer.eval_chunk_edges", "set {key} (now {value})", EVALUATING),
    Remedy("model.hidden_channels", "lower {key}={value}", COMPUTING, (1,)),
    Remedy("model.num_layers", "lower {key}={value}", COMPUTING, (1,)),
    Remedy("trainer.recompute", "set {key}=layers", {Phase.TRAINING}, ("layers",)),
    Remedy("dataset.scale", "lower {key}={value}", {Phase.LOADING}),
    Remedy(
        "dataset.feature_dtype", "set {key}=fp16", set(Phase) - {Phase.LOADING}, ("fp16", "bf16")
    ),
)


class MemoryWatch:
    """Turns the several ways in which memory runs out into `OutOfMemory`, which names the phase.

    Attributes:
        need: Estimates what the run needs; asked only when memory ran out.
    """

    def __init__(self, settings: Settings, device: torch.device, need: Need | None = None) -> None:
        self._settings, self.need, self._free = settings, need, free_memory(device)

    @contextmanager
    def during(self, phase: Phase, epoch: Callable[[], int] | None = None) -> Iterator[None]:
        """Enclose a phase; `epoch` returns the number of the one that is under way."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            where = phase.value if epoch is None else f"{phase.value}, epoch {epoch()}"
            first = (str(error).splitlines() or ["no memory left"])[0]
            traceback.clear_frames(error.__traceback__)  # what failed lets go of its tensors
            texts = [f"out of memory in {where} ({first})", self._needed(phase)]
            texts.append(remedies(phase, self._settings))
            raise OutOfMemory("; ".join(text for text in texts if text)) from error

    def evaluator(self, evaluate: Evaluate) -> Evaluate:
        """Return `evaluate` with its calls enclosed."""

        def watched(model: nn.Module, split: Split) -> tuple[float, Scores]:
            with self.during(Phase.TEST if split == "test" else Phase.VALIDATION):
                return evaluate(model, split)

        return watched

    def _needed(self, phase: Phase) -> str:
        """Compare the estimate of `phase` with what was free before the model was there."""
        was_free = f"{self._free / MIB:,.0f} MiB were free"
        if self.need is None:
            return was_free
        try:
            estimate = self.need()
        except (RuntimeError, MemoryError, RedditGNNError):  # no memory to estimate it with
            return was_free
        needs = estimate.testing if phase in EVALUATING else estimate.training
        return f"the estimate is {needs / MIB:,.0f} MiB, and {was_free}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, in one of the ways of torch, NumPy and Numba."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def remedies(phase: Phase, settings: Settings) -> str:
    """Name the keys that help, of those that the chosen components have."""
    texts = []
    for remedy in REMEDIES:
        group, name = remedy.key.split(".")
        component = settings.components[group]
        if phase in remedy.phases and name in component and component[name] not in remedy.least:
            texts.append(remedy.advice.format(key=remedy.key, value=component[name]))
    if settings.components["trainer"].get("memory_limit_gib") is not None:
        texts.append("raise trainer.memory_limit_gib")
    if phase is Phase.TRAINING and "batch_size" not in settings.components["sampler"]:
        texts.append("take a sampler with batches, such as sampler=gas or sampler=neighbor")
    return ", ".join(texts[:-1]) + " or " + texts[-1] if texts[1:] else "".join(texts)

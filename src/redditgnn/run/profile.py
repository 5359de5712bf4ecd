"""What a run spends its steps and its evaluation on: seconds, operators, and a trace of both."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import torch
from torch._C._autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from redditgnn.config.settings import Settings
from redditgnn.distributed.team import Alone
from redditgnn.errors import ConfigError
from redditgnn.graph.batch import Batch
from redditgnn.parts import Parts
from redditgnn.run.batch_size import resolve_batch_size
from redditgnn.run.execution import evaluator_of, inference_of
from redditgnn.runtime.measure import synchronize
from redditgnn.runtime.operations import OperationCount
from redditgnn.runtime.peaks import Peaks, measure_peaks
from redditgnn.sampler.base import Sampler

EVALUATION = "evaluation"
PHASES = ("sample", "transfer", "forward", "backward", "update", EVALUATION)
WARM_UP, MOST_STEPS, MOST_S = 3, 10, 20.0
FOLDER = "profiles"
QUIET = "99"  # Kineto, torch's profiler, writes lines of its own to stderr
OUTSIDE = "(outside of torch's operators)"
DIFFERENTIATED = re.compile("GeneratedBackwardFor_redditgnn_(.+)_default")

Enclosure = Callable[[str], AbstractContextManager[object]]
"""What encloses a phase, by its name."""


@dataclass(slots=True)
class PhaseCost:
    """What one phase took in all profiled steps together.

    Attributes:
        seconds: By the clock, until the device has finished.
        flop, bytes: Those of `OperationCount`.
        operators: For each operator the seconds in itself alone, and the number of calls.
    """

    seconds: float = 0.0
    flop: float = 0.0
    bytes: float = 0.0
    operators: dict[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """The costs of `num_steps` steps and one evaluation by phase, and the file of the trace."""

    num_steps: int
    phases: dict[str, PhaseCost]
    peaks: Peaks
    trace: Path

    def count(self, phase: str) -> int:
        """Return how often `phase` was profiled."""
        return 1 if phase == EVALUATION else self.num_steps


def profile_run(settings: Settings) -> Profile:
    """Profile the first steps of a run and one evaluation. Only a trace is left, and no row.

    A batch is made when the one before has been trained on, not ahead in the background, so that
    phases do not overlap. Each batch is a step, and steps are not captured in a CUDA graph.

    Raises:
        UserError: the run would be refused, or several processes would share it.
    """
    if not settings.parallel.is_none:
        raise ConfigError(
            f"--profile looks into one process; use parallel=none, not {settings.parallel.name}"
        )
    settings = resolve_batch_size(settings)
    settings.check()
    torch.manual_seed(settings.seed)
    dataset = Parts(settings)
    with dataset.in_effect():
        work = _Work(dataset)
        work.warm_up()
        counted = work.count()
        peaks = measure_peaks(dataset.device, work.dtype)
        trace = _new_trace(settings)
        num_steps, phases = work.profile(trace)
    profiled = Profile(num_steps, phases, peaks, trace)
    for name, cost in counted.items():
        count = profiled.count(name)
        phases[name].flop, phases[name].bytes = count * cost.flop, count * cost.bytes
    return profiled


class _Work:
    """The steps and the evaluation of a run, each phase in an enclosure."""

    def __init__(self, dataset: Parts) -> None:
        self._parts = parts = dataset.with_precomputed_features()
        self._device, self._model = parts.device, parts.model
        self._step = parts.trainer.new_step(parts.model, parts.optimizer, parts.class_weight)
        self._batches = _endless(parts.sampler)
        inference = inference_of(dataset, parts, Alone())
        self._evaluate = evaluator_of(dataset, parts, inference)

    @property
    def dtype(self) -> torch.dtype:
        """The format of the operands of matrix products."""
        return torch.bfloat16 if self._parts.trainer.precision == "bf16" else torch.float32

    def warm_up(self) -> None:
        """Compile what is compiled at first, and fill what is kept."""
        for _ in range(WARM_UP):
            self._take_step(_unenclosed)
        self._evaluate(self._model, "val")

    def count(self) -> dict[str, OperationCount]:
        """Count what each phase of one step, and an evaluation, computes."""
        counts: dict[str, OperationCount] = defaultdict(OperationCount)

        def counted(phase: str) -> AbstractContextManager[object]:
            return nullcontext() if phase == "sample" else counts[phase]

        self._take_step(counted)
        self._take_evaluation(counted)
        return counts

    def profile(self, trace: Path) -> tuple[int, dict[str, PhaseCost]]:
        """Return how many steps were profiled, and what each phase took; write the trace."""
        phases = {name: PhaseCost() for name in PHASES}
        named = _named(self._device)
        activities = [ProfilerActivity.CPU]
        if self._device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        os.environ.setdefault("KINETO_LOG_LEVEL", QUIET)
        num_steps, end = 0, time.perf_counter() + MOST_S
        with profile(activities=activities) as profiler:
            while num_steps < MOST_STEPS and (num_steps == 0 or time.perf_counter() < end):
                self._take_step(named)
                num_steps += 1
            self._take_evaluation(named)
        profiler.export_chrome_trace(str(trace))
        add_events(phases, profiler.events() or (), self._device)
        return num_steps, phases

    def _take_step(self, enclosure: Enclosure) -> None:
        self._model.train()
        with enclosure("sample"):
            batch = next(self._batches)
        with enclosure("transfer"):
            batch = batch.to(self._device)
        with enclosure("forward"):
            loss = self._step.loss(batch)
        with enclosure("backward"):
            self._step.optimizer.zero_grad(set_to_none=True)
            self._step.differentiate(loss)
        with enclosure("update"):
            self._step.update()

    def _take_evaluation(self, enclosure: Enclosure) -> None:
        with enclosure(EVALUATION):
            self._evaluate(self._model, "val")


def _named(device: torch.device) -> Enclosure:
    """Return what names phases in the trace. What the device still does for one belongs to it."""

    @contextmanager
    def enclosure(phase: str) -> Iterator[None]:
        with record_function(phase):
            yield
            synchronize(device)

    return enclosure


def add_events(
    phases: dict[str, PhaseCost], events: Iterable[FunctionEvent], device: torch.device
) -> None:
    """Add up the ranges of each phase, and by their own seconds the operators that begin in them.

    Seconds of other operators that they call are left out. On CUDA an operator has those of the
    kernels that it has started.
    """
    on_cpu = sorted((e for e in events if not _is_kernel(e)), key=lambda e: e.time_range.start)
    phase, end = "", 0.0
    for event in on_cpu:
        if event.name in phases and event.time_range.start >= end:
            phase, end = event.name, event.time_range.end
            phases[phase].seconds += event.time_range.elapsed_us() / 1e6
        elif event.time_range.start >= end:
            continue  # between two phases
        name, is_call = (OUTSIDE, True) if event.name in phases else _operator_of(event)
        own = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        seconds, calls = phases[phase].operators.get(name, (0.0, 0))
        phases[phase].operators[name] = (seconds + own / 1e6, calls + is_call)


def _operator_of(event: FunctionEvent) -> tuple[str, bool]:
    """Return the name of an operator, and whether the event is a call of it.

    The node of autograd that differentiates one of ours is not: the call within has its own event.
    """
    node = DIFFERENTIATED.fullmatch(event.name)
    return (f"redditgnn::{node[1]}", False) if node else (event.name, True)


def _is_kernel(event: FunctionEvent) -> bool:
    return bool(event.device_type != DeviceType.CPU)


def _endless(sampler: Sampler) -> Iterator[Batch]:
    while True:
        yield from sampler


def _unenclosed(phase: str) -> AbstractContextManager[object]:
    return nullcontext()


def _new_trace(settings: Settings) -> Path:
    """Return the path of a trace that is not there yet, in a folder that is."""
    folder = Path(settings.results_dir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    names = (settings.choices[group] for group in ("dataset", "model", "sampler"))
    now = datetime.now(timezone.utc)
    return folder / f"{now:%Y%m%d-%H%M%S-%f}-{'-'.join(map(str, names))}.json.gz"

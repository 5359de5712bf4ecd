"""Time several ways of doing the same work alternately, so that the machine's moods hit all alike.

A round calls every side once, and the next round begins with the next side. Calls that warm up are
not counted. What a call returns is freed after the clock has been stopped.
"""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from signal import SIGKILL
from subprocess import CompletedProcess
from typing import NamedTuple

import numpy as np
import torch

from redditgnn.measure import MIB, peak_rss_mib, reset_peak_cuda, reset_peak_rss, synchronize
from redditgnn.out_of_memory import is_out_of_memory

CPU = torch.device("cpu")
MOST_ROUNDS = 30


@dataclass(frozen=True)
class Side:
    """One way of doing the work. `call` does it once, completely.

    `warms_up`: False for a side whose first call is known not to differ, and takes long.
    """

    name: str
    call: Callable[[], object]
    warms_up: bool = True


@dataclass
class Timing:
    """Seconds of every counted call, in the order of the rounds; why there are none, if so."""

    seconds: list[float] = field(default_factory=list)
    out_of_memory: str | None = None

    @property
    def spread(self) -> Spread:
        """Median and quantiles of the counted calls."""
        return spread(self.seconds)


class Spread(NamedTuple):
    """Median, and the quantiles at 20 and 80 %, by linear interpolation."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Summarise a sample that is not empty."""
    low, high = np.quantile(values, [0.2, 0.8])
    return Spread(statistics.median(values), float(low), float(high))


def paired_ratio(side: Timing, reference: Timing) -> Spread:
    """Summarise, over the rounds, how many times as long as `reference` the `side` took."""
    rounds = zip(side.seconds, reference.seconds, strict=True)
    return spread([mine / its for mine, its in rounds])


def alternate(
    sides: Sequence[Side],
    *,
    repeats: int,
    budget_s: float,
    warmup: int = 1,
    device: torch.device = CPU,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Call the sides in turn, in at least `repeats` rounds; more while `budget_s` is not spent.

    A side that runs out of memory is left out from then on, and its times so far are dropped.
    """
    timings = {side.name: Timing() for side in sides}
    for _ in range(warmup):
        for side in sides:
            if side.warms_up:
                _time(side, timings[side.name], device, clock, counts=False)
    start = clock()
    for number in range(MOST_ROUNDS):
        if number >= repeats and clock() - start > budget_s:
            break
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            _time(side, timings[side.name], device, clock, counts=True)
    return timings


def _time(
    side: Side, timing: Timing, device: torch.device, clock: Callable[[], float], counts: bool
) -> None:
    if timing.out_of_memory:
        return
    gc.collect()
    try:
        synchronize(device)
        start = clock()
        result = side.call()
        synchronize(device)
        seconds = clock() - start
        del result
    except (MemoryError, RuntimeError) as error:
        timing.out_of_memory = out_of_memory_text(error)
        timing.seconds.clear()
        return
    if counts:
        timing.seconds.append(seconds)


def out_of_memory_text(error: BaseException) -> str:
    """Return the first line of an error that means a lack of memory; raise any other again."""
    if not is_out_of_memory(error):
        raise error
    return (str(error).splitlines() or ["no memory left"])[0]


def how_it_died(process: CompletedProcess[str]) -> tuple[str, str]:
    """Return status and note of a process that ended otherwise than with 0.

    SIGKILL is what the kernel sends when memory runs out; any other end is a mistake somewhere.
    """
    if process.returncode == -SIGKILL:
        return "oom", "killed by the kernel"
    last = (process.stderr.strip().splitlines() or ["no message"])[-1]
    return "failed", f"exit code {process.returncode}: {last}"


class PeakMemory:
    """Memory in use when it was made, and the peak since then.

    On a CPU it is resident memory: what was freed but not returned is returned first, so that
    nothing hides in it. Worker processes are not counted. On CUDA it is what tensors occupy.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.base_mib = settled_mib(device)
        reset_peak_cuda(device)
        reset_peak_rss()

    @property
    def peak_mib(self) -> float:
        """Peak since it was made, in MiB; waits for the device."""
        synchronize(self._device)
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / MIB
        return peak_rss_mib()

    @property
    def extra_mib(self) -> float:
        """Peak above what was in use before, the outputs of the work included."""
        return self.peak_mib - self.base_mib


def release_memory(device: torch.device) -> None:
    """Give back what is not in use any more."""
    gc.collect()
    synchronize(device)
    reset_peak_cuda(device)
    _return_freed_memory()


def settled_mib(device: torch.device) -> float:
    """Return the memory in use once everything that can be freed is."""
    release_memory(device)
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / MIB
    reset_peak_rss()
    return peak_rss_mib()  # just reset: what is resident now


class Memory(NamedTuple):
    """Peak memory of one call, in MiB: beyond what was there before, and with it."""

    extra_mib: float
    peak_mib: float


def memory_of(side: Side, device: torch.device) -> Memory | None:
    """Call a side once and return what memory that took; None where it does not suffice."""
    watch = PeakMemory(device)
    try:
        result = side.call()
        memory = Memory(watch.extra_mib, watch.peak_mib)
    except (MemoryError, RuntimeError) as error:
        out_of_memory_text(error)
        return None
    del result
    return memory


def _return_freed_memory() -> None:
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # not glibc: its heap may hide some of a peak
        return

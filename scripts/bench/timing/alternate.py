"""Time several ways of doing the same work in turn, so that a slow moment hits all of them alike.

A round calls every side once, and the next round begins with the next side. Calls that warm up do
not count. What a call returns is freed after the clock has stopped.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from redditgnn.runtime.measure import synchronize
from scripts.bench.timing.memory import CPU, out_of_memory_text

MOST_ROUNDS = 30


@dataclass(frozen=True)
class Side:
    """One way of doing the work. `call` does it once, completely.

    `warms_up`: False for a side whose first call takes long and is known not to differ.
    """

    name: str
    call: Callable[[], object]
    warms_up: bool = True


class Spread(NamedTuple):
    """Median, and the quantiles at 20 and 80 %, by linear interpolation."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Summarise a sample that is not empty."""
    low, high = np.quantile(values, [0.2, 0.8])
    return Spread(statistics.median(values), float(low), float(high))


@dataclass
class Timing:
    """Seconds of every counted call, in the order of the rounds; empty if memory ran out."""

    seconds: list[float] = field(default_factory=list)
    out_of_memory: str | None = None

    @property
    def spread(self) -> Spread:
        """Median and quantiles of the counted calls."""
        return spread(self.seconds)


def paired_ratio(side: Timing, reference: Timing) -> Spread:
    """Summarise, over the rounds, how many times as long as `reference` the `side` took.

    A side that was called once, outside the rounds, is compared with the median.
    """
    if len(side.seconds) == 1:
        return spread([side.seconds[0] / reference.spread.median])
    rounds = zip(side.seconds, reference.seconds, strict=True)
    return spread([seconds / of_reference for seconds, of_reference in rounds])


def alternate(
    sides: Sequence[Side],
    *,
    repeats: int,
    budget_s: float,
    warmup: int = 1,
    device: torch.device = CPU,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Call the sides in turn, in at least `repeats` rounds, and more until `budget_s` is spent.

    A side that runs out of memory is left out from then on, and its times so far are dropped.
    """
    timings = {side.name: Timing() for side in sides}
    for _ in range(warmup):
        for side in sides:
            if side.warms_up:
                _time(side, timings[side.name], device, clock, counts=False)
    start = clock()
    for number in range(MOST_ROUNDS if sides else 0):
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

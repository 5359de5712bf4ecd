"""The fastest that this machine multiplies matrices and copies memory, measured on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from redditgnn.runtime.measure import Stopwatch

TRIALS = 5
SIDE = {"cpu": 1024, "cuda": 8192}  # of the square matrices: large enough to be at the peak
COPIED_BYTES = {"cpu": 2**28, "cuda": 2**30}  # far more than any cache holds


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of one device: floating point operations and bytes, both a second."""

    flop: float
    bytes: float


def measure_peaks(device: torch.device, dtype: torch.dtype) -> Peaks:
    """Measure products of `dtype`, as torch is set to compute them, and copies of memory.

    A product of n x n matrices counts 2 n^3 operations. A copied byte counts twice: it is read
    and written.
    """
    side = SIDE[device.type]
    a, b, product = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(3))
    products_s = _fastest_s(lambda: torch.mm(a, b, out=product), device)
    size = COPIED_BYTES[device.type]
    source, target = (torch.zeros(size, dtype=torch.uint8, device=device) for _ in range(2))
    copies_s = _fastest_s(lambda: target.copy_(source), device)
    return Peaks(2 * side**3 / products_s, 2 * size / copies_s)


def _fastest_s(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of the fastest of some trials, after one that is not counted."""
    work()
    seconds = []
    for _ in range(TRIALS):
        watch = Stopwatch(device)
        work()
        seconds.append(watch.seconds())
    return min(seconds)
